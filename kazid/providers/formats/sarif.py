"""SARIF 2.1: the complaints that still stand, each with its place and its rule's default level.

Suppressed, absent and informative results do not count. A log without runs, a run without a list of results (the scan
did not take place) and an invocation that says it failed are not believed, however few findings they show.
"""

import re
import urllib.parse
from collections.abc import Iterator, Mapping

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.formats.json_text import documents_in
from kazid.providers.formats.report import (
    NOTHING,
    Report,
    disbelieved,
    integer_of,
    object_of,
    objects_of,
    report_of,
    text_of,
)

LEVELS = ("error", "warning", "note")
_COMPLAINTS = ("fail", "open", "review")
_ARGUMENT = re.compile(r"\{([0-9]{1,3})\}")


def read_sarif(text: str) -> Report:
    """The report of an output; log lines around it are passed over."""
    logs = (object_of(document) for document in documents_in(text))
    runs = next((found for log in logs if isinstance(found := log.get("runs"), list)), None)
    if runs is None:
        return disbelieved("no_report", "no SARIF report in the output")
    if not objects_of(runs):
        return disbelieved("no_runs", "the SARIF report has no runs")
    report = report_of(_findings(runs))
    suppressed = sum(_is_suppressed(r) for run in objects_of(runs) for r in objects_of(run.get("results")))
    report = Report(findings=report.findings, total=report.total, suppressed=suppressed)
    for run in objects_of(runs):
        if not isinstance(run.get("results"), list):
            return disbelieved("no_results", "a SARIF run without results: the scan did not run", report)
        if any(i.get("executionSuccessful") is False for i in objects_of(run.get("invocations"))):
            return disbelieved("tool_failed", "the SARIF report says that its tool failed", report)
    return report


def _findings(runs: Json) -> Iterator[Finding]:
    for run in objects_of(runs):
        driver = object_of(object_of(run.get("tool")).get("driver"))
        rules = objects_of(driver.get("rules"))
        by_id = {i: rule for rule in rules if isinstance(i := rule.get("id"), str)}
        for result in objects_of(run.get("results")):
            if _counts(result):
                yield _finding(result, _rule(result, rules, by_id))


def _counts(result: JsonObject) -> bool:
    """True for a result that complains and still does."""
    is_complaint = result.get("kind", "fail") in _COMPLAINTS
    return is_complaint and not _is_suppressed(result) and result.get("baselineState") != "absent"


def _is_suppressed(result: JsonObject) -> bool:
    suppressions = objects_of(result.get("suppressions"))
    return bool(suppressions) and all(s.get("status") in (None, "accepted") for s in suppressions)


def _rule(result: JsonObject, rules: list[JsonObject], by_id: Mapping[str, JsonObject]) -> JsonObject:
    named = _rule_id(result)
    if named is not None and named in by_id:
        return by_id[named]
    index = result.get("ruleIndex", object_of(result.get("rule")).get("index"))
    is_index = isinstance(index, int) and not isinstance(index, bool)
    return rules[index] if is_index and isinstance(index, int) and 0 <= index < len(rules) else {}


def _rule_id(result: JsonObject) -> str | None:
    return text_of(result.get("ruleId")) or text_of(object_of(result.get("rule")).get("id"))


def _finding(result: JsonObject, rule: JsonObject) -> Finding:
    location = next(iter(objects_of(result.get("locations"))), NOTHING)
    physical = object_of(location.get("physicalLocation"))
    region = object_of(physical.get("region"))
    default = object_of(rule.get("defaultConfiguration")).get("level", "warning")
    level = result.get("level", default)
    return Finding(
        message=_message(object_of(result.get("message")), rule),
        file=_file(object_of(physical.get("artifactLocation")).get("uri")),
        line=integer_of(region.get("startLine")),
        column=integer_of(region.get("startColumn")),
        rule=_rule_id(result) or text_of(rule.get("id")),
        level=level if isinstance(level, str) and level in LEVELS else None,
    )


def _message(message: JsonObject, rule: JsonObject) -> str:
    """Its text, or the rule's with the arguments filled in."""
    told = text_of(message.get("text")) or text_of(message.get("markdown"))
    if told is not None:
        return told
    key = message.get("id")
    strings = object_of(rule.get("messageStrings"))
    template = text_of(object_of(strings.get(key)).get("text")) if isinstance(key, str) else None
    arguments = message.get("arguments")
    words = arguments if isinstance(arguments, list) else []
    if template is None:
        return ""
    return text_of(_ARGUMENT.sub(lambda m: _word(words, int(m[1]), m[0]), template)) or ""


def _word(words: list[Json], index: int, otherwise: str) -> str:
    word = words[index] if index < len(words) else None
    return (text_of(word) or otherwise) if isinstance(word, str) else otherwise


def _file(uri: Json) -> str | None:
    """A path where it is a file's, else the address as it is."""
    told = text_of(uri)
    if told is None or not told.startswith("file://"):
        return told
    return text_of(urllib.parse.unquote(told.removeprefix("file://"), errors="replace"))
