"""Landing, as far as `[integration] mode` says: commit, push, pull request, merge, each only where it is not done yet.

Nothing is merged that is not exactly what was verified: where the base has moved, a tree that is the daemon's own is
rebased and verified again, and anybody else's is left for them to update. After a merge every earlier commit is still
in the base, and every patch of the goal is, too (`git patch-id`), or the landing says which is not.
"""

import anyio

from kazid.adapters.system.git import GitResult, git
from kazid.adapters.system.landing import conflict
from kazid.adapters.system.landing.commit import committed, hooks_folder, identity
from kazid.adapters.system.landing.repo import (
    NETWORK_DEADLINE_S,
    PAUSE_S,
    REMOTE,
    TRIES,
    Place,
    Refused,
    Repo,
    is_passing,
    named,
    words_of,
)
from kazid.core.delivery import Integration, Plan
from kazid.core.landing import MERGE_CONFLICT, REBASED
from kazid.ports.forge import Forge, ForgeFailed

CHECKS_POLL_S = 2.0
CHECKS_NONE_S = 4.0
"""A forge that has said nothing of a commit by then has no checks."""
MERGED_WITHIN_S = 60.0
SETTLED_WITHIN_S = 3.0
"""Of a base that moved and lacks the work: what a forge shows of a merge may lag a moment."""
REBASE_DEADLINE_S = 300.0


async def land(plan: Plan, forge: Forge | None) -> tuple[str, str]:
    """Land it; (what was done, in words). Raises Refused and ForgeFailed."""
    asked = plan.integration
    assert asked is not None, "a landing says how far"
    repo = Repo(plan.tree, scratch=plan.scratch)
    place = await repo.place(branch=asked.branch, base=asked.base)
    if plan.is_ours:
        await conflict.taken_up(repo, place.branch)
        place = await repo.place(branch=asked.branch, base=asked.base)
        if (left := await conflict.unresolved(repo, place)) is not None:
            raise Refused(MERGE_CONFLICT, f"not resolved yet: {named(list(left.files))}", is_passing=True)
    await repo.refuse_unfinished(place)
    if plan.since and not await repo.is_ancestor(plan.since, place.head):
        tip = await repo.commit(f"refs/heads/{place.branch}")
        if not tip or not await repo.is_ancestor(plan.since, tip):
            raise Refused(
                "history_rewritten", f"{plan.since[:12]}, where the goal began, is in the history no more"
            )
    commit = await committed(repo, place, plan, asked)
    if plan.is_ours:
        await conflict.forget(repo)
    if asked.mode == "commit":
        return "committed", f"{commit[:12]} on {place.branch}"
    if not place.has_remote:
        if asked.mode != "merge":
            raise Refused("no_remote", f"there is no remote {REMOTE} to push to")
        return await _merge_here(repo, place, plan, commit)
    if asked.mode != "merge":
        await _push_branch(repo, place, commit)
        if asked.mode == "branch":
            return "pushed", f"{commit[:12]} to {REMOTE} {place.branch}"
        pull = await _forge(forge).open_pull(
            branch=place.branch, base=place.base, title=plan.title, body=plan.body
        )
        return "opened", f"pull request {pull.number} {pull.url}".rstrip()
    return await _merge_there(repo, place, plan, asked, commit, forge)


def _forge(forge: Forge | None) -> Forge:
    if forge is None:
        raise Refused("no_forge", "no forge is configured and gh is not on PATH; see [integration] forge")
    return forge


async def _up_to_date(repo: Repo, place: Place, plan: Plan, commit: str, tip: str) -> str | None:
    """None when the commit goes on from the base's tip; else what was rebased. Refused where nobody here may."""
    if plan.since and not await repo.is_ancestor(plan.since, tip):
        missing = await repo.lost(tip, plan.since)
        if missing:
            detail = (
                f"{len(missing)} commits before the goal began are not in {place.base}: publish them first"
            )
            raise Refused("unpublished_commits", detail)
    if await repo.is_ancestor(tip, commit):
        return None
    if not plan.is_ours:
        many = await repo.text("rev-list", "--count", f"{commit}..{tip}")
        detail = f"{place.base} has {many} commits that this tree does not: update it, and resume"
        raise Refused("base_moved", detail)
    author = await identity(repo)
    await conflict.begin(repo, tip=commit, onto=tip)
    said = await git(
        ("rebase", "--quiet", "--no-autostash", tip),
        cwd=place.top,
        deadline_s=REBASE_DEADLINE_S,
        env=author,
    )
    if said.is_ok:
        await conflict.forget(repo)
        return await repo.commit("HEAD")
    unmerged = ("diff", "--name-only", "--diff-filter=U", "--ignore-submodules=dirty")
    names = (await repo.text(*unmerged, codes=(0, 1))).splitlines()
    await git(("rebase", "--abort"), cwd=place.top)
    await conflict.taken_up(repo, place.branch)
    if not names:
        raise Refused("rebase_failed", words_of(said))
    where = f"with {tip[:12]} of {place.base}"
    files = await conflict.lay_open(repo, place, tip=commit, onto=tip, author=author)
    if files:
        raise Refused(MERGE_CONFLICT, f"{where}, laid open in: {named(list(files))}", is_passing=True)
    raise Refused(MERGE_CONFLICT, f"{where}: {named(names)}")


async def _push_branch(repo: Repo, place: Place, commit: str) -> None:
    """The goal's branch to the remote. Forced only over commits that are this work's own, before a rebase."""
    at = await repo.remote_tip(place.branch)
    if at == commit:
        return
    lease: tuple[str, ...] = ()
    if at and (not await repo.commit(at) or not await repo.is_ancestor(at, commit)):
        is_ours = await repo.commit(at) and (
            await conflict.is_superseded(repo, at) or not await repo.lost(commit, at)
        )
        if not is_ours:
            raise Refused(
                "branch_moved", f"{REMOTE}'s {place.branch} has commits of somebody else, at {at[:12]}"
            )
        lease = (f"--force-with-lease=refs/heads/{place.branch}:{at}",)
    await _push(repo, place, f"{commit}:refs/heads/{place.branch}", *lease)


async def _push(repo: Repo, place: Place, spec: str, *words: str, is_base: bool = False) -> None:
    hooks = f"core.hooksPath={await hooks_folder(repo, place)}"
    said = GitResult(exit_code=None, reason="never called")
    for number in range(TRIES):
        if number:
            await anyio.sleep(PAUSE_S * 2**number)
        said = await git(
            ("-c", hooks, "push", "--quiet", "--no-follow-tags", *words, REMOTE, spec),
            cwd=repo.tree,
            deadline_s=NETWORK_DEADLINE_S,
        )
        if said.is_ok:
            return
        if "[rejected]" in said.stderr or "fetch first" in said.stderr:
            name = "base_moved" if is_base else "push_rejected"
            raise Refused(name, words_of(said), is_passing=is_base)
        if "hook declined" in said.stderr:
            raise Refused("hook_failed", words_of(said))
        if not is_passing(said):
            break
    if "pre-push" in said.stderr or "failed to push some refs" in said.stderr:
        raise Refused("hook_failed", words_of(said))
    raise Refused("push_failed", words_of(said), is_passing=True)


async def _merge_there(
    repo: Repo, place: Place, plan: Plan, asked: Integration, commit: str, forge: Forge | None
) -> tuple[str, str]:
    """Onto the remote's base, by the forge, or by a plain push where there is none to ask."""
    tip = await repo.fetched(place)
    if await repo.holds(tip, commit):
        await _settle(repo, place, tip)
        return "merged", f"{place.base} has it already, at {tip[:12]}"
    moved = await _up_to_date(repo, place, plan, commit, tip)
    if moved is not None:
        return REBASED, f"onto {tip[:12]} of {place.base}: it is verified there before it is merged"
    if asked.forge.kind == "none":
        await _push(repo, place, f"{commit}:refs/heads/{place.base}", is_base=True)
        after = await repo.fetched(place)
        await _prove(repo, place, before=tip, after=after, commit=commit)
        await _settle(repo, place, after)
        return "merged", f"{commit[:12]} is {place.base}"
    hub = _forge(forge)
    await _push_branch(repo, place, commit)
    pull = await hub.open_pull(branch=place.branch, base=place.base, title=plan.title, body=plan.body)
    await _await_checks(hub, commit, within_s=asked.checks_timeout_s)
    failed: ForgeFailed | None = None
    try:
        await hub.merge(pull.number, head=commit)
    except ForgeFailed as why:
        failed = why
    if failed is not None:
        if await repo.fetched(place) == tip:
            raise failed
        raise Refused(
            "base_moved", f"{place.base} moved meanwhile: {failed.detail}", is_passing=True
        ) from failed
    after, began_s = await repo.fetched(place), anyio.current_time()
    while not await repo.holds(after, commit):
        waited_s = anyio.current_time() - began_s
        if waited_s > (MERGED_WITHIN_S if after == tip else SETTLED_WITHIN_S):
            break
        await anyio.sleep(PAUSE_S)
        after = await repo.fetched(place)
    await _prove(repo, place, before=tip, after=after, commit=commit)
    await _settle(repo, place, after)
    return "merged", f"pull request {pull.number} as {after[:12]} of {place.base}"


async def _await_checks(forge: Forge, commit: str, *, within_s: float) -> None:
    """Wait for what the forge says of the commit. No check at all is waited for, too, for a moment."""
    started_s = anyio.current_time()
    while True:
        checks = await forge.checks(commit)
        waited_s = anyio.current_time() - started_s
        if checks.failed:
            raise Refused("checks_failed", named(list(checks.failed)))
        is_silent = not (checks.pending or checks.passed)
        if not checks.pending and not (is_silent and waited_s < CHECKS_NONE_S):
            return
        if waited_s > within_s:
            raise Refused("checks_timeout", f"not ended after {within_s:g} s: {named(list(checks.pending))}")
        await anyio.sleep(CHECKS_POLL_S)


async def _merge_here(repo: Repo, place: Place, plan: Plan, commit: str) -> tuple[str, str]:
    """Without a remote the base is a branch of this repository, and it goes forward to the commit, or not at all."""
    tip = await repo.fetched(place)
    if tip == commit or await repo.holds(tip, commit):
        await _settle(repo, place, tip)
        return "merged", f"{place.base} has it already, at {tip[:12]}"
    moved = await _up_to_date(repo, place, plan, commit, tip)
    if moved is not None:
        return REBASED, f"onto {tip[:12]} of {place.base}: it is verified there before it is merged"
    where = (await repo.trees()).get(place.base)
    if where is None:
        await repo.ask("update-ref", "-m", "kazid: landing", f"refs/heads/{place.base}", commit, tip)
    elif place.on_branch == place.base:
        await _settle(repo, place, commit)
    else:
        # A merge that only goes forward refuses to touch a file that has work in it.
        said = await git(("merge", "--ff-only", "--quiet", commit), cwd=where, deadline_s=REBASE_DEADLINE_S)
        if not said.is_ok:
            raise Refused("dirty_base", f"{place.base} is checked out in {where}: {words_of(said)}")
    after = await repo.commit(f"refs/heads/{place.base}")
    await _prove(repo, place, before=tip, after=after, commit=commit)
    return "merged", f"{commit[:12]} is {place.base}"


async def _prove(repo: Repo, place: Place, *, before: str, after: str, commit: str) -> None:
    """Nothing that was in the base before is gone from it, and no patch of the goal was dropped on the way."""
    if not await repo.is_ancestor(before, after):
        raise Refused(
            "history_rewritten", f"{place.base} was {before[:12]}, which {after[:12]} does not have"
        )
    lost = await repo.lost(after, commit)
    if lost and not await repo.holds(after, commit):
        raise Refused("patch_lost", f"{place.base} is {after[:12]} and lacks the patch of {lost[0][:12]}")


async def _settle(repo: Repo, place: Place, tip: str) -> None:
    """Let a tree that has the base checked out know that its files are the base's now; no file is touched.

    Only where every file that the base changed has its content there already: then nothing but git's own notes moves.
    """
    if place.on_branch != place.base or not await repo.is_ancestor(place.head, tip) or place.head == tip:
        return
    names = (await repo.ask("diff", "--name-only", "-z", "--no-renames", place.head, tip)).stdout
    paths = {p.decode(errors="surrogateescape") for p in names.split(b"\0") if p}
    if paths & (await repo.changed(tip, top=place.top)).keys():
        return
    await repo.ask("update-ref", "-m", "kazid: landed", f"refs/heads/{place.base}", tip, place.head)
    if paths:
        await repo.ask("--literal-pathspecs", "add", "--all", "--", *sorted(paths), cwd=place.top)
