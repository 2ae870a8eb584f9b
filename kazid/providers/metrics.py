"""`metrics`: asks Prometheus and compares a value, a quantile of a histogram, or two burn rates.

Prometheus is the instrument and not what is judged: that it cannot be asked, or not understood, is ERROR. That it knows
nothing (no endpoint, an empty vector, NaN, nothing observed) is UNKNOWN: no data is never green and never red.
"""

import math
from collections.abc import Mapping, Sequence
from typing import assert_never

import anyio
import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored, unknown
from kazid.core.waiver import NOT_APPLICABLE
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.formats.prometheus import (
    BadAnswer,
    Bucket,
    NoData,
    Vector,
    buckets_of,
    error_in,
    histogram_quantile,
    read_vector,
)
from kazid.providers.http_exchange import Answer
from kazid.providers.http_failure import NoAnswer
from kazid.providers.http_fetch import Fetcher
from kazid.providers.http_probe import PARSED_ON_LOOP_BYTES_MAX, HttpProbeOptions, request_for
from kazid.providers.http_trust import TrustStores
from kazid.providers.options import allowed_s, read_options
from kazid.providers.pass_when import PassWhen, parse_pass_when
from kazid.shim.redaction import redact

TIMEOUT_MS = 5000
ANSWER_BYTES_MAX = 4 * 1024 * 1024
BUCKETS_SHOWN_MAX = 32


class BurnRate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Two queries and the rate at which they alarm, both together."""

    long: str
    short: str
    threshold: float


class MetricsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    query_url: str = ""
    query: str = ""
    pass_when: str = ""
    quantile: float | None = None
    burn_rate: BurnRate | None = None
    direction: Direction = Direction.LOWER_BETTER
    window: Json = None
    headers: Mapping[str, str] = {}
    tls_ca: str = ""
    timeout_ms: int = TIMEOUT_MS

    @property
    def queries(self) -> Sequence[str]:
        """What is asked, in this order."""
        return (self.query,) if self.burn_rate is None else (self.burn_rate.long, self.burn_rate.short)


class Metrics:
    """The provider."""

    def __init__(self) -> None:
        self._fetcher = Fetcher(trust=TrustStores())

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask all queries at once, and compare."""
        read = read_options(options, MetricsOptions)
        if isinstance(read, Verdict):
            return read
        if (wrong := _objection(read)) is not None:
            return errored("invalid_config", wrong)
        if not read.query_url:
            return unknown(NOT_APPLICABLE, "no query_url: there is no Prometheus to ask", **_asked(read))
        answers: dict[int, Answer | NoAnswer | Verdict] = {}
        deadline_s = allowed_s(read.timeout_ms, look)

        async def ask(number: int, query: str) -> None:
            answers[number] = await self._ask(query, read, look, deadline_s=deadline_s)

        async with anyio.create_task_group() as tasks:
            for number, query in enumerate(read.queries):
                tasks.start_soon(ask, number, query)
        found = [answers[number] for number in range(len(read.queries))]
        if (
            sum(len(answer.body) for answer in found if isinstance(answer, Answer))
            <= PARSED_ON_LOOP_BYTES_MAX
        ):
            return interpret(found, read)
        return await anyio.to_thread.run_sync(lambda: interpret(found, read), abandon_on_cancel=True)

    async def _ask(
        self, query: str, options: MetricsOptions, look: Look, *, deadline_s: float
    ) -> Answer | NoAnswer | Verdict:
        base = options.query_url.rstrip("/")
        probe = HttpProbeOptions(url=f"{base}/api/v1/query", headers=options.headers, tls_ca=options.tls_ca)
        request = request_for(probe, workspace=look.workspace)
        if isinstance(request, Verdict):
            return request
        request = msgspec.structs.replace(
            request, url=request.url.copy_merge_params({"query": query}), bytes_kept=ANSWER_BYTES_MAX + 1
        )
        return await self._fetcher.fetch(request, deadline_s=deadline_s)


def interpret(answers: Sequence[Answer | NoAnswer | Verdict], options: MetricsOptions) -> Verdict:
    """Return PASS or FAIL as the numbers say, UNKNOWN where there are none, ERROR where nobody could be asked."""
    asked = _asked(options)
    vectors: list[Vector] = []
    for answer in answers:
        read = _vector_of(answer)
        if isinstance(read, Verdict):
            return msgspec.structs.replace(read, evidence={**asked, **read.evidence})
        vectors.append(read)
    if warnings := [redact(warning) for vector in vectors for warning in vector.warnings]:
        asked["warnings"] = warnings
    try:
        if options.burn_rate is not None:
            return _burning(vectors[0], vectors[1], options, options.burn_rate, asked)
        condition = parse_pass_when(options.pass_when)
        assert condition is not None, "checked before anybody was asked"
        if options.quantile is not None:
            return _at_quantile(vectors[0], options, options.quantile, condition, asked)
        return _compared(vectors[0], options, condition, asked)
    except BadAnswer as error:
        return errored(error.reason, error.detail, **asked)
    except NoData as error:
        return unknown("no_data", str(error), **asked)


def _vector_of(answer: Answer | NoAnswer | Verdict) -> Vector | Verdict:
    match answer:
        case Verdict():
            return answer
        case NoAnswer():
            return errored(answer.reason, redact(answer.detail))
        case Answer():
            pass
        case _:
            assert_never(answer)
    if len(answer.body) > ANSWER_BYTES_MAX:
        return errored(
            "answer_too_long", f"the answer has more than {ANSWER_BYTES_MAX} bytes: ask for fewer series"
        )
    text = answer.body.decode("utf-8", errors="replace")
    if not 200 <= answer.status_code < 300:
        return errored(
            "http_status",
            f"status {answer.status_code}: {redact(_said(text))}",
            http_status=answer.status_code,
        )
    try:
        return read_vector(text)
    except BadAnswer as error:
        return errored(error.reason, redact(error.detail))


def _compared(
    vector: Vector, options: MetricsOptions, condition: PassWhen, asked: Mapping[str, Json]
) -> Verdict:
    """All elements have to hold: which one comes first means nothing."""
    if not vector.samples:
        raise NoData("the query has no result")
    finite = [sample for sample in vector.samples if math.isfinite(sample.value)]
    broken = [sample for sample in finite if not condition.holds(sample.value)]
    evidence: dict[str, Json] = {**asked, "series": len(vector.samples)}
    if not broken and len(finite) < len(vector.samples):
        raise NoData(
            f"{len(vector.samples) - len(finite)} of {len(vector.samples)} values are no finite number"
        )
    shown = broken[0] if broken else finite[0]
    if shown.labels:
        evidence["labels"] = {
            shortened(k, 80): shortened(redact(v), 120) for k, v in list(shown.labels.items())[:16]
        }
    return _judged(shown.value, options, holds=not broken, evidence=evidence)


def _at_quantile(
    vector: Vector, options: MetricsOptions, quantile: float, condition: PassWhen, asked: Mapping[str, Json]
) -> Verdict:
    buckets = buckets_of(vector)
    observed = histogram_quantile(quantile, buckets)
    evidence = {**asked, "buckets": [_shown(bucket) for bucket in buckets[:BUCKETS_SHOWN_MAX]]}
    return _judged(observed, options, holds=condition.holds(observed), evidence=evidence)


def _burning(
    long: Vector, short: Vector, options: MetricsOptions, burn_rate: BurnRate, asked: Mapping[str, Json]
) -> Verdict:
    """FAIL iff both windows reach the threshold: the long one that it matters, the short one that it goes on."""
    rates = _rates(long, short)
    breaches = [rate >= burn_rate.threshold for rate in rates]
    windows: dict[str, Json] = {
        f"{name}_window": {"query": shortened(query), "burn_rate": rate, "breach": breach}
        for name, query, rate, breach in zip(("long", "short"), options.queries, rates, breaches, strict=True)
    }
    fires = all(breaches)
    verdict = Verdict(
        status=Status.FAIL if fires else Status.PASS,
        evidence={**asked, **windows, "fires": fires},
        score=max(rates),
        direction=options.direction,
    )
    if not fires:
        return verdict
    detail = f"burn rates {rates[0]:g} and {rates[1]:g} both reach {burn_rate.threshold:g}"
    return msgspec.structs.replace(verdict, reason="burning", detail=detail)


def _rates(long: Vector, short: Vector) -> tuple[float, float]:
    """The two rates of what burns most. Several series are compared each with its own: one that burns at length and
    another that just flared up are no alarm together."""
    for vector, name in ((long, "long"), (short, "short")):
        if not vector.samples:
            raise NoData(f"the {name} query has no result")
        if not all(math.isfinite(sample.value) for sample in vector.samples):
            raise NoData(f"the {name} query gives no finite number")
    if len(long.samples) == len(short.samples) == 1:
        return long.samples[0].value, short.samples[0].value
    shorts = {frozenset(sample.labels.items()): sample.value for sample in short.samples}
    pairs = [(s.value, shorts[key]) for s in long.samples if (key := frozenset(s.labels.items())) in shorts]
    if len(pairs) < max(len(long.samples), len(short.samples)):
        raise NoData("the long and the short query have not the same series")
    return max(pairs, key=min)


def _judged(
    observed: float, options: MetricsOptions, *, holds: bool, evidence: Mapping[str, Json]
) -> Verdict:
    verdict = Verdict(
        status=Status.PASS if holds else Status.FAIL,
        evidence={**evidence, "observed": observed},
        score=observed,
        direction=options.direction,
    )
    if holds:
        return verdict
    return msgspec.structs.replace(
        verdict, reason="not_met", detail=f"{observed:g} is not {options.pass_when.strip()}"
    )


def _asked(options: MetricsOptions) -> dict[str, Json]:
    asked: dict[str, Json] = {}
    if options.burn_rate is not None:
        asked |= {"mode": "burn_rate", "threshold": options.burn_rate.threshold}
    else:
        asked |= {
            "mode": "scalar" if options.quantile is None else "quantile",
            "query": shortened(redact(options.query)),
            "pass_when": options.pass_when,
        }
    if options.quantile is not None and options.burn_rate is None:
        asked["quantile"] = options.quantile
    if isinstance(options.window, (str, int, float)):
        asked["window"] = options.window if not isinstance(options.window, str) else shortened(options.window)
    return asked


def _objection(options: MetricsOptions) -> str | None:
    """Why nothing can be compared, or None."""
    if options.burn_rate is not None:
        return None if all(options.queries) else "burn_rate needs a long and a short query"
    if not options.query:
        return "a metric needs a query"
    if parse_pass_when(options.pass_when) is None:
        return f'pass_when must be a comparison such as "< 0.5", not {shortened(options.pass_when)!r}'
    if options.quantile is not None and not 0 <= options.quantile <= 1:
        return "quantile must be a number from 0 to 1"
    return None


def _said(text: str) -> str:
    try:
        said = error_in(parse_json(text))
    except NotJson:
        said = None
    return said or shortened(text, 200)


def _shown(bucket: Bucket) -> Json:
    bound: Json = bucket.bound if math.isfinite(bucket.bound) else f"{bucket.bound:+g}".replace("inf", "Inf")
    return {"le": bound, "count": bucket.count}
