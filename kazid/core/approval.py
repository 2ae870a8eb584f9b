"""Who has to say yes before an act, who may, and what voids it: four eyes on one exact plan (ADR 10). Pure.

A gate is met in its order; each needs so many people with a role, none of them the submitter, the executor's user, or
somebody who counts at another gate of the same act. A yes is to one hash: whatever changed makes the request stale, and
it is asked anew. The fold clears all of it once the act is intended, so a yes is used once.
"""

import math
from collections.abc import Collection, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core import autonomy, routing
from kazid.core.decision import Act, Ask, Conclude, Guard, Hold, Void
from kazid.core.delivery import DEPLOY, LAND, ROLLBACK
from kazid.core.goal import Goal
from kazid.core.instant import Now
from kazid.core.level import ApprovalRule, Gate, Level
from kazid.core.plan import Asked, Plan, Yes, differences
from kazid.core.progress import Progress
from kazid.core.roles import INCLUDED, Given, Grant, Target
from kazid.core.status import STOPPED_ACTING, Cause, GoalStatus

DELIVER = "deliver"
"""The act that applies an agent's verified change to the workspace; it has no rung."""
GUARD = "approval"
UNBOUND = (
    "an agent's change waits for a yes, and no predicate looked at code: no yes would be to this very change"
)


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """Nothing is in the way: the plans that were approved, with who said yes to them."""

    plans: Sequence[str] = ()
    by: Sequence[str] = ()


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """Why a yes or a no does not count. `type` is what the reply's problem is called."""

    type: str
    reason: str


# --- what an act needs ------------------------------------------------------------------------------------------------


def rules_for(goal: Goal, act: str) -> Sequence[ApprovalRule]:
    """The gates of an act: those that the goal-file names, and one of its level where that is `approve`."""
    return tuple(_rules(goal, act))


def _rules(goal: Goal, act: str) -> Iterator[ApprovalRule]:
    level = level_of(goal, act)
    for gate in _gates(act):
        authored = [rule for rule in goal.approvals if rule.gate is gate]
        yield from authored[:1]
        if not authored and level is Level.APPROVE and not act.startswith("harness:"):
            yield ApprovalRule(gate=gate)


def _gates(act: str) -> Sequence[Gate]:
    if act.startswith("harness:"):
        return (Gate.DETECTION, Gate.EXECUTION)
    return {LAND: (Gate.LANDING,), DELIVER: (Gate.LANDING,), DEPLOY: (Gate.DEPLOY,), ROLLBACK: ()}.get(
        act, (Gate.EXECUTION,)
    )


def level_of(goal: Goal, act: str) -> Level:
    """How far the goal may go with an act, for whichever of its predicates is served."""
    served = [p.id for p in goal.predicates]
    if act in (LAND, DELIVER) or act.startswith("harness:"):
        served = [p.id for p in goal.predicates if not p.live]
    elif act in (DEPLOY, ROLLBACK):
        served = []
    elif act.startswith("remedy:"):
        remedy = goal.remedies[int(act.removeprefix("remedy:"))]
        served = [p.id for p in goal.predicates if remedy.covers(p.id)]
    return autonomy.level_of(goal, act, served)


def keeps_work_back(goal: Goal) -> bool:
    """Whether what agents make stays in a tree of the goal's until a person has seen it."""
    if goal.harness is None:
        return False
    return level_of(goal, DELIVER) in (Level.PROPOSE, Level.APPROVE) or bool(rules_for(goal, DELIVER))


def needed(goal: Goal) -> Sequence[ApprovalRule]:
    """Every rule that some act of the goal may meet."""
    acts = [f"remedy:{index}" for index in range(len(goal.remedies))]
    if goal.harness is not None:
        acts += [f"harness:{goal.harness.id}", DELIVER if goal.integration is None else LAND]
    acts += [] if goal.deploy is None else [DEPLOY]
    return tuple(dict.fromkeys(rule for act in acts for rule in _rules(goal, act)))


def unmeetable(goal: Goal, *, is_one_uid: bool, given: Sequence[Given]) -> Sequence[str]:
    """Why what the goal needs can never be given here, each in a sentence."""
    rules = needed(goal)
    if rules and is_one_uid:
        gates = ", ".join(dict.fromkeys(rule.gate.value for rule in rules))
        return [
            f"it needs an approval ({gates}) by somebody else than its submitter and the executor's user, and on "
            "a user's own daemon all of them are one: four eyes need the system daemon (docs/operating.md)"
        ]
    target = Target(owner=goal.owner, labels=goal.labels)
    return [
        f"the gate {rule.gate.value} needs {people(rule)}, and kazid.toml gives that to nobody for this goal"
        for rule in rules
        if not any(
            (g.users or g.groups) and g.grant.role in _granting(rule) and g.grant.selects(target, login="")
            for g in given
        )
    ]


def _granting(rule: ApprovalRule) -> set[object]:
    return {role for role, included in INCLUDED.items() if not included.isdisjoint(rule.roles)}


def people(rule: ApprovalRule | Plan) -> str:
    """How many of whom, in words."""
    return f"{rule.count} of {' or '.join(role.value for role in rule.roles)}"


# --- the decision -----------------------------------------------------------------------------------------------------


def before(goal: Goal, progress: Progress, act: Act, now: Now) -> Act | Ask | Void | Hold | Conclude:
    """The act with what it rests on, or what comes first: a request, a wait, an end."""
    if act.rung == ROLLBACK:
        return replace(act, plans=_plans_of_deploy(progress))
    proposed = _proposed(goal, progress, act.rung, act.title)
    if proposed is not None:
        return proposed
    met = _met(goal, progress, act, now)
    return replace(act, plans=met.plans, approved_by=met.by) if isinstance(met, Cleared) else met


def before_delivery(goal: Goal, progress: Progress, now: Now) -> Cleared | Ask | Void | Hold | Conclude:
    """Likewise of an agent's verified change, before it is applied to the workspace."""
    title = f"apply the verified change to {goal.workspace}"
    proposed = _proposed(goal, progress, DELIVER, title)
    if proposed is not None:
        return proposed
    green = tuple(p.id for p in goal.predicates if not p.live)
    return _met(goal, progress, Act(rung=DELIVER, predicates=green, title=title, fingerprint=""), now)


def _plans_of_deploy(progress: Progress) -> Sequence[str]:
    """A rollback undoes a deploy: it rests on what that one rested on."""
    acts = () if progress.episode is None else progress.episode.acts
    return next((act.plans for act in reversed(acts) if act.rung == DEPLOY), ())


def _proposed(goal: Goal, progress: Progress, act: str, title: str) -> Conclude | Hold | None:
    """The end of a goal that may only propose this; one that was lowered to observing may do no more with its tree."""
    if level_of(goal, act) not in (Level.OBSERVE, Level.PROPOSE) or act.startswith("harness:"):
        return None
    kept = _kept(progress) if act in (LAND, DELIVER) else ""
    return _end(progress, Cause.PROPOSED, f"proposed and not done, as [autonomy] says: {title}{kept}")


def _kept(progress: Progress) -> str:
    tree = progress.worktree
    return "" if tree is None else f"; the change is kept in {tree.path} on branch {tree.branch}"


def _trees(goal: Goal, progress: Progress) -> tuple[str, ...]:
    """Content of what code predicates judged: what a yes to a change is bound to."""
    trees = {progress.predicate(p.id).tree for p in goal.predicates if not p.live}
    return tuple(sorted(tree for tree in trees if tree is not None))


def _end(progress: Progress, cause: Cause, reason: str) -> Conclude | Hold:
    """The end, once. A proposal that could not be sealed has ended as a tree that failed."""
    same = (cause, Cause.WORKTREE_FAILED) if cause is Cause.PROPOSED else (cause,)
    if progress.status is GoalStatus.STUCK and progress.cause in same:
        guard = Guard(name="person", reason=progress.reason or reason)
        return Hold(status=progress.status, cause=progress.cause, reason=progress.reason, guards=(guard,))
    return Conclude(status=GoalStatus.STUCK, cause=cause, reason=reason)


def _met(goal: Goal, progress: Progress, act: Act, now: Now) -> Cleared | Ask | Void | Hold | Conclude:
    """How the gates of this act stand."""
    plans: list[str] = []
    people: dict[int, str] = {}
    rules = tuple(_rules(goal, act.rung))
    if rules and act.rung in (LAND, DELIVER) and not _trees(goal, progress):
        return _end(progress, Cause.PROPOSED, f"{UNBOUND}{_kept(progress)}")
    for rule in rules:
        asked = progress.approvals.get(rule.gate.value)
        if asked is None:
            return Ask(
                plan=plan_of(goal, progress, act, rule, float(math.floor(now.wall_s + rule.expires_s)))
            )
        if asked.rejected_by is not None:
            said = f": {asked.rejected_reason}" if asked.rejected_reason else ""
            return _end(progress, Cause.REJECTED, f"{asked.rejected_by} rejected {asked.plan.title!r}{said}")
        stale = _stale(asked, plan_of(goal, progress, act, rule, asked.plan.until_wall_s), now)
        if stale is not None:
            return Void(gate=rule.gate, plan_sha256=asked.sha256, reason=stale)
        counted = counting(goal, asked, besides=people)
        if len(counted) < rule.count:
            return _waiting(goal, progress, act, asked, counted, now)
        plans.append(asked.sha256)
        people |= {yes.uid: yes.by for yes in counted}
    return Cleared(plans=tuple(plans), by=tuple(people.values()))


def _stale(asked: Asked, plan: Plan, now: Now) -> str | None:
    if plan.sha256 != asked.sha256:
        return f"changed: {', '.join(differences(asked.plan, plan)) or 'its hash'}"
    return "expired" if now.wall_s >= asked.plan.until_wall_s else None


def is_met(goal: Goal, asked: Asked) -> bool:
    """True once as many have said yes as its gate needs."""
    return len(counting(goal, asked)) >= asked.plan.count


def counting(goal: Goal, asked: Asked, *, besides: Collection[int] = ()) -> Sequence[Yes]:
    """Who counts of those that said yes: each once, and nobody who may not be among them."""
    found: dict[int, Yes] = {}
    for yes in asked.given:
        is_other = yes.by != goal.owner and yes.uid != asked.plan.executor_uid
        if is_other and yes.uid not in besides:
            found.setdefault(yes.uid, yes)
    return tuple(found.values())


def _waiting(
    goal: Goal, progress: Progress, act: Act, asked: Asked, counted: Sequence[Yes], now: Now
) -> Hold:
    plan = asked.plan
    have = f", {len(counted)} so far ({', '.join(yes.by for yes in counted)})" if counted else ""
    reason = (
        f"the gate {plan.gate.value} needs {people(plan)}{have}, not {goal.owner} who submitted it, for plan "
        f"{asked.sha256[:12]}: {plan.title}"
    )
    until_s = now.boot_s + (plan.until_wall_s - now.wall_s)
    guard = Guard(name=GUARD, reason=reason, until_s=until_s, predicates=tuple(act.predicates))
    if progress.status in STOPPED_ACTING:
        return Hold(
            status=progress.status,
            cause=progress.cause,
            reason=progress.reason,
            guards=(guard,),
            until_s=until_s,
        )
    return Hold(
        status=GoalStatus.WAITING, reason=f"waits for approval: {reason}", guards=(guard,), until_s=until_s
    )


def plan_of(goal: Goal, progress: Progress, act: Act, rule: ApprovalRule, until_wall_s: float) -> Plan:
    """The act as it would be done now, for this gate."""
    sent = act.assignment
    choice = None if sent is None or rule.gate is Gate.DETECTION else routing.choice_of(goal, sent)
    argv, env_names = _command(goal, act.rung)
    if choice is not None:
        argv = () if choice.command is None else (choice.command,)
        env_names = [*choice.env, *choice.secrets]
    return Plan(
        gate=rule.gate,
        act=act.rung,
        title=act.title,
        predicates=tuple(act.predicates),
        evidence=act.fingerprint,
        trees=_trees(goal, progress),
        argv=tuple(argv),
        env_names=tuple(sorted(env_names)),
        harness=None if choice is None else choice.id,
        model=None if choice is None else choice.model,
        effort=None if choice is None else choice.effort,
        workspace=goal.workspace,
        spec_sha256=progress.spec_sha256,
        generation=progress.generation,
        epoch=progress.epoch,
        episode=progress.episodes,
        attempt=progress.acts + 1 - progress.unstarted,
        executor_uid=progress.executor_uid,
        roles=tuple(rule.roles),
        count=rule.count,
        until_wall_s=until_wall_s,
    )


def _command(goal: Goal, act: str) -> tuple[Sequence[str], Sequence[str]]:
    """What is run, and the names of the variables that it is given."""
    if act.startswith("remedy:"):
        remedy = goal.remedies[int(act.removeprefix("remedy:"))]
        return (remedy.cmd, *remedy.args), tuple(remedy.env)
    if act == DEPLOY and goal.deploy is not None:
        return (goal.deploy.cmd, *goal.deploy.args), tuple(goal.deploy.vars)
    return (), ()


# --- what people say --------------------------------------------------------------------------------------------------


def asked_for(progress: Progress, sha256: str) -> Asked | None:
    """The request that stands for exactly this plan."""
    return next((asked for asked in _standing(progress) if asked.sha256 == sha256), None)


def _standing(progress: Progress) -> Sequence[Asked]:
    """Those of the next act, and of a looser spec that waits."""
    held = () if progress.held is None else (progress.held.asked,)
    return (*progress.approvals.values(), *held)


def refusal(
    goal: Goal, progress: Progress, sha256: str, *, login: str, uid: int, grants: Sequence[Grant], now: Now
) -> Refused | None:
    """Why this person's yes to this plan does not count; None when it does."""
    lacking = refusal_to_reject(goal, progress, sha256, login=login, grants=grants)
    if lacking is not None:
        return lacking
    asked = asked_for(progress, sha256)
    assert asked is not None, "a request stands"
    if now.wall_s >= asked.plan.until_wall_s:
        anew = "apply it again" if asked.plan.gate is Gate.CHANGE else "it is asked anew"
        return Refused(type="approval_stale", reason=f"the request has expired; {anew}")
    if asked.plan.gate is not Gate.CHANGE and asked.plan.spec_sha256 != progress.spec_sha256:
        return Refused(type="approval_stale", reason="the goal was changed since; it is asked anew")
    if login == goal.owner:
        return Refused(
            type="four_eyes", reason=f"{login} submitted the goal: somebody else has to approve it"
        )
    if uid == asked.plan.executor_uid:
        return Refused(type="four_eyes", reason=f"the act runs as {login}: somebody else has to approve it")
    for other in (asked,) if asked.plan.gate is Gate.CHANGE else progress.approvals.values():
        if any(yes.uid == uid for yes in other.given):
            where = "this gate" if other is asked else f"the gate {other.plan.gate.value}"
            return Refused(type="four_eyes", reason=f"{login} has said yes at {where} already")
    return None


def refusal_to_reject(
    goal: Goal, progress: Progress, sha256: str, *, login: str, grants: Sequence[Grant]
) -> Refused | None:
    """Why this person's no to this plan does not count: no such request, one that was rejected, or no role."""
    asked = asked_for(progress, sha256)
    if asked is None:
        standing = [a.sha256[:12] for a in _standing(progress)]
        if not standing:
            return Refused(type="approval_stale", reason="nothing of this goal waits for an approval")
        reason = f"no request stands for the plan {sha256[:12]}; what waits is {', '.join(standing)}"
        return Refused(type="approval_stale", reason=reason)
    if asked.rejected_by is not None:
        return Refused(type="conflict", reason=f"{asked.rejected_by} has rejected it")
    if not has_role(goal, asked.plan, login=login, grants=grants):
        wanted = " or ".join(role.value for role in asked.plan.roles)
        return Refused(type="denied", reason=f"it takes the role {wanted} for goals of {goal.owner}")
    return None


def has_role(goal: Goal, plan: Plan, *, login: str, grants: Sequence[Grant]) -> bool:
    """Whether somebody with these grants is one of those that the plan asks. It is given by name: nobody is exempt."""
    target = Target(owner=goal.owner, labels=goal.labels)
    return any(
        grant.selects(target, login=login) and not INCLUDED[grant.role].isdisjoint(plan.roles)
        for grant in grants
    )
