"""What one dispatch changed, as git tells it: files, lines, and what was outside of what it may touch. Pure.

Two trees are compared, before and after, whatever was committed, amended or stashed in between; what an agent says it
did is no evidence. `judged` holds the change against the goal's scope. Part of `act.ended`.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.goal import Goal
from kazid.core.patterns import is_named
from kazid.core.status import Cause

TOUCHED_MAX = 50
"""Files named in an event; how many there were is a number of its own."""


class Change(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The change of one attempt. Paths are from the top of the tree."""

    files: int
    """0: it changed nothing, whatever it says."""
    lines: int | None = 0
    """Added and removed. None: not counted, in a tree that is not ours."""
    touched: Sequence[str] = ()
    outside: Sequence[str] = ()
    """Of these, what the goal does not let an agent change."""
    is_reverted: bool = False
    """What was outside was put back, because the goal says so."""
    held: str | None = None
    """The ref that keeps a change too large for the goal; the tree is as it was before."""
    commits: int = 0
    """Made by the agent itself."""
    mended: Sequence[str] = ()
    """What it did to the repository that was put right: history rewritten, another branch, no `.git`."""
    refs_moved: Sequence[str] = ()
    """Branches and tags of others that are not where they were; where they were is kept below refs/kazi/."""


class Ruling(msgspec.Struct, frozen=True, kw_only=True):
    """What becomes of a change. `cause` and `reason` are set where a person has to look at it."""

    outside: Sequence[str] = ()
    reverts: bool = False
    holds: bool = False
    cause: Cause | None = None
    reason: str | None = None


def limits_changes(goal: Goal) -> bool:
    """Whether the goal says how large a change may be."""
    return goal.scope.files_max is not None or goal.scope.lines_max is not None


def judged(goal: Goal, lines_by_file: Mapping[str, int], *, prefix: str) -> Ruling:
    """What the goal's scope says of a change. `prefix` leads from the top of the tree to the workspace, or is empty."""
    scope = goal.scope
    here = {name: name.removeprefix(prefix) for name in lines_by_file}
    outside = [
        name
        for name, path in here.items()
        if (prefix and not name.startswith(prefix))
        or any(is_named(path, d) for d in scope.deny)
        or (scope.write_paths and not any(is_named(path, w) for w in scope.write_paths))
    ]
    reverts = scope.on_outside == "revert"
    kept = {n: c for n, c in lines_by_file.items() if not (reverts and n in set(outside))}
    over = [
        f"{count} {what}, and the goal allows {limit}"
        for what, count, limit in (
            ("files", len(kept), scope.files_max),
            ("lines", sum(kept.values()), scope.lines_max),
        )
        if limit is not None and count > limit
    ]
    if not over:
        return Ruling(outside=outside, reverts=reverts and bool(outside))
    return Ruling(
        outside=outside,
        reverts=False,
        holds=True,
        cause=Cause.CHANGE_HELD,
        reason=f"the change is held for a person: {'; '.join(over)}",
    )
