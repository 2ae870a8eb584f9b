"""What a new generation of a goal loosens, each in a sentence, and whose yes that takes: what acting would take. Pure.

A goal that acts freely is changed freely, and what was loosened is in the audit trail. One that people have to approve
cannot be made to need them less, to be satisfied sooner or to spend more, without their yes to exactly that change:
until then the generation before it stays in force. What nobody can tell to be looser counts as looser there.
"""

import hashlib
from collections.abc import Iterator, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core import approval, looser
from kazid.core.admission import spec_sha256
from kazid.core.goal import BudgetWindow, Goal, Predicate, Remedy
from kazid.core.ids import Epoch
from kazid.core.instant import Now
from kazid.core.level import ApprovalRule, Gate, Level, Risk, is_beyond, lowest
from kazid.core.looser import Looser
from kazid.core.plan import Plan
from kazid.core.progress import Progress
from kazid.core.roles import INCLUDED, Given, Target

APPLY = "apply"
"""The act that is asked for: putting the new generation in force."""
TITLE_CHARS_MAX = 200
HELD_OUT = "a held-out predicate"
JUDGING_TABLES = ("enforcement", "seal")
"""Kept tables that say who judges what; the others are kept and read by nobody."""


class Loosening(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a new generation loosens. `table`: of the goal-file."""

    table: str
    what: str
    is_certain: bool = True
    """False: it is different, and which way nobody can tell."""

    @property
    def sentence(self) -> str:
        """It, for people."""
        return self.what if self.is_certain else f"{self.what}, and whether that is looser nobody can tell"


class Circumstances(msgspec.Struct, frozen=True, kw_only=True):
    """Where the daemon runs, as far as approvals go: whether everybody is one uid, and who is given which role."""

    is_one_uid: bool = False
    given: Sequence[Given] = ()


def loosenings(old: Goal, new: Goal) -> tuple[Loosening, ...]:
    """Everything in which `new` is, or may be, looser than `old`."""
    return tuple(_all(old, new))


def certain(found: Sequence[Loosening]) -> tuple[str, ...]:
    """The sentences of those whose way is known: what the audit trail says where nobody is asked."""
    return tuple(each.sentence for each in found if each.is_certain)


# --- whose yes --------------------------------------------------------------------------------------------------------


def asks(old: Goal, found: Sequence[Loosening], circumstances: Circumstances) -> ApprovalRule | None:
    """Whose yes these take; None where nobody has to be asked.

    The strictest rule that an act of the stored goal may meet: most people, then the later gate. A goal that may only
    observe or propose has none: there it takes an approver, where the settings name one.
    """
    if not found or circumstances.is_one_uid:
        return None
    rules = [*approval.needed(old), *old.approvals]
    if rules:
        gates = list(Gate)
        strictest = max(rules, key=lambda rule: (rule.count, gates.index(rule.gate)))
        return replace(strictest, gate=Gate.CHANGE)
    default = ApprovalRule(gate=Gate.CHANGE)
    if old.autonomy.level is Level.APPROVE:
        return default
    is_about_levels = any(each.table == "autonomy" for each in found)
    is_held_back = _lowest_level(old) if is_about_levels else old.autonomy.level
    return default if is_held_back is not Level.ACT and _is_given(old, default, circumstances) else None


def _lowest_level(goal: Goal) -> Level:
    levels = [goal.autonomy.level, *goal.autonomy.risks.values(), *(p.autonomy for p in goal.predicates)]
    return lowest(levels)


def _is_given(goal: Goal, rule: ApprovalRule, circumstances: Circumstances) -> bool:
    target = Target(owner=goal.owner, labels=goal.labels)
    return any(
        (g.users or g.groups)
        and not INCLUDED[g.grant.role].isdisjoint(rule.roles)
        and g.grant.selects(target, login="")
        for g in circumstances.given
    )


def plan_of(progress: Progress, new: Goal, found: Sequence[Loosening], rule: ApprovalRule, now: Now) -> Plan:
    """What people say yes to: this spec in the place of the one that is stored, by whom it would run."""
    sentences = [each.sentence for each in found]
    told = hashlib.sha256("\n".join(sentences).encode()).hexdigest()
    title = f"apply a looser spec: {'; '.join(sentences)}"
    return Plan(
        gate=Gate.CHANGE,
        act=APPLY,
        title=title if len(title) <= TITLE_CHARS_MAX else f"{title[: TITLE_CHARS_MAX - 1]}…",
        predicates=(),
        evidence=told,
        trees=(progress.spec_sha256,),
        workspace=new.workspace,
        spec_sha256=spec_sha256(new),
        generation=progress.generation,
        epoch=Epoch(0),
        episode=0,
        attempt=0,
        executor_uid=progress.executor_uid,
        roles=tuple(rule.roles),
        count=rule.count,
        until_wall_s=float(int(now.wall_s + rule.expires_s)),
    )


def is_stale(progress: Progress, plan: Plan) -> str | None:
    """Why a yes to this change would be to something else by now: the spec in force, or who it runs as, is another."""
    if plan.trees != (progress.spec_sha256,) or plan.generation != progress.generation:
        return "the spec in force is another one"
    return None if plan.executor_uid == progress.executor_uid else "acts run as another user"


# --- what is looser ---------------------------------------------------------------------------------------------------


def _all(old: Goal, new: Goal) -> Iterator[Loosening]:
    yield from _predicates(old, new)
    yield from _of("budget", looser.compared(old.budget, new.budget, looser.BUDGET))
    yield from _of("budget", _window(old.budget.window, new.budget.window))
    yield from _autonomy(old, new)
    yield from _approvals(old, new)
    yield from _of("scope", looser.compared(old.scope, new.scope, looser.SCOPE))
    yield from _of("workspace", looser.compared(old.isolation, new.isolation, looser.ISOLATION))
    yield from _of("sandbox", looser.compared(old.sandbox, new.sandbox, looser.SANDBOX))
    yield from _of("limits", looser.compared(old.limits, new.limits, looser.LIMITS))
    yield from _harness(old, new)
    yield from _remedies(old, new)
    for predicate_id in new.vacuous_allowed:
        if predicate_id not in old.vacuous_allowed:
            yield Loosening(
                table="predicate", what=f"{_name(new, predicate_id)} may be one that cannot be red"
            )
    for table in JUDGING_TABLES:
        if old.tables.get(table) != new.tables.get(table):
            yield Loosening(table=table, what=f"{table} changed", is_certain=table not in new.tables)
    for found in looser.compared(old, new, looser.GOAL):
        yield Loosening(table="goal", what=found.what, is_certain=found.is_certain)


def _of(table: str, found: Iterator[Looser]) -> Iterator[Loosening]:
    for each in found:
        yield Loosening(table=table, what=f"[{table}] {each.what}", is_certain=each.is_certain)


def _window(old: BudgetWindow | None, new: BudgetWindow | None) -> Iterator[Looser]:
    if old is not None and new is None:
        yield Looser(key="window", what="window removed")
    elif old is not None:
        yield from looser.compared(old, new, looser.BUDGET_WINDOW, table="window")


def _predicates(old: Goal, new: Goal) -> Iterator[Loosening]:
    known = set(new.predicate_ids)
    for predicate in old.predicates:
        if predicate.id not in known:
            yield Loosening(table="predicate", what=f"{_name(old, predicate.id)} removed")
            continue
        is_hidden = predicate.held_out
        for found in _predicate(predicate, new.predicate(predicate.id), is_hidden=is_hidden):
            what = f"{_name(old, predicate.id)}: {found.what}"
            yield Loosening(table="predicate", what=what, is_certain=found.is_certain)


def _predicate(old: Predicate, new: Predicate, *, is_hidden: bool) -> Iterator[Looser]:
    yield from looser.compared(old, new, looser.PREDICATE)
    yield from looser.compared(old.cadence, new.cadence, looser.CADENCE)
    yield from looser.options(old.options, new.options, provider=old.provider, shows_values=not is_hidden)


def _name(goal: Goal, predicate_id: str) -> str:
    """How people are told of it: nobody but its owner is told the name of one that is held out."""
    is_hidden = any(p.id == predicate_id and p.held_out for p in goal.predicates)
    return HELD_OUT if is_hidden else f'predicate "{predicate_id}"'


def _autonomy(old: Goal, new: Goal) -> Iterator[Loosening]:
    """Levels that are higher: of the goal, of a class in its place among all, and of predicates."""
    before, after = old.autonomy.level, new.autonomy.level
    if is_beyond(after, before):
        yield Loosening(table="autonomy", what=f"[autonomy] level {before.value} -> {after.value}")
    for risk in Risk:
        one, other = _of_class(old, risk), _of_class(new, risk)
        is_told = is_beyond(after, before) and (one, other) == (before, after)
        if is_beyond(other, one) and not is_told:
            yield Loosening(table="autonomy", what=f"[autonomy] {risk.value} {one.value} -> {other.value}")
    known = {p.id: p.autonomy for p in new.predicates}
    for predicate in old.predicates:
        level = known.get(predicate.id, predicate.autonomy)
        if is_beyond(level, predicate.autonomy):
            what = f"{_name(old, predicate.id)}: autonomy {predicate.autonomy.value} -> {level.value}"
            yield Loosening(table="autonomy", what=what)


def _of_class(goal: Goal, risk: Risk) -> Level:
    order = list(Risk)
    upto = order[: order.index(risk) + 1]
    classes = [goal.autonomy.risks[r.value] for r in upto if r.value in goal.autonomy.risks]
    return lowest([goal.autonomy.level, *classes])


def _approvals(old: Goal, new: Goal) -> Iterator[Loosening]:
    """Gates that ask nobody any more, fewer people, or others besides, or that wait longer."""
    kept = {rule.gate: rule for rule in new.approvals}
    for rule in old.approvals:
        gate = f"[[approval]] {rule.gate.value}"
        other = kept.get(rule.gate)
        if other is None:
            yield Loosening(table="approval", what=f"{gate} removed")
            continue
        if other.count < rule.count:
            yield Loosening(table="approval", what=f"{gate}: count {rule.count} -> {other.count}")
        besides = [role.value for role in other.roles if role not in rule.roles]
        if besides:
            yield Loosening(table="approval", what=f"{gate}: from {', '.join(besides)}, too")
        if other.expires_s > rule.expires_s:
            yield Loosening(
                table="approval", what=f"{gate}: expires {rule.expires_s:g}s -> {other.expires_s:g}s"
            )


def _harness(old: Goal, new: Goal) -> Iterator[Loosening]:
    if new.harness is None:
        return
    if old.harness is None:
        yield Loosening(table="harness", what=f"[harness] {new.harness.id} may work on it", is_certain=False)
        return
    yield from _of("harness", looser.compared(old.harness, new.harness, looser.HARNESS))


def _remedies(old: Goal, new: Goal) -> Iterator[Loosening]:
    """Remedies that may do more than they could; one that is asked for each time is told then, not here."""
    known = {(r.cmd, *r.args): r for r in old.remedies}
    for index, remedy in enumerate(new.remedies):
        name = f"[[remedy]] {' '.join((remedy.cmd, *remedy.args))[: looser.WORD_CHARS_MAX]}"
        before = known.get((remedy.cmd, *remedy.args))
        is_asked_for = bool(approval.rules_for(new, f"remedy:{index}"))
        if before is None:
            if not is_asked_for:
                yield Loosening(table="remedy", what=f"{name} is new, and runs unasked", is_certain=False)
            continue
        for what, is_certain in _remedy(before, remedy, is_asked_for=is_asked_for):
            yield Loosening(table="remedy", what=f"{name}: {what}", is_certain=is_certain)


def _remedy(old: Remedy, new: Remedy, *, is_asked_for: bool) -> Iterator[tuple[str, bool]]:
    order = list(Risk)
    if order.index(new.risk) < order.index(old.risk):
        yield f"risk {old.risk.value} -> {new.risk.value}", True
    if new.attempts > old.attempts:
        yield f"attempts {old.attempts} -> {new.attempts}", True
    if new.on_error and not old.on_error:
        yield "on_error", True
    if old.predicates and (not new.predicates or set(new.predicates) - set(old.predicates)):
        yield "it may repair more", True
    if old.env != new.env and not is_asked_for:
        yield "env changed", False
