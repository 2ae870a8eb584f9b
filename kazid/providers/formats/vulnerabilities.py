"""Vulnerabilities in the reports of govulncheck, trivy, grype and npm audit, as findings.

Only govulncheck says which are reachable; the reports of the others are read for people, their count is what decides.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.formats.report import FINDINGS_MAX, integer_of, object_of, objects_of, text_of

SHOWN_MAX = 25
"""Of the reachable ones in evidence; the predecessor's figure."""

_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "moderate": "warning", "low": "note"}


class Reachable(msgspec.Struct, frozen=True, kw_only=True):
    """A vulnerable function that the code calls."""

    osv: str
    fixed_version: str | None
    call: str
    finding: Finding


def reachable_in(messages: Sequence[JsonObject]) -> list[Reachable]:
    """Findings of govulncheck's stream whose trace begins in a function."""
    found: list[Reachable] = []
    for message in messages:
        told = object_of(message.get("finding"))
        trace = objects_of(told.get("trace"))
        function = text_of(trace[0].get("function")) if trace else None
        if function is not None:
            found.append(_reachable(told, trace[0], function))
    return found


def _reachable(told: JsonObject, frame: JsonObject, function: str) -> Reachable:
    osv = text_of(told.get("osv")) or "a vulnerability without a name"
    position = object_of(frame.get("position"))
    call = f"{function}@{text_of(frame.get('package')) or ''}"
    return Reachable(
        osv=osv,
        fixed_version=text_of(told.get("fixed_version")),
        call=call,
        finding=Finding(
            message=f"reachable vulnerability {osv} (called via {call})",
            file=text_of(position.get("filename")),
            line=integer_of(position.get("line")),
            column=integer_of(position.get("column")),
            rule=osv,
            level="error",
        ),
    )


def evidence_of_reachable(reachable: Sequence[Reachable]) -> list[Json]:
    """The first of them, as evidence."""
    return [
        {
            "osv": each.osv,
            "fixed_version": each.fixed_version,
            "call_stack": each.call,
            "file": each.finding.file,
            "line": each.finding.line,
        }
        for each in reachable[:SHOWN_MAX]
    ]


def findings_in(document: Json, tool: str) -> list[Finding]:
    """The first vulnerabilities of a report of this tool; none where it has another shape."""
    readers = {"trivy": _trivy, "grype": _grype, "npm_audit": _npm_audit}
    reader = readers.get(tool)
    return [] if reader is None else list(islice(reader(object_of(document)), FINDINGS_MAX))


def _trivy(report: JsonObject) -> Iterator[Finding]:
    for result in objects_of(report.get("Results")):
        for each in objects_of(result.get("Vulnerabilities")):
            yield _finding(
                rule=each.get("VulnerabilityID"),
                package=each.get("PkgName"),
                version=each.get("InstalledVersion"),
                fixed=each.get("FixedVersion"),
                severity=each.get("Severity"),
                title=each.get("Title"),
                file=result.get("Target"),
            )


def _grype(report: JsonObject) -> Iterator[Finding]:
    for match in objects_of(report.get("matches")):
        told, artifact = object_of(match.get("vulnerability")), object_of(match.get("artifact"))
        versions = object_of(told.get("fix")).get("versions")
        places = objects_of(artifact.get("locations"))
        yield _finding(
            rule=told.get("id"),
            package=artifact.get("name"),
            version=artifact.get("version"),
            fixed=versions[0] if isinstance(versions, list) and versions else None,
            severity=told.get("severity"),
            title=None,
            file=places[0].get("path") if places else None,
        )


def _npm_audit(report: JsonObject) -> Iterator[Finding]:
    for name, each in object_of(report.get("vulnerabilities")).items():
        told = object_of(each)
        causes = objects_of(told.get("via"))
        cause: Mapping[str, Json] = causes[0] if causes else {}
        fix = told.get("fixAvailable")
        yield _finding(
            rule=cause.get("url") or name,
            package=name,
            version=told.get("range"),
            fixed=object_of(fix).get("version"),
            severity=told.get("severity"),
            title=cause.get("title"),
            file="package-lock.json",
        )


def _finding(
    *, rule: Json, package: Json, version: Json, fixed: Json, severity: Json, title: Json, file: Json
) -> Finding:
    what = " ".join(t for value in (package, version) if (t := text_of(value)) is not None)
    remedy = f"fixed in {t}" if (t := text_of(fixed)) is not None else "no fix known"
    words = (text_of(severity), what, text_of(title), remedy)
    return Finding(
        message=text_of(": ".join(filter(None, words))) or "",
        file=text_of(file),
        rule=text_of(rule),
        level=_LEVELS.get(severity.lower()) if isinstance(severity, str) else None,
    )
