"""What an agent is told of a tree that another one left: that it goes on there, what is changed already, what is green.

An attempt that was cut off is continued and not redone: its tree is where the next one starts. Pure; of `prompt.py`.
"""

from kazid.core.goal import Goal
from kazid.core.progress import ActSummary, Progress
from kazid.core.vector import VerdictVector
from kazid.core.worktree import Collision
from kazid.harnesses.excerpt import plain
from kazid.shim.redaction import redact

FILES_SHOWN_MAX = 20
IDS_SHOWN_MAX = 20
CUT_OFF = frozenset({"idle_timeout", "total_timeout", "cancelled", "orphaned", "killed", "signaled"})
"""Endings of attempts that somebody else ended."""


def continuation(goal: Goal, progress: Progress, vector: VerdictVector) -> str:
    """The section on work that is in the tree already; empty when the last agent's attempt left none."""
    acts = () if progress.episode is None else progress.episode.acts
    last = next((a for a in reversed(acts) if a.rung.startswith("harness:") and a.ending is not None), None)
    if last is None:
        return ""
    if progress.collision is not None and last.number <= progress.collision.acts:
        return _collided(progress.collision)
    is_cut_off = last.ending in CUT_OFF
    if not is_cut_off and not _has_work(last):
        return ""
    lines = ["# Work that is there already"]
    if is_cut_off:
        lines.append(
            f"The attempt before you was cut off ({last.ending}), and its work is still in this tree. Go on from "
            "there: look at what is there first, keep what is good, and do not begin anew."
        )
    lines.extend(_work(last))
    greens = [r.predicate_id for r in vector.readings if r.verdict.is_green]
    shown = [p for p in greens if p in goal.predicate_ids and not goal.predicate(p).held_out]
    if is_cut_off and shown:
        more = f" and {len(shown) - IDS_SHOWN_MAX} more" if len(shown) > IDS_SHOWN_MAX else ""
        lines.append(f"Green already: {', '.join(shown[:IDS_SHOWN_MAX])}{more}")
    return "\n".join(lines)


def _collided(collision: Collision) -> str:
    """The last change held, and is not there: what it collided with is what the next one begins from."""
    files = ", ".join(" ".join(plain(redact(name)).split()) for name in collision.files[:FILES_SHOWN_MAX])
    return (
        "# An earlier change that collided\n"
        f"The attempt before you made all of it hold, and meanwhile somebody edited the same lines: {files}. This tree "
        "has their edits and not that change. Make what is asked for hold on top of their edits, and keep these. The "
        f"earlier change: git diff {collision.base} {collision.saved}"
    )


def _has_work(act: ActSummary) -> bool:
    return act.change is not None and (bool(act.change.files) or act.change.held is not None)


def _work(act: ActSummary) -> list[str]:
    change = act.change
    if change is None:
        return []
    if change.held is not None:
        return [
            f"It changed {change.files} files, more than this goal allows, and all of it was undone: do less."
        ]
    lines: list[str] = []
    if change.files:
        files = ", ".join(" ".join(plain(redact(name)).split()) for name in change.touched[:FILES_SHOWN_MAX])
        more = f" and {change.files - FILES_SHOWN_MAX} more" if change.files > FILES_SHOWN_MAX else ""
        lines.append(f"It changed: {files}{more}")
    else:
        lines.append("It changed nothing.")
    if change.outside:
        undone = "; that was undone" if change.is_reverted else ""
        lines.append(
            f"Some of it was outside of what may be changed{undone}: {', '.join(change.outside[:5])}"
        )
    if change.mended:
        lines.append(
            f"It also damaged the repository, which was put right: {'; '.join(change.mended)}. Do not do that."
        )
    return lines
