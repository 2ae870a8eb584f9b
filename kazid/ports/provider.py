"""A predicate kind: looks at the world once and says what it saw.

Contract: `evaluate` returns PASS or FAIL with evidence that would convince a stranger, ERROR when it could not look,
UNKNOWN when it makes no claim, and raises for none of these; it changes nothing in the workspace; it ends within
`context.deadline_s`; it takes and returns plain values, so that it can run in a process of the goal's owner.
A provider that raises all the same is answered with ERROR by the observer: that is a bug and is logged as one.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol, runtime_checkable

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Verdict
from kazid.core.watch import Source
from kazid.ports.commands import CommandRunner


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """When a look was asked for and began, on one clock, and on what content of the workspace, where that can be told.

    What was run for a look that began after another was asked for answers that one, too, if the content is the same.
    """

    asked_s: float
    started_s: float
    tree: str | None = None


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """The circumstances of one observation. `workspace` is absolute and exists as a name, not yet as a fact."""

    predicate_id: str
    workspace: str
    deadline_s: float
    path: str
    """The caller's PATH as recorded at apply."""
    wall_s: float
    """The wall clock at its start: what ages and expiries are counted from."""
    baseline: float | None = None
    """What a stored ratchet held last; None before the first look that passed."""
    carry: Json = None
    """What the last look left for this one (`Verdict.carry`); None before the first that left anything."""
    show: Callable[[str, Mapping[str, Json]], None] | None = None
    """Where somebody wants the raw answer (`kazictl try`): what was asked, and what came. Commands show themselves."""
    reference: str | None = None
    """A checkout of the commit that the authored `baseline` names, for as long as the look lasts."""
    scratch: str | None = None
    """Where a look may put what it needs while it lasts; a killed daemon's is swept. None: the system's own."""
    moment: Moment | None = None
    """None where nobody says: then nothing is shared with other looks."""


class Provider(Protocol):
    """One predicate kind."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look once. `options` are as authored and were checked against the kind's `KindSpec` at load."""
        ...


@runtime_checkable
class Declares(Protocol):
    """A kind that can tell what would change its answer; kazid watches that between looks, and polls all the same."""

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """What to watch from now on. `evidence` is that of the last look, empty before the first.

        Pure, quick and total: options may be of another version. Paths are absolute, below `folder` where they are
        not authored so.
        """
        ...
