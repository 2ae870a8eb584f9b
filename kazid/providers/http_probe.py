"""`http_probe`: asks one address and asserts on what it answers: status, headers, body, JSON, where it ended.

Copy the shape of this file for a new provider: options as a Struct, a pure `interpret`, and an `evaluate` that does
nothing but fetch. With no assertion a 2xx passes (SEMANTICS §1). Redirects are followed, as by the predecessor, unless
told otherwise: what is asserted on is the answer at their end, and the evidence names the stations. `samples` are asked
in a row, and the first one that does not pass ends the look.
"""

import json
import posixpath
from collections.abc import Iterator, Mapping

import anyio
import anyio.to_thread
import httpx
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import excerpt, shortened
from kazid.providers.expectation import Missing, objection
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.http_exchange import BODY_BYTES_KEPT, Answer, Request, Tls, Unsendable, head_of
from kazid.providers.http_failure import NoAnswer
from kazid.providers.http_fetch import Fetcher, is_askable, is_socket_path, public_url
from kazid.providers.http_trust import TrustStores
from kazid.providers.json_path import PathProblem, value_at
from kazid.providers.options import allowed_s, read_options
from kazid.shim.redaction import redact

METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})

BODY_CHARS_MAX = 2000
VALUE_CHARS_MAX = 500
"""Of one value of the answer in evidence."""

JSON_BYTES_MAX = 1024 * 1024
"""Of a body that is parsed: what it takes in memory is a hundred times that at worst."""

PARSED_ON_LOOP_BYTES_MAX = 64 * 1024
PUBLIC_HEADERS = frozenset({"accept", "accept-language", "content-type", "host", "origin", "user-agent"})
"""Of authored headers the only ones whose value is shown where a server echoes it."""

SAMPLE_TIMEOUT_MS = 5000
"""Of one of several samples, where none is authored; a single one may take the whole observation."""

UNIX = "unix:"


class HttpProbeOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored. Any `body_match` but `exact` means `contains`."""

    url: str
    method: str = "get"
    headers: Mapping[str, str] = {}
    body: str | None = None
    json: Json = None
    expect_status: int | None = None
    expect_body: str | None = None
    body_match: str = "contains"
    expect_json: Mapping[str, Json] = {}
    expect_headers: Mapping[str, Json] = {}
    expect_url: str | None = None
    follow_redirects: bool = True
    keep_alive: bool = False
    tls_ca: str = ""
    tls_cert: str = ""
    tls_key: str = ""
    tls_server_name: str = ""
    tls_verify: bool = True
    timeout_ms: int | None = None
    samples: int = 1
    interval_ms: int = 0
    path: str = ""
    """What the OpenAPI importer read; the url decides."""

    @property
    def is_exact(self) -> bool:
        """True when the whole body has to be the expected text."""
        return self.body_match == "exact"

    @property
    def asserts(self) -> bool:
        """True when anything is expected: without that a 2xx is."""
        said = (self.expect_status, self.expect_body, self.expect_url)
        return any(each is not None for each in said) or bool(self.expect_json or self.expect_headers)


class HttpProbe:
    """The provider. All probes share their trust stores."""

    def __init__(self) -> None:
        self._fetcher = Fetcher(trust=TrustStores())

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask once, or `samples` times in a row."""
        if not options.get("url"):
            return errored("missing_url", "the predicate has no url")
        read = read_options(options, HttpProbeOptions)
        if isinstance(read, Verdict):
            return read
        request = request_for(read, workspace=look.workspace)
        if isinstance(request, Verdict):
            return request
        if read.samples <= 1:
            return await self._ask(request, read, look, deadline_s=allowed_s(read.timeout_ms, look))
        return await self._sample(request, read, look)

    async def _ask(
        self, request: Request, options: HttpProbeOptions, look: Look, *, deadline_s: float
    ) -> Verdict:
        answer = await self._fetcher.fetch(request, deadline_s=deadline_s)
        if look.show is not None:
            look.show(f"{request.method} {redact(public_url(request))}", raw_answer(answer, options))
        if isinstance(answer, NoAnswer) or len(answer.body) <= PARSED_ON_LOOP_BYTES_MAX:
            return interpret(answer, options, request)
        return await anyio.to_thread.run_sync(
            lambda: interpret(answer, options, request), abandon_on_cancel=True
        )

    async def _sample(self, request: Request, options: HttpProbeOptions, look: Look) -> Verdict:
        ends_s = anyio.current_time() + allowed_s(None, look)
        timeout_s = (options.timeout_ms or SAMPLE_TIMEOUT_MS) / 1000
        verdicts: list[Verdict] = []
        while len(verdicts) < options.samples:
            if verdicts:
                await anyio.sleep(
                    min(max(0, options.interval_ms) / 1000, max(0.0, ends_s - anyio.current_time()))
                )
            left_s = ends_s - anyio.current_time()
            verdict = await self._ask(request, options, look, deadline_s=min(timeout_s, max(0.0, left_s)))
            if verdicts and not verdict.is_green and anyio.current_time() >= ends_s:
                # It was our time that ended, not the service's patience with us.
                verdict = errored(
                    "timeout", f"{options.samples} samples do not fit into {look.deadline_s:g} s"
                )
            verdicts.append(verdict)
            if not verdict.is_green:
                break
        return summarize(verdicts, options)


def request_for(options: HttpProbeOptions, *, workspace: str = "/") -> Request | Verdict:
    """Return what these options ask for, or the ERROR that says why it cannot be asked."""
    method = options.method.upper()
    if method not in METHODS:
        return errored(
            "invalid_config", f"method {shortened(options.method)!r} is none of {', '.join(sorted(METHODS))}"
        )
    if options.body is not None and options.json is not None:
        return errored("invalid_config", "body and json are two bodies; a request has one")
    url, socket_path = address_of(options.url, workspace=workspace)
    if socket_path and not is_socket_path(socket_path):
        return errored("invalid_config", f"no path that a socket can have: {shortened(socket_path)}")
    expected = None if options.expect_body is None else options.expect_body.encode("utf-8", errors="replace")
    try:
        request = Request(
            method=method,
            url=httpx.URL(url),
            headers=_headers_of(options),
            content=_content_of(options),
            socket_path=socket_path,
            tls=_tls_of(options, workspace),
            follows=options.follow_redirects,
            keeps=options.keep_alive,
            bytes_kept=JSON_BYTES_MAX + 1 if options.expect_json else BODY_BYTES_KEPT,
            body_contains=None if options.is_exact else expected,
            body_equals=expected if options.is_exact else None,
        )
        head_of(request)
    except (httpx.InvalidURL, UnicodeError, Unsendable, ValueError, RecursionError) as error:
        return errored("invalid_config", f"cannot be asked: {shortened(str(error))}")
    if not is_askable(request.url):
        return errored(
            "invalid_config", f"not an http://, https:// or unix: address: {shortened(redact(options.url))}"
        )
    return request


def address_of(url: str, *, workspace: str) -> tuple[str, str]:
    """Return the address to ask and the socket to ask it on: `unix:/run/app.sock:/livez`, or any other and none."""
    if not url.startswith(UNIX):
        return url, ""
    socket_path, colon, target = url.removeprefix(UNIX).partition(":/")
    return f"http://localhost/{target if colon else ''}", posixpath.join(workspace, socket_path)


def interpret(answer: Answer | NoAnswer, options: HttpProbeOptions, request: Request) -> Verdict:
    """Return PASS iff every assertion holds; with none, iff the status is a 2xx. The evidence holds both sides."""
    evidence: dict[str, Json] = {"url": redact(public_url(request)), "method": request.method}
    if isinstance(answer, NoAnswer):
        status = Status.FAIL if answer.is_unreachable else Status.ERROR
        return Verdict(status=status, reason=answer.reason, detail=redact(answer.detail), evidence=evidence)
    evidence |= {"http_status": answer.status_code, "body": _shown(answer, options)}
    if answer.redirects:
        evidence["redirects"] = [redact(url) for url in answer.redirects]
    failures = [
        *_status_failures(answer, options),
        *_url_failures(answer, options, request),
        *_header_failures(answer, options),
        *_body_failures(answer, options),
        *_json_failures(answer, options),
    ]
    if not failures:
        return Verdict(status=Status.PASS, evidence=evidence)
    return Verdict(
        status=Status.FAIL,
        reason=f"unexpected_{failures[0][0]['assertion']}",
        detail="; ".join(sentence for _, sentence in failures),
        evidence={**evidence, "assertion_failures": [failure for failure, _ in failures]},
    )


Failure = tuple[Mapping[str, Json], str]
"""What of an assertion does not hold, with both sides, and a sentence about it."""


def _status_failures(answer: Answer, options: HttpProbeOptions) -> Iterator[Failure]:
    actual, expected = answer.status_code, options.expect_status
    if expected is not None and actual != expected:
        yield _unexpected_status(actual, expected)
    elif not options.asserts and not 200 <= actual < 300:
        yield _unexpected_status(actual, "2xx")


def _unexpected_status(actual: int, expected: int | str) -> Failure:
    failure: Mapping[str, Json] = {"assertion": "status", "expected": expected, "actual": actual}
    return failure, f"status {actual}, expected {expected}"


def _url_failures(answer: Answer, options: HttpProbeOptions, request: Request) -> Iterator[Failure]:
    actual = answer.redirects[-1] if answer.redirects else public_url(request)
    if options.expect_url is not None and actual != options.expect_url:
        shown = shortened(redact(actual))
        failure: Mapping[str, Json] = {
            "assertion": "url",
            "expected": shortened(redact(options.expect_url)),
            "actual": shown,
        }
        yield failure, f"the answer came from {shown}"


def _header_failures(answer: Answer, options: HttpProbeOptions) -> Iterator[Failure]:
    for name, expected in options.expect_headers.items():
        found = answer.header(name)
        actual = Missing("is not there") if found is None else found
        if (said := objection(expected, actual)) is not None:
            shown = None if found is None else _value_shown(found, options)
            failure: Mapping[str, Json] = {
                "assertion": "header",
                "name": shortened(name),
                "expected": expected,
                "actual": shown,
            }
            yield failure, f"header {shortened(name)} {said}"


def _body_failures(answer: Answer, options: HttpProbeOptions) -> Iterator[Failure]:
    if answer.body_matches is not False:
        return
    failure: Mapping[str, Json] = {
        "assertion": "body",
        "expected": excerpt(options.expect_body or "", BODY_CHARS_MAX),
        "actual": _shown(answer, options),
        "match": "exact" if options.is_exact else "contains",
    }
    yield failure, _body_sentence(answer, options)


def _json_failures(answer: Answer, options: HttpProbeOptions) -> Iterator[Failure]:
    if not options.expect_json:
        return
    document: Json = None
    why: str | None = None
    if len(answer.body) > JSON_BYTES_MAX:
        why = f"the body has more than {JSON_BYTES_MAX} bytes, too many to be read as JSON"
    else:
        try:
            document = parse_json(answer.body.decode("utf-8"))
        except (NotJson, UnicodeError) as error:
            why = f"the body is no JSON: {shortened(str(error))}"
    if why is not None:
        yield {"assertion": "json", "expected": "JSON", "actual": why}, why
        return
    for path, expected in options.expect_json.items():
        found = value_at(document, path)
        actual = Missing(found.detail) if isinstance(found, PathProblem) else found
        if (said := objection(expected, actual)) is not None:
            failure: Mapping[str, Json] = {
                "assertion": "json",
                "path": shortened(path),
                "expected": expected,
                "actual": None if isinstance(actual, Missing) else _value_shown(actual, options),
            }
            yield failure, said if isinstance(actual, Missing) else f"{shortened(path)} {said}"


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


def _headers_of(options: HttpProbeOptions) -> Mapping[str, str]:
    if options.json is None or any(name.lower() == "content-type" for name in options.headers):
        return options.headers
    return {**options.headers, "Content-Type": "application/json"}


def _content_of(options: HttpProbeOptions) -> bytes | None:
    if options.json is not None:
        return json.dumps(options.json, separators=(",", ":"), ensure_ascii=False).encode()
    return None if options.body is None else options.body.encode()


def _tls_of(options: HttpProbeOptions, workspace: str) -> Tls:
    def located(path: str) -> str:
        return posixpath.join(workspace, path) if path else ""

    return Tls(
        ca=located(options.tls_ca),
        cert=located(options.tls_cert),
        key=located(options.tls_key),
        server_name=options.tls_server_name,
        verifies=options.tls_verify,
    )


def raw_answer(answer: Answer | NoAnswer, options: HttpProbeOptions) -> Mapping[str, Json]:
    """Return the answer as it came, for whoever wants to see it."""
    if isinstance(answer, NoAnswer):
        return {"reason": answer.reason, "detail": answer.detail}
    headers = "; ".join(f"{name}: {value}" for name, value in answer.headers)
    body = answer.body.decode("utf-8", errors="replace")
    return {
        "status": answer.status_code,
        "bytes": answer.bytes_read,
        "headers": redact(headers, _hidden(options)),
        "body": redact(body, _hidden(options)),
    }


def _shown(answer: Answer, options: HttpProbeOptions) -> str:
    """The body as evidence, without what was sent in headers: servers echo them."""
    text = answer.body[:BODY_BYTES_KEPT].decode("utf-8", errors="replace")
    return excerpt(redact(text, _hidden(options)), BODY_CHARS_MAX)


def _value_shown(value: Json, options: HttpProbeOptions) -> Json:
    """A value of the answer as evidence: as it is when it is small, else the beginning of its text."""
    if value is None or isinstance(value, (bool, int, float)):
        return value if not isinstance(value, int) or abs(value) < 2**63 else shortened(str(value))
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shortened(redact(text[:BODY_CHARS_MAX], _hidden(options)), VALUE_CHARS_MAX)


def _hidden(options: HttpProbeOptions) -> list[str]:
    return [value for name, value in options.headers.items() if name.lower() not in PUBLIC_HEADERS]


def _body_sentence(answer: Answer, options: HttpProbeOptions) -> str:
    expected = (options.expect_body or "").encode("utf-8", errors="replace")
    if options.is_exact and answer.body.strip() == expected.strip():
        return "the body differs from the expected text in white space at its ends only"
    if options.is_exact:
        return "the body is not the expected text"
    return f"the body does not contain the expected text{' in what was read of it' if answer.is_cut else ''}"
