"""A measure that may not get worse: a signal against its baseline, and the baseline that comes after.

The stored baseline is a fold over verdicts (`Verdict.baseline`, `PredicateState.baseline`), so it lives in the journal:
outside any tree an agent can write, durable, the same at every replay. Kept in the workspace, as the predecessor did,
an agent could lower the bar, a clean checkout never saw it, and a corrupt file re-seeded it. Pure.
"""

from collections.abc import Mapping

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction

STORED = frozenset({"stored", "prior"})
"""Authored baselines that mean the best signal so far, in any case of letters; any other text is a git ref."""

BASELINE_KEYS = ("baseline", "project_baseline")
"""Options of kinds that compare with what was; a predicate has one of them."""


def ref_of(options: Mapping[str, Json]) -> str | None:
    """The git ref that a predicate is compared with; None where its baseline is something else."""
    for key in BASELINE_KEYS:
        baseline = options.get(key)
        if isinstance(baseline, str) and baseline.lower() not in STORED:
            return baseline
    return None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """How a signal stands to a baseline. `regression` is how much worse it is; negative is better."""

    regression: float
    holds: bool
    next_baseline: float
    """What the next signal is compared with, where the baseline is a stored one."""


def compare(
    signal: float, baseline: float | None, *, direction: Direction, allowed_regression: float
) -> Comparison:
    """Compare with the baseline; the first signal, which has none, becomes it.

    A signal that holds tightens the baseline and never loosens it, also where some regression is allowed: many small
    steps back are no way around the bar.
    """
    if baseline is None:
        return Comparison(regression=0.0, holds=True, next_baseline=signal)
    is_higher_better = direction is Direction.HIGHER_BETTER
    regression = baseline - signal if is_higher_better else signal - baseline
    best = max(baseline, signal) if is_higher_better else min(baseline, signal)
    holds = regression <= allowed_regression
    return Comparison(regression=regression, holds=holds, next_baseline=best if holds else baseline)


def tightens(bar: float | None, before: float | None, *, direction: Direction) -> bool:
    """True when this bar is a first one, or better than the one before."""
    if bar is None or before is None:
        return bar is not None
    return bar > before if direction is Direction.HIGHER_BETTER else bar < before
