"""Stored boot times moved into the present boot, so that a wait means the same moment after a restart of the machine.

The fold calls it on `task.recovered`; by how much is said by `core/instant.py`. Lengths of time stay what they are.
"""

from msgspec.structs import replace

from kazid.core.progress import Episode, PredicateState, Progress


def reanchored(progress: Progress, by_s: float) -> Progress:
    """The same progress with every boot time `by_s` later."""
    if by_s == 0:
        return progress
    act, deferred = progress.act, progress.deferred
    return replace(
        progress,
        predicates={k: _predicate(v, by_s) for k, v in progress.predicates.items()},
        episode=_episode(progress.episode, by_s),
        last_episode=_episode(progress.last_episode, by_s),
        act=None
        if act is None
        else replace(act, started_s=act.started_s + by_s, recovered_s=_moved(act.recovered_s, by_s)),
        deferred=None if deferred is None else replace(deferred, since_s=deferred.since_s + by_s),
        last_act_ended_s=_moved(progress.last_act_ended_s, by_s),
        asked_s=_moved(progress.asked_s, by_s),
        act_floor_s=progress.act_floor_s + by_s,
    )


def _predicate(state: PredicateState, by_s: float) -> PredicateState:
    return replace(
        state,
        started_s=state.started_s + by_s,
        ended_s=state.ended_s + by_s,
        counted_s=state.counted_s + by_s,
        decided_s=state.decided_s + by_s,
        errors_since_s=_moved(state.errors_since_s, by_s),
        unsettled_since_s=_moved(state.unsettled_since_s, by_s),
        green_since_s=_moved(state.green_since_s, by_s),
        last_act_ended_s=_moved(state.last_act_ended_s, by_s),
        repairs_s=tuple(at_s + by_s for at_s in state.repairs_s),
        red_since_s=_moved(state.red_since_s, by_s),
        put_back_s=tuple(at_s + by_s for at_s in state.put_back_s),
    )


def _episode(episode: Episode | None, by_s: float) -> Episode | None:
    if episode is None:
        return None
    return replace(
        episode,
        opened_s=episode.opened_s + by_s,
        clock_since_s=_moved(episode.clock_since_s, by_s),
    )


def _moved(at_s: float | None, by_s: float) -> float | None:
    return None if at_s is None else at_s + by_s
