"""What is kept of a goal in the user's repository, and which of it nobody needs any more. Pure.

States around attempts go once the change is where it belongs and some time has passed. What may be nowhere else stays:
what was saved of a removed tree, what an agent left or moved (`saved-*`, `strayed-*`, `moved/*`, what collided), and a
change that was held for a person, with the states around it.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from kazid.core.progress import Progress
from kazid.core.status import GoalStatus

_ATTEMPT = re.compile(r"attempt-(\d+)-(?:before|after)")
_OTHERS = frozenset({"base", "latest", "delivered", "applied", "branch"})


class Ref(msgspec.Struct, frozen=True):
    """One of them: its name below refs/kazi/UID/, what it points at, and when that was made (wall seconds)."""

    name: str
    commit: str
    made_wall_s: float


def is_done(progress: Progress) -> bool:
    """Whether a goal's work is where it belongs: all is true, and nobody is at it."""
    is_true = progress.status in (GoalStatus.CONVERGED, GoalStatus.HOLDING)
    return is_true and progress.worktree is None and progress.act is None


def droppable(refs: Iterable[Ref], *, before_wall_s: float) -> Sequence[Ref]:
    """Those of a goal that is done which were made before then and which nobody needs."""
    known = list(refs)
    held = {ref.name.removeprefix("held-") for ref in known if ref.name.startswith("held-")}
    return [ref for ref in known if ref.made_wall_s < before_wall_s and _is_spare(ref, held)]


def _is_spare(ref: Ref, held: set[str]) -> bool:
    attempt = _ATTEMPT.fullmatch(ref.name)
    return ref.name in _OTHERS or (attempt is not None and attempt[1] not in held)
