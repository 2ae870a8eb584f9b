"""`ratchet`: measures a number and fails when it is worse than its baseline: a literal one, or the best one so far.

The best one so far comes in with the look and goes out with the verdict; the fold keeps it (`core/ratchet.py`). So no
file in the workspace holds the bar, and `store_dir` of the predecessor has nothing to say.
"""

from collections.abc import Mapping

import msgspec

from kazid.core.json import Json
from kazid.core.ratchet import Comparison, compare
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.metric import Measured, MetricOptions, measure
from kazid.providers.options import read_options

STORED = frozenset({"stored", "prior"})


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
        if isinstance(read.baseline, str) and not read.is_stored:
            return errored(
                "invalid_config", f'baseline {read.baseline!r}: only a number or "stored" is built'
            )
        measured = await measure(read.metric, look, commands)
        if isinstance(measured, Verdict):
            return measured
        return interpret(measured, read, stored=look.baseline)


def interpret(measured: Measured, options: RatchetOptions, *, stored: float | None) -> Verdict:
    """PASS iff the signal is no worse than allowed; the next baseline is said where it is a stored one."""
    baseline = stored if isinstance(options.baseline, str) else options.baseline
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
        return "literal"
    return "seed" if is_first else "stored"


def _sentence(signal: float, baseline: float | None, compared: Comparison, options: RatchetOptions) -> str:
    allowed = f", {options.allowed_regression:g} allowed" if options.allowed_regression else ""
    return f"{signal:g} is {compared.regression:g} worse than {baseline:g}{allowed}"
