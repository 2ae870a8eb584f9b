"""When dispatches undo each other: what one mends another breaks, and the score is no better for the money. Pure.

Asked when a goal ends for want of progress, to say why: dispatches that won a predicate since the last improvement and
lost as much elsewhere are thrash (SEMANTICS §4); edits that alternate under one failing set are plain no progress.
"""

from kazid.core.progress import Episode
from kazid.core.vector import VerdictVector

NAMED_MAX = 10


def traded(episode: Episode, vector: VerdictVector) -> str | None:
    """What the dispatches since the last improvement won and what it cost; None when they won nothing."""
    window = len(episode.fingerprints)
    dispatches = [act for act in episode.acts if act.rung.startswith("harness:")]
    served = dict.fromkeys(p for act in dispatches[-window:] for p in act.predicates) if window else {}
    green = {r.predicate_id for r in vector.readings if r.is_green}
    won = [p for p in served if p in green]
    if not won or not vector.reds:
        return None
    mended, broke = ", ".join(won[:NAMED_MAX]), ", ".join(vector.reds[:NAMED_MAX])
    return f"dispatches undo each other: {mended} was mended while {broke} broke, and the score is no better"
