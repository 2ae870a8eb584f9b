"""What git and the disk say of a repository and of a tree of ours: one question each, for `worktrees.py`.

Nothing here changes anything of theirs.
"""

import contextlib
import os
import stat
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.adapters.system.git import GitResult, git
from kazid.core.status import Cause
from kazid.ports.worktree import Unmade, Wish

FILES_NAMED_MAX = 5
BRANCHES_MAX = 50
REFS_MAX = 2000
"""Branches and tags watched for being moved."""
_HALFWAY = {
    "rebase": ("rebase-merge", "rebase-apply"),
    "merge": ("MERGE_HEAD",),
    "cherry-pick": ("CHERRY_PICK_HEAD",),
    "revert": ("REVERT_HEAD",),
}
FORMAT = "%(refname) %(objectname)"
INSTALLED = ("node_modules", ".venv", "venv", ".tox", "vendor")
"""Where installers put what a repository ignores."""


class Noted(msgspec.Struct, frozen=True):
    """What a snapshot's message says of the moment."""

    head: str | None = None
    refs: Mapping[str, str] = {}


def noted(message: bytes) -> Noted:
    """What a snapshot's message says; nothing, where it is none of ours."""
    try:
        return msgspec.json.decode(message, type=Noted)
    except msgspec.DecodeError:
        return Noted()


async def trouble_in(top: str, wish: Wish) -> Unmade | None:
    """Why no tree can be cut from this one: submodules, an unfinished merge, work that is not committed."""
    staged = await git(("ls-files", "--stage", "-z"), cwd=top, output_bytes_max=64 * 1024 * 1024)
    if not staged.is_ok:
        return Unmade(reason=why_of("the index cannot be read", staged))
    entries = [e for e in staged.stdout.split(b"\0") if e]
    if any(e.startswith(b"160000 ") for e in entries):
        hint = 'say [workspace] mode = "in_place"'
        return Unmade(reason=f"the repository has submodules, which a worktree would not have: {hint}")
    if any(e.split(b"\t")[0].endswith((b" 1", b" 2", b" 3")) for e in entries):
        return Unmade(
            reason="a merge is unfinished in the workspace: files are unmerged", cause=Cause.WORKSPACE_DIRTY
        )
    if not wish.refuses_uncommitted:
        return None
    status = await git(("status", "--porcelain", "-z", "--no-renames", "--untracked-files=all"), cwd=top)
    if not status.is_ok:
        return Unmade(reason=why_of("git status failed", status))
    dirty = [os.fsdecode(e[3:]) for e in status.stdout.split(b"\0") if e]
    dirty = _beside(dirty, top, wish.untracked_allowed)
    if not dirty:
        return None
    named = ", ".join(dirty[:FILES_NAMED_MAX]) + (
        f" and {len(dirty) - FILES_NAMED_MAX} more" if len(dirty) > FILES_NAMED_MAX else ""
    )
    return Unmade(
        cause=Cause.WORKSPACE_DIRTY,
        reason=f"not committed in the workspace: {named}; commit or stash it, or say [workspace] dirty = "
        '"ignore" to start from the commit',
    )


async def without_links(path: str, env: Mapping[str, str]) -> bool:
    """Take other repositories out of a copy of the index, so that `git add` finds them like anything new.

    In those that are in the index it runs `git status`, with the filters of their own config, which whoever works in
    the tree can write. What is new is only asked for its commit.
    """
    staged = await git(("ls-files", "--stage", "-z"), cwd=path, env=env, output_bytes_max=64 * 1024 * 1024)
    entries = staged.stdout.split(b"\0")
    names = [os.fsdecode(e.partition(b"\t")[2]) for e in entries if e.startswith(b"160000 ")]
    for start in range(0, len(names), 200):
        words = ("update-index", "--force-remove", "--", *names[start : start + 200])
        if not (await git(words, cwd=path, env=env)).is_ok:
            return False
    return staged.is_ok


async def free_branch(top: str, wanted: str, base: str) -> str | None:
    """The name, or one like it that holds no work of anybody's and is checked out nowhere."""
    listing = await git(("worktree", "list", "--porcelain"), cwd=top)
    taken = {
        line[7:]
        for line in listing.stdout.decode(errors="replace").splitlines()
        if line.startswith("branch ")
    }
    for name in [wanted, *(f"{wanted}-{n}" for n in range(2, BRANCHES_MAX))]:
        ref = f"refs/heads/{name}"
        if (await git(("check-ref-format", ref), cwd=top)).exit_code != 0:
            return None
        tip = await commit_of(top, ref)
        if ref not in taken and (tip is None or await is_ancestor(top, tip, base)):
            return name
    return None


async def refs_of(top: str) -> dict[str, str]:
    """Branches and tags, and the stash."""
    said = await git(
        (
            "for-each-ref",
            f"--count={REFS_MAX}",
            f"--format={FORMAT}",
            "refs/heads",
            "refs/tags",
            "refs/stash",
        ),
        cwd=top,
    )
    pairs = (line.split(" ") for line in said.stdout.decode(errors="replace").splitlines())
    return {pair[0]: pair[1] for pair in pairs if len(pair) == 2}


async def unfinished(path: str) -> list[str]:
    """Operations of git's that somebody left halfway in this tree."""
    found: list[str] = []
    for operation, marks in _HALFWAY.items():
        for mark in marks:
            place = await ask(("rev-parse", "--path-format=absolute", "--git-path", mark), cwd=path)
            if place is not None and os.path.exists(place):  # noqa: ASYNC240 - one lstat
                found.append(operation)
                break
    return found


async def is_ancestor(top: str, old: str, new: str) -> bool:
    """True when `new` has all of `old`; False also where git cannot tell."""
    return (await git(("merge-base", "--is-ancestor", old, new), cwd=top)).exit_code == 0


async def is_same_tree(top: str, one: str, other: str) -> bool:
    """True when two commits hold the same files; False also where git cannot tell."""
    return (await git(("diff", "--quiet", one, other), cwd=top)).exit_code == 0


async def commit_of(path: str, ref: str) -> str | None:
    """The commit a ref leads to; None where there is none."""
    return await ask(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"), cwd=path)


async def ask(args: Sequence[str], *, cwd: str, env: Mapping[str, str] | None = None) -> str | None:
    """What git answers, without its line's end; None where it fails or says nothing."""
    said = await git(args, cwd=cwd, env=env)
    return os.fsdecode(said.stdout).removesuffix("\n") or None if said.is_ok else None


async def absent_from_a_fresh_tree(workspace: str) -> tuple[str, ...]:
    """What tools installed in a workspace and its repository ignores: a tree cut from it is without that."""
    there = [name for name in INSTALLED if os.path.lexists(os.path.join(workspace, name))]  # noqa: ASYNC240
    if not there:
        return ()
    said = await git(("check-ignore", "--", *there), cwd=workspace)
    ignored = set(said.stdout.decode(errors="replace").splitlines())
    return tuple(name for name in there if name in ignored)


def repository_of(path: Path) -> str | None:
    """The user's tree that a tree of ours was cut from; None when it does not say."""
    try:
        pointer = (path / ".git").read_text().removeprefix("gitdir:").strip()
    except OSError:
        return None
    common = Path(pointer).parent.parent
    return str(common.parent if common.name == ".git" else common) if common.is_dir() else None


def is_linked(path: str) -> bool:
    """Whether the tree and git's entry for it point at each other."""
    try:
        entry = Path(Path(path, ".git").read_text().removeprefix("gitdir: ").strip())
        return (entry / "gitdir").read_text().strip() == os.path.join(path, ".git") and (
            entry / "HEAD"
        ).is_file()
    except (OSError, ValueError):
        return False


async def common_folder(top: str) -> str | None:
    """Git's folder of the repository, shared by all its trees."""
    return await ask(("rev-parse", "--path-format=absolute", "--git-common-dir"), cwd=top)


def registration_of(common: str, path: str) -> Path | None:
    """Git's entry for the tree at this path."""
    for entry in Path(common, "worktrees").glob("*"):
        with contextlib.suppress(OSError):
            if (entry / "gitdir").read_text().strip() == os.path.join(path, ".git"):
                return entry
    return None


def _beside(names: Sequence[str], top: str, allowed: Sequence[str]) -> list[str]:
    real = {os.path.realpath(p) for p in allowed}
    return [n for n in names if os.path.realpath(os.path.join(top, n)) not in real]


def why_of(what: str, result: GitResult) -> str:
    """What could not be done, and git's own words for it, cut to a readable length."""
    return f"{what}: {(result.reason or result.stderr).strip()[:500] or 'it says nothing'}"


def no_repository(workspace: str, said: GitResult) -> Unmade:
    """What a folder is that git takes for none: a folder like any other, or what is left of a repository.

    Nobody works in the latter as it is: what was there cannot be told from what was changed. What lies where everybody
    may write, as in /tmp, says nothing of the folders below it.
    """
    for folder in (Path(workspace), *Path(workspace).parents):
        entry = folder / ".git"
        if said.exit_code != 0 and os.path.lexists(entry) and not _is_everybodys(folder):
            damaged = why_of(f"{entry} is there, and git does not take it for a repository", said)
            return Unmade(reason=f'{damaged}; repair it, or say [workspace] mode = "in_place"')
    return Unmade(reason=f"{workspace} is no repository", is_in_place=True)


def _is_everybodys(folder: Path) -> bool:
    try:
        return bool(folder.stat().st_mode & stat.S_IWOTH)
    except OSError:
        return True


async def files_of(path: str, commit: str) -> AbstractSet[str] | None:
    """What a commit holds, by name from the top; None when git cannot tell."""
    said = await git(
        ("ls-tree", "-r", "-z", "--name-only", commit), cwd=path, output_bytes_max=64 * 1024 * 1024
    )
    return {os.fsdecode(name) for name in said.stdout.split(b"\0") if name} if said.is_ok else None


async def is_folder(path: str) -> bool:
    """Whether a folder is there."""
    return await anyio.to_thread.run_sync(os.path.isdir, path, abandon_on_cancel=True)


def is_same_place(one: str, other: str) -> bool:
    """Whether two paths lead to one place."""
    return os.path.realpath(one) == os.path.realpath(other)
