"""The Repositories port for the system's git: content compared file by file, checkouts as shared clones.

A clone borrows the objects of the repository and copies none of its config, hooks or filters, so a checkout is cheap
and runs nothing. What was changed is found as the tree hash finds it (`workspace.py`): by content, whatever git was
told not to look at. Checkouts lie below one scratch folder, which is swept at start.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import anyio.to_thread

from kazid.adapters.system.git import GitResult, git
from kazid.adapters.system.workspace import LISTING_BYTES_MAX, SystemWorkspaces
from kazid.core.patterns import is_named
from kazid.ports.repository import ABSENT, Checkout

CHECKOUT_DEADLINE_S = 60.0
CHANGED_MAX = 5000
"""Files that differ from the base. Beyond this it is another tree and not a candidate."""
SWEEP_DEADLINE_S = 30.0

_NAME_CHARS = 16
_GITLINK = "160000 "


class SystemRepositories:
    """git, as the user that runs kazid."""

    def __init__(self, workspaces: SystemWorkspaces, *, scratch: Path) -> None:
        self._workspaces = workspaces
        self._scratch = scratch

    async def commit(self, path: str, ref: str = "HEAD") -> str | None:
        """The full id of a commit."""
        found = await git(
            ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"), cwd=path
        )
        return found.stdout.decode().strip() or None if found.is_ok else None

    async def changed(self, path: str, base: str | None) -> Mapping[str, str] | None:
        """Tokens of what differs from the base; of all files where there is none."""
        now = await self._workspaces.tokens(path)
        if now is None:
            return None
        if base is None:
            return now
        then = await self._tokens_at(path, base)
        if then is None:
            return None
        differing = {name: token for name, token in now.items() if then.get(name) != token}
        differing |= {
            name: ABSENT for name in then if name not in now and not then[name].startswith(_GITLINK)
        }
        return differing if len(differing) <= CHANGED_MAX else None

    @asynccontextmanager
    async def candidate(
        self, path: str, *, base: str, pinned: Sequence[str], name: str
    ) -> AsyncGenerator[Checkout]:
        """A shared clone at the base, the changed files copied over it."""
        folder = self._scratch / hashlib.sha256(name.encode()).hexdigest()[:_NAME_CHARS]
        try:
            made = Checkout(folder=None, reason=f"no checkout within {CHECKOUT_DEADLINE_S:g} s")
            with anyio.move_on_after(CHECKOUT_DEADLINE_S):
                made = await self._make(path, folder, base=base, pinned=pinned)
            yield made
        finally:
            with anyio.move_on_after(SWEEP_DEADLINE_S, shield=True):
                await anyio.to_thread.run_sync(_remove, folder, abandon_on_cancel=True)

    async def sweep(self) -> None:
        """Remove what a killed daemon left."""
        with anyio.move_on_after(SWEEP_DEADLINE_S):
            await anyio.to_thread.run_sync(_remove, self._scratch, abandon_on_cancel=True)

    async def _make(self, path: str, folder: Path, *, base: str, pinned: Sequence[str]) -> Checkout:
        places = await git(("rev-parse", "--show-toplevel", "--show-prefix"), cwd=path)
        if not places.is_ok:
            return Checkout(folder=None, reason=_why("no repository", places))
        top, prefix = os.fsdecode(places.stdout).split("\n")[:2]
        changed = await self.changed(top, base)
        if changed is None:
            return Checkout(
                folder=None, reason=f"what differs from {base[:12]} cannot be told, or is too much"
            )
        await anyio.to_thread.run_sync(_prepare, folder, abandon_on_cancel=True)
        for args, cwd in (
            (
                (
                    "clone",
                    "--quiet",
                    "--shared",
                    "--no-checkout",
                    "--no-tags",
                    "--template=",
                    top,
                    str(folder),
                ),
                top,
            ),
            (("checkout", "--quiet", "--detach", "--force", base), str(folder)),
        ):
            done = await git(args, cwd=cwd, deadline_s=CHECKOUT_DEADLINE_S)
            if not done.is_ok:
                return Checkout(folder=None, reason=_why(f"git {args[0]} failed", done))
        kept = sorted(name for name in changed if any(is_named(name.removeprefix(prefix), p) for p in pinned))
        try:
            await anyio.to_thread.run_sync(
                partial(_lay_over, top, folder, {n: t for n, t in changed.items() if n not in set(kept)}),
                abandon_on_cancel=True,
            )
        except OSError as error:
            return Checkout(folder=None, reason=f"{error.filename}: {error.strerror}")
        here = tuple(name.removeprefix(prefix) for name in kept)
        return Checkout(folder=os.path.join(folder, prefix).rstrip("/"), pinned=here)

    async def _tokens_at(self, path: str, base: str) -> dict[str, str] | None:
        """Tokens of a commit's files below a folder, relative to it."""
        listing = await git(
            ("ls-tree", "-r", "-z", "--end-of-options", base), cwd=path, output_bytes_max=LISTING_BYTES_MAX
        )
        if not listing.is_ok:
            return None
        tokens: dict[str, str] = {}
        for line in listing.stdout.split(b"\0"):
            if line:
                mode_kind_id, _, name = line.partition(b"\t")
                mode, _, blob = mode_kind_id.decode().split(" ")
                tokens[os.fsdecode(name)] = f"{mode} {blob}"
        return tokens


def _prepare(folder: Path) -> None:
    _remove(folder)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)


def _remove(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def _lay_over(top: str, folder: Path, changed: Mapping[str, str]) -> None:
    """Copy each changed file, and take away what was deleted. Links are copied as links. Raises OSError."""
    for name, token in sorted(changed.items(), key=lambda item: item[1] != ABSENT):  # what goes, goes first
        target = folder / name
        source = os.path.join(top, name)
        if any(above.is_symlink() for above in target.parents if folder in above.parents):
            continue  # a link that is pinned leads out of the checkout: nothing is written through it
        if token == ABSENT or not os.path.lexists(source):
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                target.unlink()
        elif os.path.islink(source) or os.path.isfile(source):
            target.parent.mkdir(parents=True, exist_ok=True)
            if _is_cleared(target):
                shutil.copy2(source, target, follow_symlinks=False)


def _is_cleared(target: Path) -> bool:
    """Make room for a file. False where a folder with something pinned in it stays."""
    if target.is_dir() and not target.is_symlink():
        for inner, _, _ in os.walk(target, topdown=False):
            with contextlib.suppress(OSError):
                os.rmdir(inner)
        return not target.exists()
    target.unlink(missing_ok=True)
    return True


def _why(what: str, result: GitResult) -> str:
    return f"{what}: {(result.reason or result.stderr).strip()[:500] or 'it says nothing'}"
