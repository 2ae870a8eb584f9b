"""The model ladder: started cheap, stepped up when a rung is stuck or has used its own budget (SEMANTICS §3, §4). Pure.

Remedies are the rung below it and a person the one above: who is stuck at its top ends as without a ladder. A rung is
judged by the stuck rule over its own dispatches only, and what a route gave to another model is not the ladder's. An
episode starts at the bottom.
"""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace

from kazid.core import window
from kazid.core.budget import Reservation
from kazid.core.decision import Conclude, StepUp
from kazid.core.event import ActIntended, LadderClimbed
from kazid.core.goal import Assignment, Goal
from kazid.core.progress import Episode, LadderState
from kazid.core.status import Cause, GoalStatus

CLIMBED_ON = (Cause.NO_PROGRESS, Cause.OSCILLATING)
"""Ends that a stronger model may not come to."""


class Allowance(msgspec.Struct, frozen=True, kw_only=True):
    """What the present rung may use in all. None: only the episode's own ceilings hold it."""

    dispatches: int | None
    tokens: int | None
    cost_usd: float | None


def step_of(episode: Episode | None, goal: Goal) -> int:
    """The rung the next dispatch is on."""
    if goal.escalation is None or episode is None:
        return 0
    return min(episode.ladder.step, len(goal.escalation.ladder) - 1)


def allowance(goal: Goal, episode: Episode) -> Allowance:
    """What the present rung may use: as authored; of dispatches else an even share, so that the last rung has one."""
    ladder, state = goal.escalation, episode.ladder
    assert ladder is not None, "asked of a goal with a ladder"
    dispatches, in_all = ladder.dispatches_max, goal.budget.dispatches_max
    if dispatches is None and in_all is not None:
        rungs_left = len(ladder.ladder) - step_of(episode, goal)
        dispatches = max(1, -(-max(0, in_all - state.before) // rungs_left))
    return Allowance(dispatches=dispatches, tokens=ladder.tokens_max, cost_usd=ladder.cost_usd_max)


def end_of_rung(
    goal: Goal, episode: Episode, sent: Assignment | None, stuck: Conclude | None
) -> StepUp | Conclude | None:
    """What becomes of a dispatch by the ladder that is stuck, or whose rung has nothing left; else `stuck`."""
    ladder = goal.escalation
    if ladder is None or sent is None or sent.step is None:
        return stuck
    why = _why(goal, episode, stuck)
    if why is None:
        return stuck
    models: Sequence[str] = ladder.ladder
    if sent.step + 1 < len(models):
        return StepUp(step=sent.step + 1, model=models[sent.step + 1], reason=f"{models[sent.step]}: {why}")
    top = f"{why}; {models[-1]} was the last of {len(models)} on the ladder"
    if stuck is not None:
        return replace(stuck, reason=top)
    return Conclude(status=GoalStatus.OVER_BUDGET, cause=Cause.BUDGET_EXHAUSTED, reason=top)


def _why(goal: Goal, episode: Episode, stuck: Conclude | None) -> str | None:
    if stuck is not None:
        return stuck.reason if stuck.status is GoalStatus.STUCK and stuck.cause in CLIMBED_ON else None
    used, limit = episode.ladder, allowance(goal, episode)
    if limit.dispatches is not None and used.dispatches >= limit.dispatches:
        return f"{used.dispatches} of its {limit.dispatches} dispatches used"
    if limit.tokens is not None and used.tokens >= limit.tokens:
        return f"{used.tokens} of its {limit.tokens} tokens used"
    if limit.cost_usd is not None and round(limit.cost_usd - used.cost_usd, window.USD_DIGITS) <= 0:
        return f"{used.cost_usd:.2f} of its {limit.cost_usd:.2f} USD used"
    return None


def within(
    goal: Goal, episode: Episode | None, sent: Assignment | None, reserved: Reservation
) -> Reservation:
    """What is set aside for a dispatch: no more than its rung has left."""
    if goal.escalation is None or episode is None or sent is None or sent.step is None:
        return reserved
    limit, used = allowance(goal, episode), episode.ladder
    tokens, cost_usd = reserved.tokens, reserved.cost_usd
    if limit.tokens is not None:
        left = max(0, limit.tokens - used.tokens)
        tokens = min(left, goal.budget.tokens_per_dispatch if tokens is None else tokens)
    if limit.cost_usd is not None:
        left_usd = max(0.0, round(limit.cost_usd - used.cost_usd, window.USD_DIGITS))
        cost_usd = min(left_usd, goal.budget.cost_usd_per_dispatch if cost_usd is None else cost_usd)
    return Reservation(tokens=tokens, cost_usd=cost_usd)


def climbed(episode: Episode, event: LadderClimbed, *, acts: int) -> Episode:
    """The episode on its next rung: nothing used there, and nothing tried."""
    state = LadderState(step=event.step, since=acts, before=episode.dispatches)
    return replace(episode, ladder=state, fingerprints=())


def intended(state: LadderState, event: ActIntended) -> LadderState:
    """One dispatch more, where the ladder chose it."""
    is_own = event.assignment is not None and event.assignment.step is not None
    return replace(state, dispatches=state.dispatches + 1) if is_own else state


def charged(
    state: LadderState, sent: Assignment | None, *, tokens: int | None, cost_usd: float | None
) -> LadderState:
    """What a dispatch that the ladder chose cost its rung."""
    if sent is None or sent.step != state.step:
        return state
    cost = round(state.cost_usd + (cost_usd or 0.0), window.USD_DIGITS)
    return replace(state, tokens=state.tokens + (tokens or 0), cost_usd=cost)


def unspent(state: LadderState, sent: Assignment | None) -> LadderState:
    """A dispatch that never started is none."""
    is_own = sent is not None and sent.step == state.step
    return replace(state, dispatches=max(0, state.dispatches - 1)) if is_own else state
