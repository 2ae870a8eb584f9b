"""`http_probe`: asks one address and asserts on the status and the body of what it answers.

Copy the shape of this file for a new provider: options as a Struct, a pure `interpret`, and an `evaluate` that does
nothing but fetch. With no assertion a 2xx passes (SEMANTICS §1). Redirects are followed, as by the predecessor: what
is asserted on is the answer at their end, and the evidence names the stations. `samples` are asked in a row, each by
a connection of its own, and the first one that does not pass ends the look.
"""

import ssl
from collections.abc import Mapping
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import excerpt, shortened
from kazid.providers.http_fetch import (
    NAME_LOOKUPS_MAX,
    Answer,
    Fetcher,
    NoAnswer,
    Request,
    is_askable,
    public_url,
)
from kazid.providers.options import allowed_s, read_options
from kazid.shim.redaction import redact

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""None of them is sent with a body."""

BODY_CHARS_MAX = 2000
PUBLIC_HEADERS = frozenset({"accept", "accept-language", "content-type", "host", "origin", "user-agent"})
"""Of authored headers the only ones whose value is shown where a server echoes it."""

SAMPLE_TIMEOUT_MS = 5000
"""Of one of several samples, where none is authored; a single one may take the whole observation."""


class HttpProbeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored. Any `body_match` but `exact` means `contains`."""

    url: str
    method: str = "get"
    expect_status: int | None = None
    expect_body: str | None = None
    body_match: str = "contains"
    headers: Mapping[str, str] = {}
    timeout_ms: int | None = None
    samples: int = 1
    interval_ms: int = 0
    path: str = ""
    """What the OpenAPI importer read; the url decides."""

    @property
    def is_exact(self) -> bool:
        """True when the whole body has to be the expected text."""
        return self.body_match == "exact"


class HttpProbe:
    """The provider. One trust store for all probes: building it takes 40 ms (reference/feasibility.md, section 3)."""

    def __init__(self) -> None:
        self._ssl_context: ssl.SSLContext | None = None
        self._building = anyio.Lock()
        self._lookups = anyio.CapacityLimiter(NAME_LOOKUPS_MAX)

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask once, or `samples` times in a row."""
        if not options.get("url"):
            return errored("missing_url", "the predicate has no url")
        read = read_options(options, HttpProbeOptions)
        if isinstance(read, Verdict):
            return read
        request = request_for(read)
        if isinstance(request, Verdict):
            return request
        fetcher = await self._fetcher()
        if read.samples <= 1:
            answer = await fetcher.fetch(request, deadline_s=allowed_s(read.timeout_ms, look))
            return interpret(answer, read, request)
        return await self._sample(fetcher, request, read, look)

    async def _sample(
        self, fetcher: Fetcher, request: Request, options: HttpProbeOptions, look: Look
    ) -> Verdict:
        ends_s = anyio.current_time() + allowed_s(None, look)
        timeout_s = (options.timeout_ms or SAMPLE_TIMEOUT_MS) / 1000
        verdicts: list[Verdict] = []
        while len(verdicts) < options.samples:
            if verdicts:
                await anyio.sleep(
                    min(max(0, options.interval_ms) / 1000, max(0.0, ends_s - anyio.current_time()))
                )
            left_s = ends_s - anyio.current_time()
            answer = await fetcher.fetch(request, deadline_s=min(timeout_s, max(0.0, left_s)))
            verdict = interpret(answer, options, request)
            if verdicts and not verdict.is_green and anyio.current_time() >= ends_s:
                # It was our time that ended, not the service's patience with us.
                verdict = errored(
                    "timeout", f"{options.samples} samples do not fit into {look.deadline_s:g} s"
                )
            verdicts.append(verdict)
            if not verdict.is_green:
                break
        return summarize(verdicts, options)

    async def _fetcher(self) -> Fetcher:
        async with self._building:
            if self._ssl_context is None:
                self._ssl_context = await anyio.to_thread.run_sync(trust_store)
        return Fetcher(ssl_context=self._ssl_context, lookups=self._lookups)


def request_for(options: HttpProbeOptions) -> Request | Verdict:
    """Return what these options ask for, or the ERROR that says why it cannot be asked."""
    method = options.method.upper()
    if method not in METHODS:
        return errored(
            "invalid_config", f"method {shortened(options.method)!r} is none of {', '.join(sorted(METHODS))}"
        )
    try:
        url = httpx.URL(options.url)
        # Raises now what it would raise when they are sent.
        httpx.Headers(dict(options.headers))
    except (httpx.InvalidURL, UnicodeError) as error:
        return errored("invalid_config", f"cannot be asked: {shortened(str(error))}")
    if not is_askable(url):
        return errored(
            "invalid_config", f"not an http:// or https:// address: {shortened(redact(options.url))}"
        )
    expected = None if options.expect_body is None else options.expect_body.encode("utf-8", errors="replace")
    return Request(
        method=method,
        url=url,
        headers=options.headers,
        body_contains=None if options.is_exact else expected,
        body_equals=expected if options.is_exact else None,
    )


def interpret(answer: Answer | NoAnswer, options: HttpProbeOptions, request: Request) -> Verdict:
    """Return PASS iff every assertion holds; with none, iff the status is a 2xx. The evidence holds both sides."""
    evidence: dict[str, Json] = {"url": redact(public_url(request.url)), "method": request.method}
    if isinstance(answer, NoAnswer):
        status = Status.FAIL if answer.is_unreachable else Status.ERROR
        return Verdict(status=status, reason=answer.reason, detail=redact(answer.detail), evidence=evidence)
    body = _shown(answer, options)
    evidence |= {"http_status": answer.status_code, "body": body}
    if answer.redirects:
        evidence["redirects"] = [redact(url) for url in answer.redirects]
    failures: list[dict[str, Json]] = []
    if options.expect_status is not None and answer.status_code != options.expect_status:
        failures.append(
            {"assertion": "status", "expected": options.expect_status, "actual": answer.status_code}
        )
    if answer.body_matches is False:
        failures.append(
            {
                "assertion": "body",
                "expected": excerpt(options.expect_body or "", BODY_CHARS_MAX),
                "actual": body,
                "match": "exact" if options.is_exact else "contains",
            }
        )
    if options.expect_status is None and options.expect_body is None and not 200 <= answer.status_code < 300:
        failures.append({"assertion": "status", "expected": "2xx", "actual": answer.status_code})
    if not failures:
        return Verdict(status=Status.PASS, evidence=evidence)
    return Verdict(
        status=Status.FAIL,
        reason=f"unexpected_{failures[0]['assertion']}",
        detail="; ".join(_sentence(failure, answer, options) for failure in failures),
        evidence={**evidence, "assertion_failures": failures},
    )


def summarize(verdicts: list[Verdict], options: HttpProbeOptions) -> Verdict:
    """Return one verdict for samples in a row: any error is ERROR, all green is PASS, anything else FAIL."""
    assert verdicts, "a look takes at least one sample"
    last = verdicts[-1]
    healthy = sum(1 for verdict in verdicts if verdict.is_green)
    samples: list[Json] = [
        {"status": v.status.value, "http_status": v.evidence.get("http_status")} for v in verdicts
    ]
    return msgspec.structs.replace(
        last,
        evidence={
            **last.evidence,
            "samples_required": options.samples,
            "healthy_count": healthy,
            "samples": samples,
        },
        score=float(healthy),
        direction=Direction.HIGHER_BETTER,
    )


def trust_store() -> ssl.SSLContext:
    """Return a context that trusts what this machine trusts, and the list httpx brings where it has no store."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return ssl.create_default_context()
    return httpx.create_ssl_context(trust_env=False)


def _shown(answer: Answer, options: HttpProbeOptions) -> str:
    """The body as evidence, without what was sent in headers: servers echo them."""
    hidden = [value for name, value in options.headers.items() if name.lower() not in PUBLIC_HEADERS]
    return excerpt(redact(answer.body.decode("utf-8", errors="replace"), hidden), BODY_CHARS_MAX)


def _sentence(failure: Mapping[str, Json], answer: Answer, options: HttpProbeOptions) -> str:
    if failure["assertion"] == "status":
        return f"status {failure['actual']}, expected {failure['expected']}"
    expected = (options.expect_body or "").encode("utf-8", errors="replace")
    if options.is_exact and answer.body.strip() == expected.strip():
        return "the body differs from the expected text in white space at its ends only"
    if options.is_exact:
        return "the body is not the expected text"
    return f"the body does not contain the expected text{' in what was read of it' if answer.is_cut else ''}"
