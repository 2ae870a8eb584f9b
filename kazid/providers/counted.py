"""A number of findings against none, a bar, or the fewest so far (lower is better): what `static` and `cve` share."""

from collections.abc import Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.ratchet import STORED, compare
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored

FINDINGS_SHOWN_MAX = 50
"""The predecessor's figure."""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """How many are allowed: `baseline` as authored, what the last look `stored`, what a commit has `there`."""

    baseline: float | str
    allowed_regression: float
    stored: float | None
    there: float | None = None

    @property
    def is_stored(self) -> bool:
        """True when the baseline is the fewest so far."""
        return isinstance(self.baseline, str) and self.there is None

    @property
    def count(self) -> float | None:
        """The baseline as a number; None before the first look at a stored one."""
        if self.there is not None:
            return self.there
        return self.stored if isinstance(self.baseline, str) else self.baseline

    @property
    def source(self) -> str:
        """Where the number comes from."""
        if self.there is not None:
            return "git_ref"
        if not self.is_stored:
            return "literal"
        return "seed" if self.stored is None else "stored"


def bad_baseline(baseline: float | str | None) -> Verdict | None:
    """The ERROR for a baseline that is neither a number nor the stored one, or None."""
    if not isinstance(baseline, str) or baseline.lower() in STORED:
        return None
    return errored("invalid_config", f'baseline {baseline!r}: only a number or "stored" is known here')


def judged(count: float, bar: Bar, findings: Sequence[Finding], *, what: str) -> Verdict:
    """PASS iff there are no more than allowed; the next baseline is said where it is a stored one."""
    baseline = bar.count
    compared = compare(
        count, baseline, direction=Direction.LOWER_BETTER, allowed_regression=bar.allowed_regression
    )
    evidence: dict[str, Json] = {
        "baseline": baseline,
        "regression": compared.regression,
        "new_findings": max(compared.regression, 0.0),
        "allowed_regression": bar.allowed_regression,
        "direction": Direction.LOWER_BETTER.value,
        "baseline_source": bar.source,
    }
    verdict = Verdict(
        status=Status.PASS if compared.holds else Status.FAIL,
        evidence=evidence,
        findings=list(findings[:FINDINGS_SHOWN_MAX]),
        score=float(count),
        direction=Direction.LOWER_BETTER,
        baseline=compared.next_baseline if compared.holds and bar.is_stored else None,
    )
    if compared.holds:
        return verdict
    allowed = f", {bar.allowed_regression:g} more allowed" if bar.allowed_regression else ""
    detail = f"{count:g} {what}, baseline {baseline:g}{allowed}{first_of(findings)}"
    return msgspec.structs.replace(verdict, reason="findings", detail=detail)


def first_of(findings: Sequence[Finding]) -> str:
    """The first finding as the end of a sentence."""
    if not findings:
        return ""
    found = findings[0]
    place = ":".join(str(part) for part in (found.file, found.line) if part is not None)
    return "; first: " + " ".join(filter(None, (place, found.rule, found.message)))
