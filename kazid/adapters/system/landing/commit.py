"""The goal's work as a commit on the goal's branch, with only the files that are the goal's in it.

Where the goal's branch is checked out, it is committed there. Elsewhere the commit is made in a work tree of our own,
and the tree it came from is left as it is. The repository's own hooks run; one that changes what was verified is
refused.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio.to_thread

from kazid.adapters.system.git import git
from kazid.adapters.system.landing.repo import Place, Refused, Repo, named, owned, words_of
from kazid.core.delivery import Integration, Plan

COMMIT_DEADLINE_S = 600.0
"""A hook may run a whole test suite."""
_HOOKS = ("pre-commit", "prepare-commit-msg", "commit-msg")
_NAME, _EMAIL = "kazid", "kazid@localhost"


async def committed(repo: Repo, place: Place, plan: Plan, asked: Integration) -> str:
    """The commit that has the work, at the tip of the goal's branch."""
    is_there = place.on_branch == place.branch
    parent = place.head if is_there else await _parent(repo, place, plan)
    changed = await repo.changed(parent, top=place.top)
    is_elsewhere = plan.is_ours or plan.began_in not in ("", place.top)
    foreign = {} if is_elsewhere else {k: v for k, v in plan.foreign.items() if k in changed}
    mine, _, outside = owned(changed, prefix=place.prefix, paths=asked.paths, foreign=foreign)
    if outside:
        raise Refused("out_of_scope", f"changed, and not among the goal's paths: {named(outside)}")
    if not mine:
        if not is_there and parent != await repo.commit(f"refs/heads/{place.branch}"):
            await _move_branch(repo, place, parent)
        return parent
    await _refuse_submodules(repo, parent, mine)
    hooks = await _hooks(repo, place, plan, parent)
    if is_there:
        commit = await _commit(repo, place.top, mine, plan, hooks, is_only=True)
    else:
        commit = await _commit_elsewhere(repo, place, plan, parent, mine, hooks)
    left = [p for p in await repo.changed(commit, top=place.top) if p in set(mine)]
    if left:
        raise Refused("hook_changed_content", f"a hook changed what was verified: {named(left)}")
    if not is_there:
        await _move_branch(repo, place, commit)
    return commit


async def _parent(repo: Repo, place: Place, plan: Plan) -> str:
    """What the commit is made on: the goal's branch where it goes on from the start, else what is checked out."""
    tip = await repo.commit(f"refs/heads/{place.branch}")
    if not tip or await repo.is_ancestor(tip, place.head):
        return place.head
    if await repo.is_ancestor(plan.since or place.head, tip):
        return tip
    raise Refused("branch_exists", f"{place.branch} has commits that this goal did not begin from")


async def _move_branch(repo: Repo, place: Place, commit: str) -> None:
    elsewhere = (await repo.trees()).get(place.branch)
    if elsewhere is not None:
        raise Refused("branch_in_use", f"{place.branch} is checked out in {elsewhere}")
    old = await repo.commit(f"refs/heads/{place.branch}")
    if old and not await repo.is_ancestor(old, commit):
        raise Refused("branch_exists", f"{place.branch} has commits that this goal did not begin from")
    await repo.ask("update-ref", "-m", "kazid: landing", f"refs/heads/{place.branch}", commit, old)


async def _commit_elsewhere(
    repo: Repo, place: Place, plan: Plan, parent: str, mine: Sequence[str], hooks: Sequence[str]
) -> str:
    folder = await fresh_tree(repo, plan, "commit", parent)
    try:
        await anyio.to_thread.run_sync(_copy, place.top, folder, mine)
        return await _commit(repo, folder, mine, plan, hooks, is_only=False)
    finally:
        with anyio.move_on_after(COMMIT_DEADLINE_S, shield=True):
            await drop_tree(repo, folder)


async def _commit(
    repo: Repo, folder: str, mine: Sequence[str], plan: Plan, hooks: Sequence[str], *, is_only: bool
) -> str:
    """Stage exactly these files and commit them."""
    listing, message = Path(plan.scratch, "paths"), Path(plan.scratch, "message")
    listing.write_bytes(b"\0".join(os.fsencode(p) for p in mine))
    message.write_text(f"{plan.title}\n\n{plan.body}\n" if plan.body else f"{plan.title}\n")
    spec = (f"--pathspec-from-file={listing}", "--pathspec-file-nul")
    await repo.ask("--literal-pathspecs", "add", "--all", *spec, cwd=folder)
    only = ("--only", *spec) if is_only else ()
    said = await git(
        ("--literal-pathspecs", *hooks, "commit", "--quiet", "--file", str(message), *only),
        cwd=folder,
        deadline_s=COMMIT_DEADLINE_S,
        env=await identity(repo),
    )
    if not said.is_ok:
        raise Refused("hook_failed" if _has_hook(hooks) else "commit_failed", words_of(said))
    return await repo.text("rev-parse", "HEAD", cwd=folder)


def _has_hook(hooks: Sequence[str]) -> bool:
    """Whether a commit with these words runs any hook."""
    return bool(hooks) and any(os.access(Path(hooks[1].partition("=")[2], name), os.X_OK) for name in _HOOKS)


async def identity(repo: Repo) -> dict[str, str]:
    """The repository's own author; ours where git knows none."""
    said = await git(("var", "GIT_COMMITTER_IDENT"), cwd=repo.tree)
    if said.is_ok:
        return {}
    return {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in (("NAME", _NAME), ("EMAIL", _EMAIL))
    }


async def _hooks(repo: Repo, place: Place, plan: Plan, parent: str) -> tuple[str, ...]:
    """The words that turn the repository's hooks on, where they are as they were when the goal began."""
    folder = await hooks_folder(repo, place)
    inside = _inside(folder, place.top)
    if inside is None:
        return ()
    if not inside.startswith(("..", ".git")):
        touched = [
            p for p in await repo.changed(plan.since or parent, top=place.top) if p.startswith(f"{inside}/")
        ]
        if touched:
            raise Refused("hooks_changed", f"no hook runs that the goal's work changed: {named(touched)}")
    return ("-c", f"core.hooksPath={folder}")


def _inside(folder: str, top: str) -> str | None:
    """Where a folder lies as seen from the top of the tree; None when there is no such folder."""
    return os.path.relpath(folder, top) if os.path.isdir(folder) else None


async def hooks_folder(repo: Repo, place: Place) -> str:
    """Where the repository has its hooks, absolute."""
    # The git function sets it for its own calls, so the repository's file is asked.
    local = await git(("config", "--local", "--type=path", "--get", "core.hooksPath"), cwd=repo.tree)
    asked = local.stdout.decode(errors="replace").strip() if local.is_ok else ""
    common = await repo.text("rev-parse", "--path-format=absolute", "--git-common-dir")
    return _joined(place.top, asked) if asked else _joined(common, "hooks")


def _joined(folder: str, name: str) -> str:
    return os.path.normpath(os.path.join(folder, name))


async def _refuse_submodules(repo: Repo, parent: str, mine: Sequence[str]) -> None:
    said = await repo.text("ls-tree", "-r", "--full-tree", parent)
    links = {line.partition("\t")[2] for line in said.splitlines() if line.startswith("160000 ")}
    touched = [p for p in mine if any(p == link or p.startswith(f"{link}/") for link in links)]
    if touched:
        raise Refused("submodule_changed", f"a submodule's commit is landed by nobody here: {named(touched)}")


async def fresh_tree(repo: Repo, plan: Plan, name: str, commit: str) -> str:
    """A work tree of our own at a commit."""
    folder = os.path.join(plan.scratch, name)
    await drop_tree(repo, folder)
    await repo.ask(
        "worktree", "add", "--quiet", "--force", "--detach", folder, commit, deadline_s=COMMIT_DEADLINE_S
    )
    return folder


async def drop_tree(repo: Repo, folder: str) -> None:
    """Remove a work tree that `fresh_tree` made, now or before a kill."""
    if _is_there(folder):
        await git(("worktree", "remove", "--force", "--force", folder), cwd=repo.tree)
        await anyio.to_thread.run_sync(lambda: shutil.rmtree(folder, ignore_errors=True))


def _is_there(path: str) -> bool:
    return os.path.lexists(path)


def _copy(top: str, folder: str, names: Sequence[str]) -> None:
    """The files as they are, or their absence."""
    for name in names:
        source, target = os.path.join(top, name), os.path.join(folder, name)
        if os.path.lexists(target) and (os.path.islink(target) or not os.path.isdir(target)):
            os.unlink(target)
        if not os.path.lexists(source):
            continue
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy2(source, target, follow_symlinks=False)
