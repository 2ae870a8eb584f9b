"""When a result is landed, deployed and rolled back: after the code holds, lowest step first. Pure.

The steps are code, landed, layers, deployed, live. A red above the lowest step that does not hold is nobody's work:
nothing is landed that was not verified, nothing is deployed that is not landed, and no agent mends a live red that the
next deploy may mend. Landing and deploying are acts like a remedy's: counted, backed off, and ended.
"""

from collections.abc import Sequence

import msgspec

from kazid.core.decision import Conclude
from kazid.core.delivery import DEPLOY, DEPLOYED, LAND, LANDED, ROLLBACK, RUNGS
from kazid.core.goal import Goal, Group, Predicate
from kazid.core.ids import PredicateId
from kazid.core.progress import ActSummary, Episode, Progress
from kazid.core.status import Cause, GoalStatus
from kazid.core.vector import Reading, VerdictVector
from kazid.core.verdict import Status

ROLLBACKS_MAX = 2
REBASED = "rebased"
"""How the reason of a landing begins that only moved the work onto a newer base, to be verified there."""
MERGE_CONFLICT = "merge_conflict"
"""The reason of a `landed` that only whoever works in the goal's tree can mend: the base changed the same lines."""
RESOLUTIONS_MAX = 2
"""Dispatches for that in one episode; what collides after that is for a person."""
REBASES_MAX = 10
"""Where ten goals land on one base at once, nine of them are overtaken."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """The act that is due, or how the episode ends because no act is left."""

    rung: str = ""
    predicates: Sequence[PredicateId] = ()
    title: str = ""
    end: Conclude | None = None


def own_predicates(goal: Goal) -> frozenset[PredicateId]:
    """What no agent and, unless it names them, no remedy works on."""
    layers = () if goal.deploy is None else goal.deploy.layers
    landed = () if goal.integration is None else (LANDED,)
    return frozenset({*landed, *layers, *(() if goal.deploy is None else (DEPLOYED,))})


def waiting(goal: Goal, vector: VerdictVector) -> dict[PredicateId, str]:
    """The predicates that wait for a lower step or a needed group, each with what it waits for."""
    waits = _waiting_groups(goal, vector)
    own = own_predicates(goal)
    if not own:
        return waits
    code = [
        p.id for p in goal.predicates if not p.live and p.id not in own and _is_open(vector.reading(p.id))
    ]
    is_landed = goal.integration is None or not _is_open(vector.reading(LANDED))
    if code:
        for predicate_id in own:
            if not (predicate_id == LANDED and is_in_conflict(goal, vector)):
                waits.setdefault(predicate_id, f"waits until {_named(goal, code)} holds")
    if goal.deploy is None:
        return waits
    steps = (*goal.deploy.layers, DEPLOYED)
    if not is_landed:
        for predicate_id in steps:
            waits.setdefault(predicate_id, "waits until the result is landed")
    is_deployed = not any(_is_open(vector.reading(p)) for p in steps)
    if code or not is_landed or not is_deployed:
        for predicate in goal.predicates:
            if predicate.live and predicate.id not in own:
                waits.setdefault(predicate.id, "waits until the result is deployed")
    return waits


def _waiting_groups(goal: Goal, vector: VerdictVector) -> dict[PredicateId, str]:
    """Members of groups whose needed groups do not hold yet."""
    groups = {g.id: g for g in goal.groups}
    open_groups = {p.group for p in goal.predicates if p.group and _is_open(vector.reading(p.id))}
    waits: dict[PredicateId, str] = {}
    for predicate in goal.predicates:
        for needed in _needs(groups, predicate.group):
            if any(_is_within(groups, g, needed) for g in open_groups):
                waits[predicate.id] = f"waits until group {needed} holds"
                break
    return waits


def _needs(groups: dict[str, Group], group_id: str | None) -> list[str]:
    """What a group needs, and what those around it need."""
    found: list[str] = []
    seen: set[str] = set()
    while group_id is not None and group_id in groups and group_id not in seen:
        seen.add(group_id)
        found.extend(groups[group_id].needs)
        group_id = groups[group_id].parent
    return found


def _is_within(groups: dict[str, Group], group_id: str, outer: str) -> bool:
    seen: set[str] = set()
    at: str | None = group_id
    while at is not None and at not in seen:
        if at == outer:
            return True
        seen.add(at)
        at = groups[at].parent if at in groups else None
    return False


def unbegun(goal: Goal, progress: Progress) -> str | None:
    """Why nobody may change the tree yet: how it was before any work has to be seen first. None: it was."""
    if goal.integration is None:
        return None
    state = progress.predicate(LANDED)
    is_told = state.verdict is not None and state.verdict.status in (Status.PASS, Status.FAIL)
    return None if is_told or state.carry is not None else "how the tree is before any work is not seen yet"


def next_step(
    goal: Goal, progress: Progress, vector: VerdictVector, reds: Sequence[PredicateId]
) -> Step | None:
    """What is due of landing, deploying and rolling back; None when nothing is. `reds` wait for nothing lower."""
    episode = progress.episode
    assert episode is not None, "what delivers belongs to an episode"
    own = own_predicates(goal)
    mine = tuple(p for p in reds if p in own)
    back = _rollback(goal, episode, vector)
    if back is not None:
        return back
    if not mine:
        return None
    if LANDED in mine and is_in_conflict(goal, vector):
        return _resolution(goal, episode, vector)
    rung = LAND if LANDED in mine else DEPLOY
    spent = _end(goal, episode, vector, rung)
    if spent is not None:
        return spent
    return Step(rung=rung, predicates=mine, title=_title(goal, rung, mine))


def is_in_conflict(goal: Goal, vector: VerdictVector) -> bool:
    """Whether the goal's work is laid open on a newer base and holds marks that its agent has to resolve.

    Before any code: what is red there may be the marks.
    """
    if goal.integration is None or goal.harness is None:
        return False
    landed = vector.reading(LANDED)
    return landed.is_red and landed.verdict.reason == MERGE_CONFLICT


def _resolution(goal: Goal, episode: Episode, vector: VerdictVector) -> Step:
    """A dispatch for the conflict, or the end where there were enough of them."""
    assert goal.harness is not None, "somebody has to resolve it"
    tried = [a for a in episode.acts if a.rung.startswith("harness:") and LANDED in a.predicates]
    if len(tried) < RESOLUTIONS_MAX:
        title = f"{goal.harness.id} on {LANDED}: a merge conflict"
        return Step(rung=f"harness:{goal.harness.id}", predicates=(LANDED,), title=title)
    why = vector.reading(LANDED).verdict.detail or MERGE_CONFLICT
    return Step(end=_stuck(vector, Cause.UNLANDED, f"{MERGE_CONFLICT}: {why}; tried {len(tried)} times"))


def has_only_moved(rung: str, reason: str | None) -> bool:
    """Whether a landing only put the work onto a newer base: it failed at nothing, and the next waits for nothing."""
    return rung == LAND and (reason or "").startswith(REBASED)


def lowest_red_layer(goal: Goal, vector: VerdictVector) -> Reading | None:
    """The first layer on the way to `deployed` that is red; None when none is, or the goal declares none."""
    if goal.deploy is None or not goal.deploy.layers:
        return None
    return next(
        (vector.reading(p) for p in (*goal.deploy.layers, DEPLOYED) if vector.reading(p).is_red), None
    )


def may_mend_live(goal: Goal, predicate: Predicate) -> bool:
    """Of a goal that deploys code, what is red after a deploy is its agent's work (SEMANTICS §3)."""
    return (
        goal.deploy is not None
        and predicate.live
        and predicate.id not in own_predicates(goal)
        and any(not p.live and p.id != LANDED for p in goal.predicates)
    )


def _rollback(goal: Goal, episode: Episode, vector: VerdictVector) -> Step | None:
    """After a deploy that turned green ones red: back, where the goal allows it; after that, a person."""
    if goal.deploy is None or goal.deploy.rollback_cmd is None or not episode.acts:
        return None
    backs = _trailing(episode, ROLLBACK)
    acts = episode.acts[: len(episode.acts) - len(backs)]
    if not acts or acts[-1].rung != DEPLOY:
        return None
    own = own_predicates(goal)
    broken = tuple(
        r.predicate_id
        for r in vector.readings
        if r.is_red and r.predicate_id in acts[-1].broke and r.predicate_id not in own
    )
    if not backs:
        return Step(rung=ROLLBACK, predicates=broken, title=_back_title(goal, broken)) if broken else None
    last = backs[-1]
    is_back = last.ending == "exited" and last.exit_code == 0
    if broken and len(backs) < ROLLBACKS_MAX and not is_back:
        return Step(rung=ROLLBACK, predicates=broken, title=_back_title(goal, broken))
    turned = ", ".join(backs[0].predicates)
    how = "was rolled back" if is_back else f"could not be rolled back ({_ending(last)})"
    return Step(end=_stuck(vector, Cause.ROLLED_BACK, f"the deploy turned {turned} red and {how}"))


def _end(goal: Goal, episode: Episode, vector: VerdictVector, rung: str) -> Step | None:
    """How it ends when this act is used up, or its last end said that another one would end the same."""
    tries = _trailing(episode, rung)
    cause = Cause.UNLANDED if rung == LAND else Cause.UNDEPLOYED
    if tries and tries[-1].cause is not None and tries[-1].ending is not None:
        return Step(end=_stuck(vector, tries[-1].cause, tries[-1].reason or tries[-1].cause.value))
    moved = [a for a in tries if has_only_moved(a.rung, a.reason)]
    limit = _attempts(goal, rung)
    if len(tries) - len(moved) < limit and len(moved) < REBASES_MAX:
        return None
    claim = "landed" if rung == LAND else "deployed"
    layer = lowest_red_layer(goal, vector) if rung == DEPLOY else None
    where = "" if layer is None else f"; the lowest red layer is {layer.predicate_id}"
    tried = "; ".join(f"{a.title} ({_ending(a)})" for a in tries[-limit:])
    reason = f"every attempt is used and {claim} still fails{where}; tried: {tried}"
    return Step(end=_stuck(vector, cause, reason))


def _attempts(goal: Goal, rung: str) -> int:
    if rung == LAND:
        assert goal.integration is not None
        return goal.integration.attempts
    assert goal.deploy is not None
    return goal.deploy.attempts


def _trailing(episode: Episode, rung: str) -> list[ActSummary]:
    """The acts of this rung since the work itself last changed, oldest first; other deliveries between them are
    left out only for a rollback, which answers the deploy right before it."""
    found: list[ActSummary] = []
    for act in reversed(episode.acts):
        if act.rung == rung:
            found.append(act)
        elif act.rung not in RUNGS or rung == ROLLBACK or (rung == DEPLOY and act.rung == LAND):
            break
    return found[::-1]


def _stuck(vector: VerdictVector, cause: Cause, reason: str) -> Conclude:
    proof = {r.predicate_id: r.verdict.status.value for r in vector.readings}
    return Conclude(status=GoalStatus.STUCK, cause=cause, reason=reason, proof=proof)


def _title(goal: Goal, rung: str, mine: Sequence[PredicateId]) -> str:
    if rung == LAND:
        assert goal.integration is not None
        return f"land: {goal.integration.mode} {goal.integration.branch}"[:120]
    assert goal.deploy is not None
    where = f" to {goal.deploy.env_name}" if goal.deploy.env_name else ""
    layer = next((p for p in goal.deploy.layers if p in mine), None)
    lowest = "" if layer is None else f", lowest red layer: {layer}"
    return f"deploy{where}: {' '.join((goal.deploy.cmd, *goal.deploy.args))}"[:100] + lowest


def _back_title(goal: Goal, broken: Sequence[PredicateId]) -> str:
    assert goal.deploy is not None
    return f"rollback: {goal.deploy.rollback_cmd}, since the deploy turned {', '.join(broken)} red"[:120]


def _ending(act: ActSummary) -> str:
    code = "" if act.exit_code is None else f" {act.exit_code}"
    return act.reason or f"{act.ending}{code}"


def _is_open(reading: Reading) -> bool:
    return not (reading.is_green or reading.is_waived)


def _named(goal: Goal, predicates: Sequence[PredicateId]) -> str:
    """The first of them that may be named."""
    shown = [p for p in predicates if not goal.predicate(p).held_out]
    if not shown:
        return "what is held out"
    return shown[0] if len(shown) == 1 else f"{shown[0]} and {len(shown) - 1} more"
