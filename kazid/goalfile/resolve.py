"""The tables of a goal-file as one `Goal`: everything read, all problems gathered, defaults and references resolved.

The order of the vector is made here: predicates as written, what shows that they are landed and deployed, then guards.
"""

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kazid.core.goal import (
    Budget,
    BudgetWindow,
    Escalation,
    Goal,
    HarnessChoice,
    Limits,
    Mode,
    Predicate,
    Remedy,
    Route,
    Sandbox,
    Scope,
)
from kazid.core.ids import GoalId, Owner, PredicateId
from kazid.core.json import Json
from kazid.core.level import ApprovalRule
from kazid.goalfile.autonomy import kept_back, read_approvals, read_autonomy
from kazid.goalfile.delivering import Delivery, own_ids, read_delivery
from kazid.goalfile.document import Document, to_json
from kazid.goalfile.executors import Wanted, choose_harness, read_remedies
from kazid.goalfile.groups import Groups, check_references
from kazid.goalfile.isolation import read_isolation, read_limits, read_sandbox
from kazid.goalfile.lint import LintFinding, lint
from kazid.goalfile.places import Places, resolve_places
from kazid.goalfile.positions import Path
from kazid.goalfile.predicates import (
    Context,
    Read,
    check_predicate_groups,
    check_predicate_ids,
    check_waivers,
    read_predicates,
)
from kazid.goalfile.problems import Problems
from kazid.goalfile.request import Defaults, Loaded, Request
from kazid.goalfile.routes import Words, read_escalation, read_routes, routes_notices, with_defaults
from kazid.goalfile.sections import Sections, read_sections
from kazid.goalfile.shapes import shown
from kazid.goalfile.synthesized import SCOPE_GUARD, enforcement_guards
from kazid.goalfile.table import Table
from kazid.goalfile.unbuilt import notices_of, unbuilt_of

STORED_TABLES = (
    "enforcement", "seal", "capture", "economy", "memory", "integration", "conventions", "escalation", "metadata",
)  # fmt: skip
"""Kept verbatim in `Goal.tables`."""
PREDICATE_NOTES = "predicate"
"""The entry of `Goal.tables` with what importers wrote on predicates, by predicate id."""
CAPTURE_KINDS = ("render_proof", "visual_judge")


class _Parts(msgspec.Struct, frozen=True, kw_only=True):
    """All that was read, before it is put together."""

    sections: Sections
    read: Sequence[Read]
    groups: Groups
    places: Places
    remedies: Sequence[Remedy]
    harness: HarnessChoice | None
    routes: Sequence[Route]
    escalation: Escalation | None
    sandbox: Sandbox
    limits: Limits
    approvals: Sequence[ApprovalRule]
    predicates: Sequence[Predicate]
    delivery: Delivery
    mode: Mode
    standing: bool


def read_goal(
    values: Mapping[str, object], *, document: Document, problems: Problems, request: Request, base: Path = ()
) -> Loaded | None:
    """The goal these tables mean, or None when something is wrong with them; what is wrong is in `problems`."""
    before = problems.count
    parts = _read(values, problems, request, base=base)
    if problems.count > before:
        return None
    goal = _routed(_assembled(parts, values, document, request), parts, request)
    goal = kept_back(goal, parts.sections.tables["workspace"], problems)
    if problems.count > before:
        return None
    lines = {r.predicate.id: document.positions.line_of(r.path) for r in parts.read}
    return Loaded(
        goal=goal,
        notices=(*notices_of(goal, parts.sections, parts.read), *_agent_notices(goal, parts, request)),
        unbuilt=tuple(unbuilt_of(parts.sections, parts.read, problems)),
        findings=_placed(lint(goal, kinds=request.catalog.kinds()), lines),
        lines=lines,
    )


def _placed(findings: Sequence[LintFinding], lines: Mapping[PredicateId, int]) -> tuple[LintFinding, ...]:
    """The findings with the lines of their predicates."""
    return tuple(
        f if f.predicate is None else msgspec.structs.replace(f, line=lines.get(PredicateId(f.predicate)))
        for f in findings
    )


def _read(values: Mapping[str, object], problems: Problems, request: Request, *, base: Path) -> _Parts:
    source, defaults = request.source, request.defaults
    sections = read_sections(values, problems, base=base)
    scope = sections.tables["scope"]
    places = resolve_places(
        flag=source.workspace_flag,
        caller_cwd=source.caller_cwd,
        authored=scope.text("workspace"),
        authored_path=(*scope.path, "workspace"),
        goal_file=source.path,
        problems=problems,
    )
    standing = source.standing_flag or sections.top.flag("standing", default=False)
    mode = Mode.CREATE if sections.top.text("mode") == Mode.CREATE.value else Mode.REPAIR
    context = Context(
        kinds=request.catalog.kinds(),
        observe=sections.tables["observe"],
        standing=standing,
        read_feature=lambda name: _read_feature(name, places, request),
    )
    read = read_predicates(values.get("predicate"), problems, context, path=(*base, "predicate"))
    groups = _grouped(sections, read, problems)
    has_code = any(not r.predicate.live for r in read)
    delivery = read_delivery(
        values, sections, problems, context, env_flag=source.env_flag, has_code=has_code, base=base
    )
    predicates = _vector(read, sections, delivery, standing=standing)
    _check_ids(read, sections, delivery, problems)
    _check_captures(read, sections, problems)
    remedies = read_remedies(sections.remedies, {p.id for p in predicates}, problems)
    wanted = Wanted(
        flag=source.harness_flag,
        model_flag=source.model_flag,
        default=defaults.harness,
        known=defaults.harness_ids,
        idle_timeout_s=defaults.idle_timeout_s,
        total_timeout_s=defaults.total_timeout_s,
    )
    harness = choose_harness(
        sections.tables["harness"],
        wanted,
        has_remedies=bool(sections.remedies),
        mode=mode,
        predicates=predicates,
        problems=problems,
    )
    parts = _Parts(
        sections=sections,
        read=read,
        groups=groups,
        places=places,
        remedies=remedies,
        harness=harness,
        routes=read_routes(sections.routes, _words(sections, predicates, groups, context), wanted, problems),
        escalation=read_escalation(sections.tables["escalation"], harness, problems),
        sandbox=read_sandbox(sections.tables["sandbox"], problems),
        limits=read_limits(sections.tables["limits"], problems),
        approvals=read_approvals(sections.approvals, problems),
        predicates=predicates,
        delivery=delivery,
        mode=mode,
        standing=standing,
    )
    if _needs_workspace(parts) and places.workspace(is_needed=True) is None:
        message = "this goal needs a workspace: it came without a path, and none was given"
        problems.add((*scope.path, "workspace"), message, hint="say --workspace or [scope] workspace")
    return parts


def _words(sections: Sections, predicates: Sequence[Predicate], groups: Groups, context: Context) -> Words:
    labels = sections.top.text_table("labels")
    return Words(
        ids=[p.id for p in predicates],
        kinds=list(context.kinds),
        groups=[g.id for g in groups.groups],
        labels=[f"{key}={value}" for key, value in labels.items()],
    )


def _routed(goal: Goal, parts: _Parts, request: Request) -> Goal:
    """The goal with the routes of goal-file and settings, as far as they count."""
    if _is_flagged(request):
        return goal
    table = parts.sections.tables["harness"]
    is_chosen = table.has("id") or table.has("model")
    if goal.harness is None:
        return goal
    own = msgspec.structs.replace(goal, routes=tuple(parts.routes), escalation=parts.escalation)
    return with_defaults(own, request.defaults.routes, is_chosen=is_chosen)


def _is_flagged(request: Request) -> bool:
    return request.source.harness_flag is not None or request.source.model_flag is not None


def _read_feature(name: str, places: Places, request: Request) -> str:
    """The first of the places a feature file may be in that can be read; raises the last OSError otherwise."""
    failure: OSError = FileNotFoundError(2, "no workspace and no goal-file folder to look in")
    for candidate in places.candidates(name):
        try:
            return request.read_text(candidate)
        except OSError as error:
            failure = error
    raise failure


def _grouped(sections: Sections, read: Sequence[Read], problems: Problems) -> Groups:
    """The declared groups and those of feature files, with all references checked."""
    groups = sections.groups
    for each in read:
        if each.group is not None:
            groups = groups.extended_by(each.group)
    check_references(groups, problems)
    check_predicate_groups(read, groups, problems)
    check_waivers(read, problems)
    return groups


def _vector(
    read: Sequence[Read], sections: Sections, delivery: Delivery, *, standing: bool
) -> list[Predicate]:
    predicates = [r.predicate for r in read if not r.predicate.guard]
    guards = [r.predicate for r in read if r.predicate.guard]
    return [*predicates, *delivery.predicates, *guards, *enforcement_guards(sections, standing=standing)]


def _check_ids(read: Sequence[Read], sections: Sections, delivery: Delivery, problems: Problems) -> None:
    """Ids are unique among predicates, enforcement guards and what the daemon adds."""
    check_predicate_ids(read, problems)
    made = {*(g.text("id") for g in sections.guards), *own_ids(delivery)}
    if sections.tables["scope"].texts("deny"):
        made.add(SCOPE_GUARD)
    for each in read:
        if each.predicate.id in made:
            message = (
                f"duplicate predicate id {shown(each.predicate.id)}: a guard or the daemon itself has it"
            )
            problems.add((*each.path, "id"), message)


def _check_captures(read: Sequence[Read], sections: Sections, problems: Problems) -> None:
    """A predicate that judges a capture names a declared one."""
    declared = {n for c in sections.captures if (n := c.text("name")) is not None}
    for each in read:
        if each.kind.name not in CAPTURE_KINDS:
            continue
        key = "capture" if each.table.text("capture") else "input"
        name = (each.table.text(key) or "").removeprefix("capture:")
        if name and name not in declared and not problems.has((*each.path, key)):
            what = f"predicate {shown(each.predicate.id)}"
            problems.add_unknown((*each.path, key), f"{what}: undeclared capture", name, declared)


def _needs_workspace(parts: _Parts) -> bool:
    is_code = any(not p.live for p in parts.predicates)
    is_named = any(p.wake is not None and p.wake.is_relative for p in parts.predicates)
    return parts.harness is not None or is_code or is_named or parts.delivery.deploy is not None


def _assembled(parts: _Parts, values: Mapping[str, object], document: Document, request: Request) -> Goal:
    top, source = parts.sections.top, request.source
    goal_id = top.text("id")
    assert goal_id is not None, "a goal without an id is a problem"
    return Goal(
        id=GoalId(goal_id),
        owner=Owner(source.owner),
        predicates=tuple(parts.predicates),
        name=top.text("name"),
        description=top.text("description"),
        mode=parts.mode,
        standing=parts.standing,
        budget=_budget(parts, request.defaults),
        scope=_scope(parts.sections.tables["scope"]),
        workspace=parts.places.workspace(is_needed=_needs_workspace(parts)),
        harness=parts.harness,
        remedies=tuple(parts.remedies),
        groups=tuple(parts.groups.groups),
        labels=top.text_table("labels"),
        depends_on=top.texts("depends_on"),
        path=source.caller_path,
        source_path=source.path,
        source_sha256=document.sha256,
        tables=_stored(values, parts.read),
        integration=parts.delivery.integration,
        deploy=parts.delivery.deploy,
        isolation=read_isolation(parts.sections.tables["workspace"], has_agent=parts.harness is not None),
        sandbox=parts.sandbox,
        limits=parts.limits,
        autonomy=read_autonomy(parts.sections.tables["autonomy"]),
        approvals=parts.approvals,
    )


def _budget(parts: _Parts, defaults: Defaults) -> Budget:
    table = parts.sections.tables["budget"]
    wall_clock_ms = table.integer("max_wall_clock_ms")
    weight = table.number("cached_read_weight")
    needs_ceiling = _needs_ceiling(parts)
    window = _window(parts.sections.window)
    return Budget(
        iterations_max=table.integer("max_iterations"),
        wall_clock_s_max=None if wall_clock_ms is None else wall_clock_ms / 1000,
        tokens_max=table.integer("max_tokens"),
        dispatches_max=defaults.dispatches_per_episode_max
        if needs_ceiling
        else table.integer("max_dispatches"),
        dispatches_per_day_max=_daily(needs_ceiling=needs_ceiling, window=window, defaults=defaults),
        cost_usd_max=table.number("max_cost_usd"),
        cached_read_weight=Budget().cached_read_weight if weight is None else weight,
        window=window,
        tokens_per_dispatch=defaults.tokens_per_dispatch,
        cost_usd_per_dispatch=defaults.cost_usd_per_dispatch,
    )


def _window(table: Table) -> BudgetWindow | None:
    per_s = table.seconds("per")
    if per_s is None:
        return None
    return BudgetWindow(
        per_s=per_s,
        dispatches_max=table.integer("max_dispatches"),
        tokens_max=table.integer("max_tokens"),
        cost_usd_max=table.number("max_cost_usd"),
    )


def _daily(*, needs_ceiling: bool, window: BudgetWindow | None, defaults: Defaults) -> int | None:
    """The daily ceiling of the settings, where nobody authored one."""
    is_authored = window is not None and window.dispatches_max is not None
    return defaults.dispatches_per_day_max if needs_ceiling and not is_authored else None


def _needs_ceiling(parts: _Parts) -> bool:
    return parts.harness is not None and parts.sections.tables["budget"].integer("max_dispatches") is None


def _agent_notices(goal: Goal, parts: _Parts, request: Request) -> Iterator[str]:
    if parts.harness is None and request.source.model_flag is not None:
        yield "--model has no effect: this goal never dispatches an agent"
    yield from routes_notices(
        goal, parts.sections.routes, parts.sections.tables["escalation"], is_flagged=_is_flagged(request)
    )
    if _needs_ceiling(parts):
        defaults = request.defaults
        day = _daily(needs_ceiling=True, window=_window(parts.sections.window), defaults=defaults)
        a_day = "" if day is None else f", {day} a day"
        yield f"no dispatch ceiling authored: {defaults.dispatches_per_episode_max} an episode{a_day} (settings)"


def _scope(table: Table) -> Scope:
    return Scope(
        workspace=table.text("workspace"),
        repo=table.text("repo"),
        paths=table.texts("paths"),
        write_paths=table.texts("write_paths"),
        deny=table.texts("deny"),
        owns=table.texts("owns"),
        on_overlap=table.text("on_overlap") or "refuse",
        on_outside=table.text("on_outside") or "reject",
        files_max=table.integer("max_files"),
        lines_max=table.integer("max_lines"),
    )


def _stored(values: Mapping[str, object], read: Sequence[Read]) -> dict[str, Json]:
    """The tables kept as written."""
    stored: dict[str, Json] = {name: to_json(values[name]) for name in STORED_TABLES if name in values}
    notes: dict[str, Json] = {r.predicate.id: r.notes for r in read if r.notes}
    if notes:
        stored[PREDICATE_NOTES] = notes
    return stored
