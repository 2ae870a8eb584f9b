"""Answers of Prometheus' HTTP API (`/api/v1/query`) as numbers, and a quantile of a histogram's buckets.

A vector's order means nothing, so all of its elements count. What is not a finite number (NaN of 0/0, +Inf of x/0) is
no data, and neither is an empty vector: whoever judges makes no claim then. Pure.
"""

import math
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json

WARNINGS_MAX = 5


class BadAnswer(Exception):
    """The answer is none of this API, or says that the query could not be answered."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class NoData(Exception):
    """There is nothing to judge; says what was missing."""


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One element of a vector."""

    labels: Mapping[str, str] = {}
    value: float


class Vector(msgspec.Struct, frozen=True, kw_only=True):
    """The elements of an instant vector, a scalar as the only one, and what the server warned of."""

    samples: Sequence[Sample] = ()
    warnings: Sequence[str] = ()


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """How many observations were at most `bound`."""

    bound: float
    count: float


def read_vector(text: str) -> Vector:
    """The vector of an answer. Raises BadAnswer."""
    try:
        document = parse_json(text)
    except NotJson as error:
        raise BadAnswer("invalid_json", f"the answer is no JSON: {error}") from None
    if not isinstance(document, Mapping):
        raise BadAnswer("invalid_answer", "the answer is no JSON object")
    if document.get("status") != "success":
        raise BadAnswer("query_failed", error_in(document) or "the answer says no success")
    data = document.get("data")
    if not isinstance(data, Mapping):
        raise BadAnswer("invalid_answer", "the answer has no data")
    warnings = document.get("warnings")
    said = [shortened(w) for w in warnings if isinstance(w, str)] if isinstance(warnings, list) else []
    return Vector(samples=_samples(data), warnings=said[:WARNINGS_MAX])


def error_in(document: Json) -> str | None:
    """What an answer says went wrong, in its own words."""
    if not isinstance(document, Mapping) or not isinstance(document.get("error"), str):
        return None
    return shortened(f"{document.get('errorType', 'error')}: {document['error']}")


def buckets_of(vector: Vector) -> list[Bucket]:
    """The buckets of one histogram, in order and never falling. Raises BadAnswer and NoData."""
    if not vector.samples:
        raise NoData("the query has no result")
    found: dict[float, float] = {}
    for sample in vector.samples:
        bound = _bound(sample)
        if bound in found:
            detail = f"several series with le={bound:g}: sum by (le) makes one histogram of them"
            raise BadAnswer("several_histograms", detail)
        if math.isnan(sample.value):
            raise NoData(f"the bucket le={bound:g} is NaN")
        found[bound] = sample.value
    buckets: list[Bucket] = []
    for bound in sorted(found):
        # Scrapes of several processes are not of one moment, so a count may seem to fall; Prometheus does the same.
        count = max(found[bound], buckets[-1].count if buckets else 0.0)
        buckets.append(Bucket(bound=bound, count=count))
    if len(buckets) < 2 or buckets[-1].bound != math.inf:
        raise BadAnswer("unusable_buckets", "a histogram has at least two buckets, the last of them le=+Inf")
    return buckets


def histogram_quantile(quantile: float, buckets: Sequence[Bucket]) -> float:
    """Prometheus' own estimate: linear within the bucket, the last finite bound where it is in the +Inf one.

    Raises NoData where nothing was observed.
    """
    total = buckets[-1].count
    if not 0 < total < math.inf:
        raise NoData("nothing was observed in the histogram")
    rank = quantile * total
    index = next(i for i, bucket in enumerate(buckets) if bucket.count >= rank)
    if index == len(buckets) - 1:
        return buckets[-2].bound
    upper = buckets[index].bound
    if index == 0 and upper <= 0:
        return upper
    lower = 0.0 if index == 0 else buckets[index - 1].bound
    below = 0.0 if index == 0 else buckets[index - 1].count
    within = buckets[index].count - below
    return upper if within <= 0 else lower + (upper - lower) * ((rank - below) / within)


def _samples(data: Mapping[str, Json]) -> list[Sample]:
    kind, result = data.get("resultType"), data.get("result")
    if kind == "scalar":
        return [Sample(value=_value(result))]
    if kind != "vector" or not isinstance(result, list):
        raise BadAnswer(
            "unsupported_result", f"the query gives a {shortened(str(kind))}, no vector and no scalar"
        )
    return list(_elements(result))


def _elements(result: Sequence[Json]) -> Iterator[Sample]:
    for element in result:
        if not isinstance(element, Mapping):
            raise BadAnswer("invalid_answer", "an element of the vector is no object")
        if "value" not in element and "histogram" in element:
            raise BadAnswer(
                "unsupported_result", "a native histogram: histogram_quantile() in the query makes a number"
            )
        labels = element.get("metric")
        named = labels.items() if isinstance(labels, Mapping) else ()
        yield Sample(labels={name: str(value) for name, value in named}, value=_value(element.get("value")))


def _value(pair: Json) -> float:
    """The number of `[time, "text"]`; also NaN and infinities, which the API writes as text."""
    if isinstance(pair, list) and len(pair) == 2 and isinstance(pair[1], str):
        try:
            return float(pair[1])
        except ValueError:
            pass
    raise BadAnswer("invalid_answer", f"no value: {shortened(str(pair), 100)}")


def _bound(sample: Sample) -> float:
    text = sample.labels.get("le", "")
    try:
        bound = float(text)
    except ValueError:
        bound = math.nan
    if math.isnan(bound):
        raise BadAnswer("unparseable_le", f"le is no number: {shortened(text, 40)!r}")
    return bound
