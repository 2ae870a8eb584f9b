"""The funnel that every verdict and every end of an act passes before it is kept: no secret gets behind it.

What processes print is redacted where it is captured; this is for all else that a provider may put into a verdict (a
file that it read, an answer, an error's own words), whatever kind it is and whoever wrote it. Sits between observe and
journal.
"""

from collections.abc import Callable, Mapping

from msgspec.structs import replace

from kazid.core.json import Json
from kazid.core.verdict import Finding, Verdict

Redact = Callable[[str], str]


def verdict_without_secrets(verdict: Verdict, redact: Redact) -> Verdict:
    """The same verdict; every text in it went through `redact`."""
    return replace(
        verdict,
        reason=_text(verdict.reason, redact),
        detail=_text(verdict.detail, redact),
        evidence={redact(key): _json(value, redact, key) for key, value in verdict.evidence.items()},
        carry=_json(verdict.carry, redact),
        findings=tuple(_finding(f, redact) for f in verdict.findings),
    )


def _finding(finding: Finding, redact: Redact) -> Finding:
    return replace(
        finding,
        message=redact(finding.message),
        file=_text(finding.file, redact),
        rule=_text(finding.rule, redact),
    )


def _json(value: Json, redact: Redact, name: str = "") -> Json:
    match value:
        case str():
            return _named(name, value, redact)
        case Mapping():
            return {redact(key): _json(inner, redact, key) for key, inner in value.items()}
        case list() | tuple():
            return [_json(inner, redact, name) for inner in value]
        case _:
            return value


def _named(name: str, value: str, redact: Redact) -> str:
    """A value beside its name: `password` and `hunter2…` tell nothing apart, together they do."""
    text = redact(value)
    if text != value or not name or "\n" in value:
        return text
    before = f"{name}="
    both = redact(before + value)
    return both[len(before) :] if both.startswith(before) else text


def _text(text: str | None, redact: Redact) -> str | None:
    return None if text is None else redact(text)
