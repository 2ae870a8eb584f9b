"""A conflict with a base that moved, laid open in a tree of the daemon's own so that an agent can resolve it.

The goal's work is put onto the newer base as files that are not committed, with git's marks where both changed the same
lines; what it was before stays under refs/kazi/superseded/. A note beside the tree's HEAD says what is going on, so
that a landing cut off at any point is taken up again, and so that nothing with a mark in it is ever landed.
Only text that both sides have is laid open; what else collides is for a person.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.adapters.system.git import git
from kazid.adapters.system.landing.repo import REMOTE, Place, Repo
from kazid.shim.redaction import redact

_NOTE = "kazid-conflict"
_MARKS = (b"<<<<<<< ", b">>>>>>> ")
_DEADLINE_S = 300.0
SHOWN_CHARS_MAX = 6000


class Conflict(msgspec.Struct, frozen=True, kw_only=True):
    """The work at `tip` is being put onto `onto`. `files`: what is laid open; none while that is under way."""

    tip: str
    onto: str
    files: Sequence[str] = ()


async def begin(repo: Repo, *, tip: str, onto: str) -> None:
    """Note durably that the tree is about to be moved."""
    await _write(repo, Conflict(tip=tip, onto=onto))


async def forget(repo: Repo) -> None:
    """It is moved, or as it was."""
    path = await _path(repo)
    await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))


async def taken_up(repo: Repo, branch: str) -> None:
    """Put a tree back that a kill left halfway onto a newer base. One that got there is left as it is."""
    found = await _read(repo)
    if found is None or found.files:
        return
    if await repo.commit(f"refs/heads/{branch}") == found.tip:
        await git(("rebase", "--quit"), cwd=repo.tree)
        await repo.ask("checkout", "--quiet", "--force", branch, deadline_s=_DEADLINE_S)
    await forget(repo)


async def lay_open(
    repo: Repo, place: Place, *, tip: str, onto: str, author: Mapping[str, str]
) -> Sequence[str]:
    """The files that hold marks now; none where it cannot be laid open, and then the tree is as it was.

    The branch moves last: until then `taken_up` finds the way back.
    """
    await begin(repo, tip=tip, onto=onto)
    for commit in {tip, await _ours_there(repo, place, tip)} - {""}:
        await repo.ask("update-ref", f"refs/kazi/superseded/{commit}", commit)
    await repo.ask("checkout", "--quiet", "--force", "--detach", onto, cwd=place.top, deadline_s=_DEADLINE_S)
    style = ("-c", "merge.conflictStyle=merge")
    words = (*style, "merge", "--squash", "--quiet", tip)
    await git(words, cwd=place.top, deadline_s=_DEADLINE_S, env=author)
    files = await _collisions(repo, place)
    if not files:
        await repo.ask("checkout", "--quiet", "--force", place.branch, cwd=place.top, deadline_s=_DEADLINE_S)
        await forget(repo)
        return ()
    await repo.ask("read-tree", onto, cwd=place.top)
    await _write(repo, Conflict(tip=tip, onto=onto, files=files))
    await repo.ask("update-ref", "-m", "kazid: onto a newer base", f"refs/heads/{place.branch}", onto, tip)
    await repo.ask("symbolic-ref", "HEAD", f"refs/heads/{place.branch}", cwd=place.top)
    return files


async def unresolved(repo: Repo, place: Place) -> Conflict | None:
    """What is laid open and still holds marks, by those files; None when nothing does."""
    found = await _read(repo)
    if found is None:
        return None
    left = [name for name in found.files if await anyio.to_thread.run_sync(_is_marked, place.top, name)]
    return msgspec.structs.replace(found, files=left) if left else None


async def shown(repo: Repo, place: Place, conflict: Conflict) -> str:
    """What an agent needs to see of it: how the files differ from the newer base, marks and all."""
    said = await repo.ask(
        "--literal-pathspecs",
        "diff",
        "--no-ext-diff",
        "--ignore-submodules=dirty",
        conflict.onto,
        "--",
        *conflict.files,
        cwd=place.top,
    )
    return redact(said.stdout.decode(errors="replace"))[:SHOWN_CHARS_MAX]


async def is_superseded(repo: Repo, commit: str) -> bool:
    """Whether this was the goal's work once, before it was put onto a newer base."""
    return await repo.commit(f"refs/kazi/superseded/{commit}") == commit


async def _ours_there(repo: Repo, place: Place, tip: str) -> str:
    """What the remote's branch of the goal is at, where that is this work."""
    at = await repo.remote_tip(place.branch) if place.has_remote else ""
    if not at or not await repo.commit(at):
        return ""
    is_ours = await repo.is_ancestor(at, tip) or not await repo.lost(tip, at) or await is_superseded(repo, at)
    return at if is_ours else ""


async def _collisions(repo: Repo, place: Place) -> list[str]:
    """Unmerged files, where every one of them is text that both sides have and git left its marks in."""
    listed = (await repo.ask("ls-files", "--unmerged", "-z", cwd=place.top)).stdout
    stages: dict[str, set[str]] = {}
    for entry in listed.split(b"\0"):
        if entry:
            meta, _, raw = entry.partition(b"\t")
            stages.setdefault(os.fsdecode(raw), set()).add(meta.decode().rpartition(" ")[2])
    for name, found in stages.items():
        if not found >= {"2", "3"} or not await anyio.to_thread.run_sync(_is_marked, place.top, name):
            return []
    return sorted(stages)


def _is_marked(top: str, name: str) -> bool:
    path = Path(top, name)
    if path.is_symlink() or not path.is_file():
        return False
    return any(line.startswith(_MARKS) for line in path.read_bytes().split(b"\n"))


async def _path(repo: Repo) -> Path:
    return Path(await repo.text("rev-parse", "--path-format=absolute", "--git-path", _NOTE))


async def _read(repo: Repo) -> Conflict | None:
    path = await _path(repo)
    try:
        text = await anyio.to_thread.run_sync(path.read_bytes)
        return msgspec.json.decode(text, type=Conflict)
    except (OSError, msgspec.DecodeError):
        return None


async def _write(repo: Repo, conflict: Conflict) -> None:
    path = await _path(repo)
    draft = path.with_name(f"{_NOTE}.part")
    await anyio.to_thread.run_sync(draft.write_bytes, msgspec.json.encode(conflict))
    await anyio.to_thread.run_sync(draft.replace, path)


def named_remote(place: Place) -> str:
    """The base, as a person would say it."""
    return f"{REMOTE}/{place.base}" if place.has_remote else place.base
