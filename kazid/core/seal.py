"""Whether what judges the work is still what it was at the start. Pure; the fold keeps the hashes, `decide` asks.

Hashed before every look. What is sealed nobody changes while the goal is driven; the repository's config, hooks and
attributes are, wherever an agent works. What is read-only no agent changes: an edit found after a dispatch is that
dispatch's, one found with no dispatch in between is the owner's and the new measure. Either end is `tampered`, and a
person resumes it or applies a new spec, which takes the hashes anew.
"""

from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.event import PredicateObserved
from kazid.core.progress import Progress, Seal
from kazid.core.status import Cause

UNREADABLE = "seal_unreadable"
"""Reason of a look that did not happen, because what is sealed could not be read."""

PATHS_NAMED_MAX = 20
BASE = "base"
"""Label of the commit that the clean ref named at the first look; within a generation it never changes."""
NO_BASE = "none"
_SEALED, _READ_ONLY, _GIT, _OUTSIDE, _GOAL_FILE = "sealed", "read-only", "git", "outside", "goal-file"
_OF_AGENTS = (_READ_ONLY, _OUTSIDE, _GOAL_FILE)


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """What was changed, for people, and the cause for programs."""

    cause: Cause
    reason: str


def base_of(progress: Progress) -> str | None:
    """The base that was taken at the first look; None before it. `NO_BASE` where there is no repository.

    Of a tree of the daemon's own it is the commit that the tree began at, whatever was committed there since.
    """
    if progress.seal is None:
        return None if progress.worktree is None else progress.worktree.base
    return progress.seal.files.get(BASE)


def labelled(
    sealed: Mapping[str, str],
    read_only: Mapping[str, str],
    git: Mapping[str, str],
    *,
    outside: Mapping[str, str],
    goal_file: Mapping[str, str],
    base: str | None,
) -> dict[str, str]:
    """Hashes of all kinds under names that tell them apart."""
    return {
        **({} if base is None else {BASE: base}),
        **{f"{_GOAL_FILE} {name}": digest for name, digest in goal_file.items()},
        **{f"{_OUTSIDE} {path}": token for path, token in sorted(outside.items())},
        **{f"{_GIT} {name}": digest for name, digest in sorted(git.items())},
        **{f"{_SEALED} {path}": digest for path, digest in sorted(sealed.items())},
        **{f"{_READ_ONLY} {path}": digest for path, digest in sorted(read_only.items())},
    }


def looked(progress: Progress, event: PredicateObserved) -> Progress:
    """Progress after a look that compared the hashes: it carries them where they were not the known ones."""
    if event.generation != progress.generation or event.verdict.reason == UNREADABLE:
        return progress
    seal = progress.seal
    if event.seal is None:
        is_after = progress.act is None and event.started_s >= (progress.last_act_ended_s or 0.0)
        if seal is None or seal.acts == progress.acts or not is_after:
            return progress
        return replace(progress, seal=replace(seal, acts=progress.acts))
    if seal is None:
        return replace(progress, seal=Seal(files=event.seal, acts=progress.acts))
    changed = [
        label
        for label in sorted({*seal.files, *event.seal})
        if label != BASE and seal.files.get(label) != event.seal.get(label)
    ]
    if not _dispatched_since(progress, seal.acts):
        changed = [label for label in changed if not label.startswith(_OF_AGENTS)]
    if not _of(tuple(seal.files), _GIT):
        # A repository that was not there at the start is work like any other.
        changed = [label for label in changed if not label.startswith(f"{_GIT} ")]
    # Once said is enough: what is found again later is not journalled again.
    named = tuple(dict.fromkeys((*seal.broken, *changed)))[:PATHS_NAMED_MAX]
    return replace(progress, seal=replace(seal, files=event.seal, broken=named))


def broken(progress: Progress) -> Broken | None:
    """What was changed that must not be, None when nothing was."""
    seal = progress.seal
    if seal is None or not seal.broken:
        return None
    sealed, read_only, git, outside, goal_file = (
        _of(seal.broken, kind) for kind in (_SEALED, _READ_ONLY, _GIT, _OUTSIDE, _GOAL_FILE)
    )
    parts = [f"sealed inputs changed: {', '.join(sealed)}"] if sealed else []
    if git:
        parts.append(f"the repository's settings changed: {', '.join(git)}")
    if read_only:
        parts.append(f"an agent changed what is read-only: {', '.join(read_only)}")
    if outside:
        parts.append(f"an agent changed what is outside its write_paths: {', '.join(outside)}")
    if goal_file:
        parts.append(f"an agent changed the goal-file {', '.join(goal_file)}; what was applied stands")
    cause = Cause.SEAL_BROKEN if sealed or git or goal_file else Cause.READ_ONLY_WRITE
    return Broken(cause=cause, reason="; ".join(parts))


def _of(labels: Sequence[str], kind: str) -> list[str]:
    return [label.removeprefix(f"{kind} ") for label in labels if label.startswith(f"{kind} ")]


def _dispatched_since(progress: Progress, number: int) -> bool:
    if progress.act is not None and progress.act.rung.startswith("harness:"):
        return True
    episodes = (progress.last_episode, progress.episode)
    acts = (act for episode in episodes if episode is not None for act in episode.acts)
    return any(act.number > number and act.rung.startswith("harness:") for act in acts)
