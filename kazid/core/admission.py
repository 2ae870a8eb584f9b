"""Whether a spec may be stored beside the others, and what applying it again means. Pure.

Sits before the journal: `apply` asks here and records what it is told. Two goals that may act on overlapping claims are
refused by name, or serialised when both say so; changed predicates, executors, scope or workspace raise the
generation, changed budget, cadence or metadata apply in place (SEMANTICS §6).
"""

import enum
import hashlib
from collections.abc import Iterable

import msgspec
from msgspec.structs import replace

from kazid.core.errors import Problem
from kazid.core.goal import Budget, Cadence, Goal
from kazid.core.progress import Desired, Progress
from kazid.core.status import FINISHED

_NO_CADENCE = Cadence(interval_s=None, deadline_s=0.0, confirm=1, recover=1, recheck_s=0.0)


class Change(enum.Enum):
    """What applying a spec does; the values are what `apply --json` says under `applied`."""

    CREATED = "created"
    ATTACHED = "attached"
    UPDATED = "updated"
    GENERATION = "generation"
    REVIVED = "revived"
    REOPENED = "reopened"
    HELD = "held"
    """It is looser than what is stored, and people have to say yes first (`core/loosening.py`)."""


def spec_sha256(goal: Goal) -> str:
    """The identity of what was asked: who submitted it with which PATH, and comments in the file, do not count."""
    spec = replace(goal, path="", source_path=None, source_sha256=None)
    return _sha256(spec)


_JUDGING_TABLES = ("enforcement", "seal")
"""Stored tables that change verdicts."""


def acting_sha256(goal: Goal) -> str:
    """The identity of what decides acts: everything but budget, cadence, wake-ups and metadata."""
    spec = replace(
        goal,
        path="",
        source_path=None,
        source_sha256=None,
        budget=Budget(),
        name=None,
        description=None,
        labels={},
        tables={name: table for name, table in goal.tables.items() if name in _JUDGING_TABLES},
        predicates=tuple(
            replace(p, cadence=_NO_CADENCE, wake=None, description=None) for p in goal.predicates
        ),
    )
    return _sha256(spec)


def _sha256(spec: Goal) -> str:
    """In which order the keys of a table were written does not count."""
    return hashlib.sha256(msgspec.json.encode(spec, order="deterministic")).hexdigest()


def change(current: Goal, progress: Progress, new: Goal) -> Change:
    """What applying `new` over `current` means."""
    is_same = spec_sha256(new) == progress.spec_sha256
    if progress.desired is Desired.STOPPED:
        return Change.REVIVED
    if acting_sha256(new) != acting_sha256(current):
        return Change.GENERATION
    if not current.standing and progress.status in FINISHED:
        return Change.REOPENED
    return Change.ATTACHED if is_same else Change.UPDATED


def overlaps(new: Goal, others: Iterable[Goal]) -> list[Problem]:
    """A problem for each goal whose claims overlap with the new one's, unless both serialise. Itself is skipped."""
    problems: list[Problem] = []
    for other in others:
        if (other.owner, other.id) == (new.owner, new.id):
            continue
        shared = [(a, b) for a in new.scope.owns for b in other.scope.owns if claims_overlap(a, b)]
        if not shared or (new.scope.on_overlap == other.scope.on_overlap == "serialise"):
            continue
        mine, theirs = shared[0]
        problems.append(
            Problem(
                key="scope.owns",
                message=f"{mine!r} overlaps with {theirs!r}, which {other.owner}/{other.id} owns",
                hint='say on_overlap = "serialise" in both goals, or narrow one of the claims',
            )
        )
    return problems


def claims_overlap(a: str, b: str) -> bool:
    """Whether two claims name the same thing or one contains the other (paths and urls nest, the rest is equal)."""
    kind_a, _, name_a = a.partition(":")
    kind_b, _, name_b = b.partition(":")
    if kind_a != kind_b:
        return False
    if kind_a not in ("path", "url"):
        return name_a == name_b
    one, two = name_a.rstrip("/") + "/", name_b.rstrip("/") + "/"
    return one.startswith(two) or two.startswith(one)
