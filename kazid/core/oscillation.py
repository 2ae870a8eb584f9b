"""When dispatches undo each other: what one mends another breaks, and the score is no better for the money. Pure.

A failing set that was left and returns, or a dispatch that lost as many greens as it won, is thrash even when the tree
differs: the next dispatch is damped (one predicate, twice the backoff, what broke named in its prompt), and the second
return ends the goal (SEMANTICS §4). Edits that alternate under one failing set are plain no progress.
"""

from collections.abc import Sequence

from kazid.core.ids import PredicateId
from kazid.core.progress import ActSummary, Episode
from kazid.core.vector import VerdictVector

NAMED_MAX = 10
RETURNS_MAX = 2
"""The second return ends it."""
DAMPED = 2.0
"""By so much the backoff of a damped dispatch is longer."""


def traded(episode: Episode, vector: VerdictVector) -> str | None:
    """What the dispatches since the last improvement won and what it cost; None when they won nothing."""
    window = len(episode.fingerprints)
    dispatches = _dispatches(episode)
    served = dict.fromkeys(p for act in dispatches[-window:] for p in act.predicates) if window else {}
    green = {r.predicate_id for r in vector.readings if r.is_green}
    won = [p for p in served if p in green]
    if not won or not vector.reds:
        return None
    mended, broke = ", ".join(won[:NAMED_MAX]), ", ".join(vector.reds[:NAMED_MAX])
    return f"dispatches undo each other: {mended} was mended while {broke} broke, and the score is no better"


def returns(episode: Episode, reds: Sequence[PredicateId]) -> int:
    """How often a failing set that dispatches had left came back; `reds` is the set now."""
    sets = [*(frozenset(act.reds) for act in _dispatches(episode)), frozenset(reds)]
    return sum(
        1 for i in range(2, len(sets)) if sets[i] and sets[i] != sets[i - 1] and sets[i] in sets[: i - 1]
    )


def is_thrash(episode: Episode, reds: Sequence[PredicateId]) -> bool:
    """Whether the last dispatch brought back what an earlier one had mended, or broke as much as it mended."""
    dispatches = _dispatches(episode)
    if not dispatches:
        return False
    last = dispatches[-1]
    won = set(last.reds) - set(reds)
    if won and len(last.broke) >= len(won):
        return True
    before = [frozenset(act.reds) for act in dispatches[:-1]]
    return bool(reds) and frozenset(reds) != frozenset(last.reds) and frozenset(reds) in before


def _dispatches(episode: Episode) -> list[ActSummary]:
    """Of the present rung of the ladder: another model is not blamed for what those before it did."""
    return [a for a in episode.acts if a.rung.startswith("harness:") and a.number > episode.ladder.since]
