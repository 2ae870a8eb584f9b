"""Guards that no `[[predicate]]` authored: what `[[enforcement.guard]]` means (reference 1.6).

They are in the vector like any other, after the authored guards. `landed` and `deployed` are made in `delivering.py`.
"""

from collections.abc import Iterator

from kazid.core.goal import Cadence, Predicate
from kazid.core.ids import PredicateId
from kazid.goalfile.cadence import cadence_of
from kazid.goalfile.sections import Sections
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import ENFORCEMENT_GUARD

SCOPE_GUARD = PredicateId("scope_deny_paths")
"""An id the daemon gives to a predicate of its own."""


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
