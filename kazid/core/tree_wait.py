"""Looks at code that wait because another goal acts in the same tree, or that such an act made worthless.

SEMANTICS §2: a code verdict taken while another goal acted on the same tree is discarded and repeated. Acts go first: a
look waits for the lease to be free, and one that an act began beside says nothing. So that a busy neighbour cannot
keep a goal blind for ever, a look discarded `DISCARDS_MAX` times in a row keeps other goals' acts out until it ended.
Live predicates look at what runs, not at the tree, and are never held. Pure; `ports/lease.py` knows who acts where.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Goal, Predicate
from kazid.core.ids import PredicateId
from kazid.core.status import GoalStatus
from kazid.core.worktree import Worktree, placed

DISCARDS_MAX = 2
"""In a row; as often as a tree that changes with every look is looked at again (SEMANTICS §2)."""
GUARD = "lease"


class TreeWait(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Whose act is waited for, and which looks wait, each with how often it was discarded in a row."""

    holder: str
    discards: Mapping[PredicateId, int]


def tree_of(goal: Goal, predicate: Predicate, worktree: Worktree | None) -> str | None:
    """The folder that this predicate's verdict is of; None when it is of none."""
    return None if predicate.live else placed(goal, worktree).workspace


def deferred(
    wait: TreeWait | None, predicates: Sequence[PredicateId], holder: str, *, discarded: bool
) -> TreeWait | None:
    """These looks wait for `holder`; what was seen beside its act counts as one more discarded."""
    before: Mapping[PredicateId, int] = {} if wait is None else wait.discards
    counts = {p: before.get(p, 0) + discarded for p in predicates}
    return TreeWait(holder=holder, discards={**before, **counts}) if counts else wait


def looked(wait: TreeWait | None, predicate_id: PredicateId) -> TreeWait | None:
    """A look that counts ends this predicate's wait."""
    if wait is None or predicate_id not in wait.discards:
        return wait
    left = {p: n for p, n in wait.discards.items() if p != predicate_id}
    return replace(wait, discards=left) if left else None


def is_news(wait: TreeWait | None, predicates: Sequence[PredicateId], *, holder: str) -> bool:
    """Whether a wait is told for the first time."""
    return wait is None or wait.holder != holder or any(p not in wait.discards for p in predicates)


def keeps_out(wait: TreeWait | None, predicate_id: PredicateId) -> bool:
    """Whether this look goes before the acts of other goals now."""
    return wait is not None and wait.discards.get(predicate_id, 0) >= DISCARDS_MAX


def holds(wait: TreeWait | None, predicate_id: PredicateId) -> bool:
    """Whether this look waits."""
    return wait is not None and predicate_id in wait.discards


def reason(wait: TreeWait) -> str:
    """For people."""
    return f"{wait.holder} acts in its tree: it is looked at when that ended"


def status_of(wait: TreeWait | None, predicates: Sequence[PredicateId], otherwise: GoalStatus) -> GoalStatus:
    """`waiting` where these looks are all there is to do and each of them waits: that time is nobody's wall clock."""
    is_open = otherwise in (GoalStatus.OBSERVING, GoalStatus.ACTING)
    is_held = bool(predicates) and all(holds(wait, p) for p in predicates)
    return GoalStatus.WAITING if is_open and is_held else otherwise
