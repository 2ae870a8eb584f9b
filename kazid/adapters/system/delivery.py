"""Writing a verified change into the tree that a user works in: all of it or nothing, and never over their work.

File by file: what is there already is left, what is as it was at the base becomes what it is after, and what the user
changed meanwhile is merged where git can merge it line by line. All is decided before anything is written, each file
is put in place by a rename, and asked again after a kill the rest is written. Index and HEAD are not touched.
"""

import contextlib
import os
import secrets
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.adapters.system.file_times import later_second
from kazid.adapters.system.git import git

CONFLICTS_NAMED_MAX = 5
_LINK = "120000"
_ABSENT = ("", "")


class _Write(msgspec.Struct, frozen=True):
    """What becomes of one file: None is deleted."""

    name: str
    mode: str
    content: bytes | None


class Refused(msgspec.Struct, frozen=True):
    """Why nothing was written, and which files collided, where that is why."""

    reason: str
    collisions: Sequence[str] = ()


async def deliver(top: str, *, base: str, after: str, files: Sequence[str]) -> Refused | None:
    """Write these files of `after` into the tree at `top`; the reason when nothing was written."""
    then, now_wanted = await _entries(top, base, files), await _entries(top, after, files)
    if then is None or now_wanted is None:
        return Refused("the change cannot be read")
    writes: list[_Write] = []
    conflicts: list[str] = []
    for name in files:
        old, new = then.get(name, _ABSENT), now_wanted.get(name, _ABSENT)
        here = await _here(top, name)
        if here == new:
            continue
        if here == old:
            content = None if new == _ABSENT else await _content(top, after, name)
            if new != _ABSENT and content is None:
                return Refused(f"{name} cannot be read")
            writes.append(_Write(name, new[0], content))
            continue
        merged = await _merged(top, name, base=base, after=after) if _are_files(old, new, here) else None
        if merged is None:
            conflicts.append(name)
        else:
            writes.append(_Write(name, new[0], merged))
    if conflicts:
        more = len(conflicts) - CONFLICTS_NAMED_MAX
        named = ", ".join(conflicts[:CONFLICTS_NAMED_MAX]) + (f" and {more} more" if more > 0 else "")
        return Refused(f"the workspace was changed meanwhile where the change is: {named}", tuple(conflicts))
    await later_second(top, [w.name for w in writes])
    try:
        for write in sorted(writes, key=lambda w: w.content is not None):  # what goes, goes first
            await anyio.to_thread.run_sync(_put, top, write)
    except OSError as error:
        return Refused(f"{error.filename}: {error.strerror}")
    return None


def _are_files(*entries: tuple[str, str]) -> bool:
    return all(mode and mode != _LINK for mode, _ in entries)


async def _entries(top: str, commit: str, files: Sequence[str]) -> dict[str, tuple[str, str]] | None:
    """(mode, blob) by name."""
    said = await git(("ls-tree", "-r", "-z", commit), cwd=top, output_bytes_max=64 * 1024 * 1024)
    if not said.is_ok:
        return None
    wanted = set(files)
    found: dict[str, tuple[str, str]] = {}
    for line in said.stdout.split(b"\0"):
        if line:
            meta, _, raw = line.partition(b"\t")
            name = os.fsdecode(raw)
            if name in wanted:
                mode, _, blob = meta.decode().split(" ")
                found[name] = (mode, blob)
    return found


async def _here(top: str, name: str) -> tuple[str, str]:
    """(mode, blob) of what lies there now, as git would store it. A folder on the way that is a link is a conflict."""
    path = os.path.join(top, name)
    kind, mode, link = await anyio.to_thread.run_sync(_look, top, name)
    if kind == "file":
        said = await git(("hash-object", f"--path={name}", "--", path), cwd=top)
        return (mode, said.stdout.decode().strip())
    if kind != "link":
        return (mode, "") if kind == "absent" else (kind, name)
    with tempfile.NamedTemporaryFile() as text:
        text.write(link)
        text.flush()
        said = await git(("hash-object", "--no-filters", text.name), cwd=top)
    return (_LINK, said.stdout.decode().strip())


def _look(top: str, name: str) -> tuple[str, str, bytes]:
    """(kind, mode, where a link leads)."""
    parts = Path(name).parts
    if any(os.path.islink(os.path.join(top, *parts[:depth])) for depth in range(1, len(parts))):
        return ("beyond a link", "", b"")
    try:
        found = os.lstat(os.path.join(top, name))
    except (FileNotFoundError, NotADirectoryError):
        return ("absent", "", b"")
    if stat.S_ISLNK(found.st_mode):
        return ("link", _LINK, os.fsencode(os.readlink(os.path.join(top, name))))
    if not stat.S_ISREG(found.st_mode):
        return ("folder", "", b"")
    return ("file", "100755" if found.st_mode & 0o100 else "100644", b"")


async def _content(top: str, commit: str, name: str) -> bytes | None:
    """A file as it would be checked out."""
    said = await git(
        ("cat-file", "--filters", f"{commit}:{name}"), cwd=top, output_bytes_max=256 * 1024 * 1024
    )
    return said.stdout if said.is_ok else None


async def _merged(top: str, name: str, *, base: str, after: str) -> bytes | None:
    """The user's file with the change merged in; None where lines of both collide."""
    old, new = await _content(top, base, name), await _content(top, after, name)
    if old is None or new is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        for part, content in (("old", old), ("new", new)):
            await anyio.to_thread.run_sync(Path(folder, part).write_bytes, content)
        said = await git(
            ("merge-file", "-p", os.path.join(top, name), os.path.join(folder, "old"), os.path.join(folder, "new")),
            cwd=top, output_bytes_max=256 * 1024 * 1024,
        )  # fmt: skip
    return said.stdout if said.is_ok else None


def _put(top: str, write: _Write) -> None:
    """One file, by a rename. Folders that end empty go with what was in them."""
    target = Path(top, write.name)
    if write.content is None:
        target.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            for above in [p for p in target.parents if p.is_relative_to(top) and p != Path(top)]:
                above.rmdir()
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{target.name[:200]}.kazid-{secrets.token_hex(4)}")
    try:
        if write.mode == _LINK:
            draft.symlink_to(os.fsdecode(write.content))
        else:
            draft.write_bytes(write.content)
            usual = target.stat().st_mode & 0o777 if target.is_file() else 0o666 & ~_umask()
            draft.chmod(usual | 0o111 & (usual >> 2) if write.mode == "100755" else usual & ~0o111)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)


def _umask() -> int:
    """New files of a user's tree are as their own tools would make them; the daemon's own mask is for its state."""
    return 0o022
