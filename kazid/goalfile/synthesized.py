"""Predicates that no `[[predicate]]` authored: what `[integration]` and `[[enforcement.guard]]` mean (reference 1.6).

They are in the vector like any other: `landed` last of the predicates, then the authored guards, then these.
"""

import re
from collections.abc import Iterator

from kazid.core.goal import Cadence, Predicate
from kazid.core.ids import PredicateId
from kazid.core.json import Json
from kazid.goalfile.cadence import cadence_of
from kazid.goalfile.sections import Sections
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import ENFORCEMENT_GUARD

LANDED = PredicateId("landed")
SCOPE_GUARD = PredicateId("scope_deny_paths")
"""Ids the daemon gives to predicates of its own."""

_NOT_BRANCH = re.compile(r"[^A-Za-z0-9._-]+")


def landed(integration: Table, *, goal_id: str, standing: bool) -> Predicate:
    """The predicate of `[integration]`: the result is where it says."""
    options: dict[str, Json] = {
        "mode": integration.text("mode"),
        "branch": integration.text("branch") or default_branch(goal_id),
    }
    if (base := integration.text("base")) is not None:
        options["base"] = base
    return Predicate(
        id=LANDED,
        provider="landed",
        cadence=_cadence(standing=standing),
        live=False,
        description="the result is landed",
        options=options,
    )


def default_branch(goal_id: str) -> str:
    """The branch a goal's result goes to when none is authored."""
    return f"task/{_NOT_BRANCH.sub('-', goal_id).strip('-')}"


def enforcement_guards(sections: Sections, *, standing: bool) -> Iterator[Predicate]:
    """A ratchet for each guard of an `[enforcement]` that is enabled: a number that no work may make worse."""
    if not sections.tables["enforcement"].flag("enabled", default=True):
        return
    for table in sections.guards:
        keys = [key for key in ENFORCEMENT_GUARD if key != "id"]
        defaults = {key: spec.default for key, spec in ENFORCEMENT_GUARD.items() if spec.default is not None}
        yield Predicate(
            id=PredicateId(table.text("id") or ""),
            provider="ratchet",
            cadence=_cadence(standing=standing),
            live=False,
            guard=True,
            options={**defaults, **{key: table.value(key) for key in keys if table.has(key)}},
        )


def _cadence(*, standing: bool) -> Cadence:
    nothing = Table({})
    return cadence_of(live=False, standing=standing, observe=nothing, own=nothing, samples_are_native=False)
