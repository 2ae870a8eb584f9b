"""Findings in a list of JSON objects, by the names that checkers usually give their fields."""

import json

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import documents_in
from kazid.providers.formats.report import (
    Report,
    disbelieved,
    integer_of,
    object_of,
    objects_of,
    report_of,
    text_of,
)

_LIST_KEYS = ("findings", "results", "diagnostics", "issues", "errors", "violations", "problems")
_LEVELS = frozenset({"error", "warning", "note", "info"})


def read_plain_json(text: str) -> Report:
    """The report of an output; log lines around it are passed over."""
    for document in documents_in(text):
        lists = [document, *(object_of(document).get(key) for key in _LIST_KEYS)]
        entries = next((found for found in lists if isinstance(found, list)), None)
        if entries is not None and len(objects_of(entries)) == len(entries):
            return report_of(_finding(entry) for entry in objects_of(entries))
    return disbelieved("no_report", "no list of findings in the output")


def _finding(entry: JsonObject) -> Finding:
    """Take what goes by the usual names; checkers agree on little more."""
    position = {**object_of(entry.get("location")), **object_of(entry.get("start"))}
    message = _first(entry, "message", "text", "description", "title", "msg")
    return Finding(
        message=text_of(message) or text_of(object_of(message).get("text")) or shortened(json.dumps(entry)),
        file=text_of(_first(entry, "file", "path", "filename", "uri")) or text_of(position.get("file")),
        line=integer_of(_first(entry, "line", "line_number", "row") or _first(position, "line", "row")),
        column=integer_of(_first(entry, "column", "col") or _first(position, "column", "col")),
        rule=text_of(_first(entry, "rule", "code", "ruleId", "rule_id", "check_id", "id")),
        level=_level(_first(entry, "level", "severity")),
    )


def _first(entry: JsonObject, *keys: str) -> Json:
    return next((entry[key] for key in keys if entry.get(key) is not None), None)


def _level(value: Json) -> str | None:
    level = value.lower() if isinstance(value, str) else None
    return level if level in _LEVELS else None
