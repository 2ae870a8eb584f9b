"""`[[route]]`: which agent and model work on which predicates, from the goal-file and then from the settings.

A goal-file's `for` names what is there, so a word that fits nothing is a problem. Routes of the settings are defaults:
they count where neither flag nor goal-file names the agent or its model, and only those that fit are stored.
"""

from collections.abc import Collection, Iterator, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Escalation, Goal, HarnessChoice, Route
from kazid.core.routing import fits
from kazid.goalfile import vocabulary
from kazid.goalfile.executors import ANY_COMMAND, Wanted
from kazid.goalfile.groups import normalised
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table

LADDER_OF = "claude"
"""Whose models the default ladder names."""


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What a `for` may name."""

    ids: Collection[str]
    kinds: Collection[str]
    groups: Collection[str]
    labels: Collection[str]
    """As `key=value`."""


def read_routes(tables: Sequence[Table], words: Words, wanted: Wanted, problems: Problems) -> list[Route]:
    """The goal-file's routes in order, checked."""
    routes: list[Route] = []
    for number, table in enumerate(tables, start=1):
        what = f"[[route]] {number}"
        harness = table.text("harness")
        if harness is not None and harness not in wanted.known:
            problems.add_unknown(
                (*table.path, "harness"), f"{what}: unknown harness", harness, wanted.known, label="known"
            )
        if harness == ANY_COMMAND:
            hint = "declare it in kazid.toml: docs/add-a-harness.md"
            problems.add((*table.path, "harness"), f"{what}: a route cannot name a command", hint=hint)
        if not any(table.has(key) for key in ("harness", "model", "effort")):
            problems.add(table.path, f"{what} chooses nothing: give it a harness, a model or an effort")
        if table.has("for") and not table.texts("for"):
            message = f"{what}: for names nothing, so it could never fit"
            problems.add((*table.path, "for"), message, hint="leave it out to mean everything")
        routes.append(
            Route(
                name=f"route {number}",
                words=tuple(_words(table, words, problems, what=what)),
                harness=harness,
                model=table.text("model"),
                effort=table.text("effort"),
            )
        )
    return routes


def _words(table: Table, words: Words, problems: Problems, *, what: str) -> Iterator[str]:
    for index, word in enumerate(table.texts("for")):
        path = (*table.path, "for", index)
        group = normalised(word)
        if word in words.ids or word in words.kinds or word in words.labels:
            yield word
        elif group in words.groups:
            yield group
        elif "=" in word:
            problems.add(
                path, f"{what}: this goal has no label {shown(word)}", hint="[labels] has key = value"
            )
        else:
            known = [*words.ids, *words.kinds, *words.groups]
            problems.add_unknown(path, f"{what}: for names no predicate, kind or group", word, known)


def read_escalation(table: Table, harness: HarnessChoice | None, problems: Problems) -> Escalation | None:
    """The ladder; None where none is written."""
    if not table.is_authored:
        return None
    is_default = not table.has("ladder")
    if is_default and harness is not None and harness.id != LADDER_OF:
        message = f"escalation names no models, and the default ladder is {LADDER_OF}'s, not {harness.id}'s"
        problems.add(table.path, message, hint='write ladder = ["cheap", "strong"]')
    models = vocabulary.ESCALATION_LADDER if is_default else table.texts("ladder")
    return Escalation(
        ladder=models[: table.integer("max_rungs")],
        dispatches_max=table.integer("max_dispatches"),
        tokens_max=table.integer("max_tokens"),
        cost_usd_max=table.number("max_cost_usd"),
    )


def with_defaults(goal: Goal, defaults: Sequence[Route], *, is_chosen: bool) -> Goal:
    """The goal with the routes of the settings that fit it, after its own."""
    if goal.harness is None or is_chosen:
        return goal
    fitting = [r for r in defaults if any(fits(r, goal, p) for p in goal.predicates)]
    return replace(goal, routes=(*goal.routes, *fitting)) if fitting else goal


def routes_notices(
    goal: Goal, tables: Sequence[Table], escalation: Table, *, is_flagged: bool
) -> Iterator[str]:
    """Why what was written about agents has no effect."""
    for name, is_written in (("[[route]]", bool(tables)), ("[escalation]", escalation.is_authored)):
        if is_written and goal.harness is None:
            yield f"{name} has no effect: this goal never dispatches an agent"
        elif is_written and is_flagged:
            yield f"{name} has no effect: --harness or --model was given"
