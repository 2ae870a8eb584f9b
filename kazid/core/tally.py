"""What looks add up to: reds and greens in a row, when a verdict settled, and which repairs a green verified.

The fold calls it for every look, alone or in bulk. A look counts only when it is of this generation, began after the
last act ended and is `recheck` away from the one before, so that nothing is confirmed or trusted sooner by being asked
about more often (SEMANTICS §2).
"""

from typing import assert_never

from msgspec.structs import replace

from kazid.core import backoff, fight, flake, regression
from kazid.core.cadence import spacing_s
from kazid.core.event import PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.progress import PredicateState, Progress
from kazid.core.ratchet import tightens
from kazid.core.vector import is_settled
from kazid.core.verdict import Status, Verdict


def observed(goal: Goal, progress: Progress, event: PredicateObserved) -> Progress:
    """Progress after one look; a look at a predicate the goal no longer has is nothing."""
    if event.predicate_id not in goal.predicate_ids:
        return progress
    predicate = goal.predicate(event.predicate_id)
    old = progress.predicate(event.predicate_id)
    verdict = event.verdict
    state = replace(
        old,
        verdict=verdict,
        started_s=event.started_s,
        ended_s=event.ended_s,
        tree=event.tree,
        generation=event.generation,
        looks=old.looks + 1,
        is_stale=old.is_stale and event.started_s < progress.act_floor_s,
    )
    if verdict.baseline is not None and _moves_bar(verdict, old.baseline):
        state = replace(state, baseline=verdict.baseline)
    if verdict.carry is not None:
        state = replace(state, carry=verdict.carry)
    match verdict.status:
        case Status.PASS:
            more = _is_one_more(predicate, progress, event, state, in_a_row=old.passes)
            state = replace(state, passes=old.passes + more, fails=0, errors=0, errors_since_s=None)
            state = _greened(predicate, state, event.ended_s)
        case Status.FAIL:
            more = _is_one_more(predicate, progress, event, state, in_a_row=old.fails)
            state = replace(
                state, fails=old.fails + more, passes=0, errors=0, errors_since_s=None, green_since_s=None
            )
        case Status.ERROR | Status.UNKNOWN:
            more = False
            since_s = event.ended_s if old.errors == 0 else old.errors_since_s
            state = replace(state, errors=old.errors + 1, errors_since_s=since_s)
        case _:
            assert_never(verdict.status)
    if _counts(progress, event, state):
        state = flake.looked(predicate, old, state)
    if more:
        state = replace(state, counted_s=event.started_s)
    if is_settled(predicate, state):
        state = replace(state, unsettled_since_s=None, unsettled_looks=0)
    else:
        since_s = event.ended_s if old.unsettled_since_s is None else old.unsettled_since_s
        state = replace(state, unsettled_since_s=since_s, unsettled_looks=old.unsettled_looks + 1)
    if is_settled(predicate, state) or verdict.status in (Status.ERROR, Status.UNKNOWN):
        state = replace(state, decided_s=event.started_s)
    has_settled = _counts(progress, event, state) and is_settled(predicate, state)
    is_settled_red = has_settled and verdict.status is Status.FAIL
    if is_settled_red and not predicate.live:
        state = fight.reddened(state, ended_s=event.ended_s)
    progress = replace(progress, predicates={**progress.predicates, event.predicate_id: state})
    if is_settled_red:
        progress = regression.attributed(progress, event.predicate_id)
    elif has_settled:
        progress = regression.mended_again(progress, event.predicate_id)
    # A red of code is none before its re-runs: what turns out to be flaky earned nobody a green.
    is_red = verdict.status is Status.FAIL and event.generation == progress.generation
    is_red = is_red and (predicate.live or (state.reruns_left == 0 and not state.is_quarantined))
    return reddened(progress) if is_red else progress


def _moves_bar(verdict: Verdict, bar: float | None) -> bool:
    """True for a pass; a fail, which may be one of something else, may tighten the bar and never loosen it."""
    if verdict.status is not Status.FAIL:
        return verdict.status is Status.PASS
    return verdict.direction is not None and tightens(verdict.baseline, bar, direction=verdict.direction)


def _is_one_more(
    predicate: Predicate,
    progress: Progress,
    event: PredicateObserved,
    state: PredicateState,
    *,
    in_a_row: int,
) -> bool:
    """Whether a look counts as one more in a row: `recheck` after the one before."""
    if not _counts(progress, event, state):
        return False
    return in_a_row == 0 or event.started_s >= state.counted_s + spacing_s(predicate.cadence)


def _counts(progress: Progress, event: PredicateObserved, state: PredicateState) -> bool:
    """Whether a look says anything of the present: of this generation, and begun after the last act ended."""
    if state.is_stale or event.generation != progress.generation:
        return False
    return progress.last_act_ended_s is None or event.started_s >= progress.last_act_ended_s


def reddened(progress: Progress) -> Progress:
    """Something was seen red: the episode is trouble, and a green after this is earned."""
    episode = progress.episode
    if episode is not None and not episode.was_red:
        episode = replace(episode, was_red=True)
    return replace(progress, episode=episode, was_red=True)


def forget_acts(state: PredicateState) -> PredicateState:
    """Fresh counters: nothing tried yet, nothing seen in a row."""
    return replace(
        fight.forgotten(flake.forgotten(state)),
        backoff_n=0,
        acts=0,
        fails=0,
        passes=0,
        errors=0,
        errors_since_s=None,
        unsettled_since_s=None,
        unsettled_looks=0,
        is_unverified=False,
    )


def _greened(predicate: Predicate, state: PredicateState, ended_s: float) -> PredicateState:
    """A settled green verifies the last act; a lasting one forgets the failures before it."""
    if state.passes < predicate.cadence.recover:
        return state
    if state.green_since_s is None:
        state = replace(state, green_since_s=ended_s, red_since_s=None)
    if state.is_unverified:
        repairs = (*state.repairs_s, ended_s)[-backoff.REPAIRS_KEPT :]
        state = replace(state, repairs_s=repairs, backoff_n=max(0, state.backoff_n - 1), is_unverified=False)
        state = fight.mended(state)
    assert state.green_since_s is not None
    if ended_s - state.green_since_s >= backoff.stable_after_s(predicate, state):
        return replace(state, backoff_n=0, last_delay_s=0.0, repairs_s=())
    return state
