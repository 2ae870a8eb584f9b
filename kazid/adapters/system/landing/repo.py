"""Questions to one repository, and what they mean for a landing: where HEAD is, what the base is, what is landed.

Every answer that stands in the way is a `Refused` with a name of one word. Nothing here changes anything but what git
knows of the remote's base.
"""

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import msgspec

from kazid.adapters.system.git import GitResult, git
from kazid.adapters.system.repository import SystemRepositories
from kazid.adapters.system.workspace import SystemWorkspaces
from kazid.core.patterns import is_named

REMOTE = "origin"
NETWORK_DEADLINE_S = 120.0
TRIES = 3
PAUSE_S = 0.5
NAMED_MAX = 5
_UNFINISHED = ("MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "rebase-merge", "rebase-apply")
_PASSING = re.compile(
    r"could not resolve|timed out|connection|no route|early eof|hung up|temporarily|cannot lock ref|\.lock'"
    r"|unable to access",
    re.IGNORECASE,
)


class Refused(Exception):
    """The landing ends here. Retrying helps only where it `is_passing`."""

    def __init__(self, name: str, detail: str, *, is_passing: bool = False) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail
        self.is_passing = is_passing


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a work tree stands."""

    top: str
    prefix: str
    """The folder of the goal below `top`, with a slash at its end; empty: all of it."""
    head: str
    on_branch: str | None
    branch: str
    """The goal's own."""
    base: str
    has_remote: bool


class Repo:
    """One work tree, asked and ordered through the git function."""

    def __init__(self, tree: str, *, scratch: str) -> None:
        self.tree = tree
        self._repositories = SystemRepositories(SystemWorkspaces(), scratch=Path(scratch, "looks"))

    async def ask(
        self,
        *args: str,
        codes: Sequence[int] = (0,),
        deadline_s: float = 30.0,
        env: Mapping[str, str] | None = None,
        cwd: str | None = None,
    ) -> GitResult:
        """What git says; Refused where it is none of these codes."""
        said = await git(args, cwd=cwd or self.tree, deadline_s=deadline_s, env=env)
        if said.exit_code not in codes or said.truncated:
            verb = next((a for a in args if not a.startswith("-") and "=" not in a), "git")
            raise Refused(f"{verb}_failed".replace("-", "_"), words_of(said), is_passing=is_passing(said))
        return said

    async def text(self, *args: str, codes: Sequence[int] = (0,), cwd: str | None = None) -> str:
        """Its answer on one line, stripped; empty where the exit code was another of `codes` than 0."""
        said = await self.ask(*args, codes=codes, cwd=cwd)
        return os.fsdecode(said.stdout).strip() if said.exit_code == 0 else ""

    async def commit(self, ref: str) -> str:
        """The commit of a ref; empty where there is none."""
        return await self.text(
            "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}", codes=(0, 1, 128)
        )

    async def is_ancestor(self, older: str, newer: str) -> bool:
        """True when the newer one's history has the older one."""
        said = await self.ask("merge-base", "--is-ancestor", older, newer, codes=(0, 1, 128))
        return said.exit_code == 0

    async def place(self, *, branch: str, base: str | None) -> Place:
        """Where this tree stands; Refused by name where nothing can be landed from it."""
        said = await git(("rev-parse", "--is-bare-repository", "--is-inside-work-tree"), cwd=self.tree)
        words = said.stdout.decode(errors="replace").split()
        if not said.is_ok:
            raise Refused("no_repository", words_of(said))
        if words[0] == "true" or words[1] != "true":
            raise Refused("bare_repository", f"{self.tree} is a repository without a work tree")
        top, prefix = (await self.text("rev-parse", "--show-toplevel", "--show-prefix")).partition("\n")[::2]
        head = await self.commit("HEAD")
        if not head:
            raise Refused("no_commit", "the repository has no commit to begin from")
        on_branch = await self.text("symbolic-ref", "--short", "--quiet", "HEAD", codes=(0, 1)) or None
        has_remote = REMOTE in (await self.text("remote")).split()
        if not await self._is_branch_name(branch):
            raise Refused("no_such_branch", f"{branch!r} is no name of a branch")
        return Place(
            top=top,
            prefix=prefix.strip(),
            head=head,
            on_branch=on_branch,
            branch=branch,
            base=base or await self._base(on_branch, branch, has_remote=has_remote),
            has_remote=has_remote,
        )

    async def refuse_unfinished(self, place: Place) -> None:
        """A merge or a rebase that somebody left halfway is theirs to end; so is a HEAD on no branch."""
        for name in _UNFINISHED:
            path = await self.text("rev-parse", "--git-path", name)
            if Path(place.top if place.prefix == "" else self.tree, path).exists():
                raise Refused("unfinished_operation", f"{name} is there: a merge or rebase was not ended")
        if place.on_branch is None:
            raise Refused("detached_head", f"HEAD is on no branch, at {place.head[:12]}: check one out")

    async def changed(self, against: str, *, top: str) -> Mapping[str, str]:
        """What the files hold that differs from a commit, by path below `top`."""
        changed = await self._repositories.changed(top, against)
        if changed is None:
            raise Refused(
                "too_many_changes", f"what differs from {against[:12]} cannot be told, or is too much"
            )
        return changed

    async def fetched(self, place: Place) -> str:
        """The base's commit, asked of the remote where there is one."""
        if not place.has_remote:
            tip = await self.commit(f"refs/heads/{place.base}")
            if not tip:
                raise Refused("no_base", f"there is no branch {place.base}")
            return tip
        spec = f"+refs/heads/{place.base}:refs/remotes/{REMOTE}/{place.base}"
        args = (
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-write-fetch-head",
            "--no-recurse-submodules",
            REMOTE,
            spec,
        )
        said = await self.tried(*args)
        if not said.is_ok and "find remote ref" in said.stderr:
            raise Refused("no_base", f"{REMOTE} has no branch {place.base}")
        if not said.is_ok:
            raise Refused("fetch_failed", words_of(said), is_passing=True)
        return await self.commit(f"refs/remotes/{REMOTE}/{place.base}")

    async def tried(self, *args: str) -> GitResult:
        """A call over the network, again where it failed in passing."""
        said = GitResult(exit_code=None, reason="never called")
        for number in range(TRIES):
            if number:
                await anyio.sleep(PAUSE_S * 2**number)
            said = await git(args, cwd=self.tree, deadline_s=NETWORK_DEADLINE_S)
            if said.is_ok or not is_passing(said):
                return said
        return said

    async def remote_tip(self, branch: str) -> str:
        """The commit of a branch at the remote now; empty where it has none."""
        said = await self.tried("ls-remote", REMOTE, f"refs/heads/{branch}")
        if not said.is_ok:
            raise Refused("remote_unreachable", words_of(said), is_passing=True)
        return said.stdout.decode(errors="replace").split("\t")[0].strip()

    async def lost(self, tip: str, commit: str) -> tuple[str, ...]:
        """Commits whose patch the tip does not have; patches are compared, not ids (`git patch-id`)."""
        said = await self.text("cherry", tip, commit)
        return tuple(line[2:] for line in said.splitlines() if line.startswith("+ "))

    async def holds(self, tip: str, commit: str) -> bool:
        """True when the tip has all that the commit did: patch by patch, or as one in its final content."""
        if not await self.lost(tip, commit):
            return True
        start = await self.text("merge-base", tip, commit, codes=(0, 1))
        if not start:
            return False
        names = (await self.ask("diff", "--name-only", "-z", "--no-renames", start, commit)).stdout
        paths = [os.fsdecode(p) for p in names.split(b"\0") if p]
        if not paths:
            return True
        said = await self.ask(
            "--literal-pathspecs", "diff", "--quiet", "--no-renames", commit, tip, "--", *paths, codes=(0, 1)
        )
        return said.exit_code == 0

    async def trees(self) -> dict[str, str]:
        """The work tree in which each branch is checked out."""
        found: dict[str, str] = {}
        path = ""
        for line in (await self.text("worktree", "list", "--porcelain")).splitlines():
            word, _, rest = line.partition(" ")
            if word == "worktree":
                path = rest
            elif word == "branch":
                found[rest.removeprefix("refs/heads/")] = path
        return found

    async def _is_branch_name(self, name: str) -> bool:
        said = await self.ask("check-ref-format", "--branch", name, codes=(0, 1, 128))
        return said.exit_code == 0

    async def _base(self, on_branch: str | None, branch: str, *, has_remote: bool) -> str:
        """The remote's own branch; without a remote the one that is checked out, or main, or master."""
        if has_remote:
            known = await self.text(
                "symbolic-ref", "--short", "--quiet", f"refs/remotes/{REMOTE}/HEAD", codes=(0, 1)
            )
            if known:
                return known.removeprefix(f"{REMOTE}/")
            said = await self.tried("ls-remote", "--symref", REMOTE, "HEAD")
            for line in said.stdout.decode(errors="replace").splitlines():
                if line.startswith("ref: refs/heads/"):
                    return line.removeprefix("ref: refs/heads/").partition("\t")[0]
        for name in (on_branch if on_branch != branch else None, "main", "master"):
            if name and (has_remote or await self.commit(f"refs/heads/{name}")):
                return name
        raise Refused("no_base", "nothing says which branch it lands on: write [integration] base")


def owned(
    changed: Mapping[str, str], *, prefix: str, paths: Sequence[str], foreign: Mapping[str, str]
) -> tuple[list[str], list[str], list[str]]:
    """The changed files as (the goal's, somebody else's from before, left out of its paths), each sorted.

    Refused where the goal changed what was uncommitted already: the two cannot be told apart.
    """
    mine: list[str] = []
    others: list[str] = []
    outside: list[str] = []
    for name, token in sorted(changed.items()):
        if not name.startswith(prefix):
            continue
        is_mine = not paths or any(is_named(name[len(prefix) :], p) for p in paths)
        if name in foreign:
            if foreign[name] != token or is_mine:
                was = "changed since" if foreign[name] != token else "not the goal's"
                detail = (
                    f"{name} had uncommitted work before the goal began, and is {was}: commit or stash it"
                )
                raise Refused("dirty_base", detail)
            others.append(name)
        elif is_mine:
            mine.append(name)
        else:
            outside.append(name)
    return mine, others, outside


def named(paths: Sequence[str]) -> str:
    """The first of them, and how many more."""
    more = len(paths) - NAMED_MAX
    return ", ".join(paths[:NAMED_MAX]) + (f" and {more} more" if more > 0 else "")


def words_of(said: GitResult) -> str:
    """The last lines git said, or why it ended."""
    lines = [line.strip() for line in said.stderr.splitlines() if line.strip()]
    lines = [line for line in lines if not line.startswith("hint:")]
    return said.reason or "; ".join(lines[-4:])[:600] or f"exit {said.exit_code}"


def is_passing(said: GitResult) -> bool:
    """Whether a later try may go another way: no answer, a lock, the network."""
    return said.exit_code is None or _PASSING.search(said.stderr) is not None
