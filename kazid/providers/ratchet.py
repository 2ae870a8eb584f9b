"""`ratchet`: measures a number and fails when it is worse than its baseline: a literal one, or the best one so far.

The best one so far comes in with the look and goes out with the verdict; the fold keeps it (`core/ratchet.py`). So no
file in the workspace holds the bar, and `store_dir` of the predecessor has nothing to say.
"""

from collections.abc import Mapping

import msgspec

from kazid.core.json import Json
from kazid.core.ratchet import STORED, Comparison, compare
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.metric import Measured, MetricOptions, measure
from kazid.providers.options import read_options


class RatchetOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    metric: MetricOptions
    direction: Direction
    baseline: float | str
    allowed_regression: float = 0.0
    store_dir: str = ""

    @property
    def is_stored(self) -> bool:
        """True when the baseline is the best signal so far."""
        return isinstance(self.baseline, str) and self.baseline.lower() in STORED


class Ratchet:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Measure once and compare."""
        read = read_options(options, RatchetOptions)
        if isinstance(read, Verdict):
            return read
        measured = await measure(read.metric, look, commands)
        if isinstance(measured, Verdict):
            return measured
        if not isinstance(read.baseline, str):
            return interpret(measured, read, baseline=read.baseline)
        if read.is_stored:
            return interpret(measured, read, baseline=look.baseline)
        if look.reference is None:
            return errored("baseline_ref_unresolved", f"no checkout of {read.baseline!r} to compare with")
        there = await measure(read.metric, msgspec.structs.replace(look, workspace=look.reference), commands)
        if isinstance(there, Verdict):
            why = f"at {read.baseline}: {there.reason}: {there.detail}"
            return msgspec.structs.replace(there, reason="baseline_metric", detail=why)
        return interpret(measured, read, baseline=there.signal)


def interpret(measured: Measured, options: RatchetOptions, *, baseline: float | None) -> Verdict:
    """PASS iff the signal is no worse than allowed; the next baseline is said where it is a stored one."""
    compared = compare(
        measured.signal,
        baseline,
        direction=options.direction,
        allowed_regression=options.allowed_regression,
    )
    verdict = Verdict(
        status=Status.PASS if compared.holds else Status.FAIL,
        evidence={
            **measured.evidence,
            "signal": measured.signal,
            "baseline": baseline,
            "regression": None if baseline is None else compared.regression,
            "allowed_regression": options.allowed_regression,
            "direction": options.direction.value,
            "baseline_source": _source(options, is_first=baseline is None),
        },
        findings=measured.findings,
        score=measured.signal,
        direction=options.direction,
        baseline=compared.next_baseline if compared.holds and options.is_stored else None,
    )
    if compared.holds:
        return verdict
    detail = _sentence(measured.signal, baseline, compared, options)
    return msgspec.structs.replace(verdict, reason="regression", detail=detail)


def _source(options: RatchetOptions, *, is_first: bool) -> str:
    if not options.is_stored:
        return "git_ref" if isinstance(options.baseline, str) else "literal"
    return "seed" if is_first else "stored"


def _sentence(signal: float, baseline: float | None, compared: Comparison, options: RatchetOptions) -> str:
    allowed = f", {options.allowed_regression:g} allowed" if options.allowed_regression else ""
    return f"{signal:g} is {compared.regression:g} worse than {baseline:g}{allowed}"
