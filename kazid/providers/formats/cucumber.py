"""Cucumber JSON: what each scenario of a report came to.

A scenario passed when it has steps and each of them, and each hook around it, passed; undefined, pending, skipped and
ambiguous are none of that. Background elements are no scenarios: their steps' failures skip those of the scenario.
"""

from collections.abc import Iterator

import msgspec

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.formats.json_text import NotJson, documents_in, parse_json
from kazid.providers.formats.report import (
    Report,
    disbelieved,
    integer_of,
    object_of,
    objects_of,
    report_of,
    text_of,
    without_tests,
)

PASSED = "passed"
NO_STATUS = "no status"


class ScenarioResult(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario as it was run. `status` is the first step's that did not pass."""

    name: str
    status: str
    feature: str | None = None
    line: int | None = None
    message: str | None = None

    @property
    def has_passed(self) -> bool:
        """True when every step passed."""
        return self.status == PASSED


def read_scenarios(text: str) -> list[ScenarioResult] | str:
    """The scenarios of an output in order, or why it is no report."""
    try:
        document: Json = parse_json(text)
    except NotJson as error:
        document = next((d for d in documents_in(text) if _is_report(d)), None)
        if document is None:
            return f"no cucumber JSON in the output: {error}"
    if not _is_report(document):
        return "the output is JSON, but no list of features"
    return list(_scenarios(document))


def read_cucumber(text: str) -> Report:
    """The report of an output: a finding for each scenario that did not pass."""
    scenarios = read_scenarios(text)
    if isinstance(scenarios, str):
        return disbelieved("no_report", scenarios)
    report = report_of(_finding(s) for s in scenarios if not s.has_passed)
    return without_tests(msgspec.structs.replace(report, tests=len(scenarios), skipped=0), "cucumber")


def _is_report(document: Json) -> bool:
    return isinstance(document, list) and all(
        isinstance(feature, dict) and isinstance(feature.get("elements", []), list) for feature in document
    )


def _scenarios(document: Json) -> Iterator[ScenarioResult]:
    for feature in objects_of(document):
        for element in objects_of(feature.get("elements")):
            if element.get("type") != "background":
                yield _scenario(element, uri=text_of(feature.get("uri")))


def _scenario(element: JsonObject, *, uri: str | None) -> ScenarioResult:
    steps = objects_of(element.get("steps"))
    own = [step for step in steps if not step.get("hidden")]
    hooks = [*objects_of(element.get("before")), *objects_of(element.get("after"))]
    status, line, message = PASSED if own else "no steps", integer_of(element.get("line")), None
    for step in (*steps, *hooks):
        result = object_of(step.get("result"))
        told = text_of(result.get("status")) or NO_STATUS
        if told != PASSED:
            status = told
            line = integer_of(step.get("line")) or line
            message = text_of(result.get("error_message"))
            break
    name = element.get("name")
    name = name if isinstance(name, str) else ""
    return ScenarioResult(name=name, status=status, feature=uri, line=line, message=message)


def _finding(scenario: ScenarioResult) -> Finding:
    told = f"{scenario.status}: {scenario.message}" if scenario.message else scenario.status
    return Finding(
        message=text_of(told) or scenario.status,
        file=scenario.feature,
        line=scenario.line,
        rule=text_of(scenario.name),
        level="error",
    )
