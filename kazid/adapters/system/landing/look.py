"""What a landing looks like from outside: the verdict of `landed`, and the commit that is to serve. Changes nothing."""

from collections.abc import Mapping

import msgspec

from kazid.adapters.system.landing import conflict
from kazid.adapters.system.landing.repo import REMOTE, Place, Refused, Repo, named, owned
from kazid.core.delivery import Integration, Looked, Plan
from kazid.core.json import Json
from kazid.core.landing import MERGE_CONFLICT
from kazid.ports.forge import Forge, ForgeFailed

SHOWN_MAX = 20
_NOWHERE = frozenset({"bare_repository", "no_repository", "no_such_branch", "no_base", "too_many_changes"})


async def look(plan: Plan, forge: Forge | None) -> Looked:
    """Is all that the goal did where `[integration]` says?"""
    repo = Repo(plan.tree, scratch=plan.scratch)
    asked = plan.integration
    try:
        if asked is None:
            head = await repo.commit("HEAD")
            found = Looked(status="pass", commit=head) if head else _error("no_commit", "no commit to deploy")
            result = head
        else:
            place = await repo.place(branch=asked.branch, base=asked.base)
            found = await _look(repo, place, plan, asked, forge)
            result = await result_of(repo, place)
        if not plan.serving or not result:
            return found
        return msgspec.structs.replace(found, serves=await _serves(repo, plan.serving, result))
    except Refused as why:
        status = "error" if why.is_passing or why.name in _NOWHERE else "fail"
        return Looked(status=status, reason=why.name, detail=why.detail)
    except ForgeFailed as why:
        return _error(why.reason, why.detail)


async def result_of(repo: Repo, place: Place) -> str:
    """The commit that has the goal's work: its branch where there is one, else what is checked out."""
    return await repo.commit(f"refs/heads/{place.branch}") or place.head


async def _look(repo: Repo, place: Place, plan: Plan, asked: Integration, forge: Forge | None) -> Looked:
    result = await result_of(repo, place)
    is_first = not plan.since
    foreign: Mapping[str, str] = plan.foreign
    if is_first:
        foreign = await repo.changed(place.head, top=place.top)
    carry: dict[str, Json] = {
        "since": plan.since or place.head,
        "foreign": {k: v for k, v in foreign.items() if k.startswith(place.prefix)},
        "top": plan.began_in or place.top,
    }
    if carry["top"] != place.top:
        foreign = {}  # another tree of the same repository: what lay about there is not here
    evidence: dict[str, Json] = {
        "mode": asked.mode,
        "branch": place.branch,
        "base": place.base,
        "commit": result[:12],
    }
    tip = await _known_tip(repo, place)
    evidence["base_commit"] = tip[:12]

    def failing(reason: str, detail: str, **more: Json) -> Looked:
        return Looked(status="fail", reason=reason, detail=detail, evidence={**evidence, **more}, carry=carry)

    if (open_ := await conflict.unresolved(repo, place)) is not None:
        where = conflict.named_remote(place)
        detail = (
            f"{where} has changed meanwhile where this work has: resolve the marks (<<<<<<<, >>>>>>>) in "
            f"{named(list(open_.files))} so that both changes hold, and commit nothing"
        )
        diff = await conflict.shown(repo, place, open_)
        return failing(MERGE_CONFLICT, detail, files=list(open_.files)[:SHOWN_MAX], conflict=diff)
    changed = await repo.changed(result, top=place.top)
    if is_first:
        mine: list[str] = [p for p in changed if p not in foreign]
    else:
        mine, _, outside = owned(
            changed,
            prefix=place.prefix,
            paths=asked.paths,
            foreign={k: v for k, v in foreign.items() if k in changed},
        )
        mine = sorted({*mine, *outside})
    if mine:
        detail = f"{len(mine)} files are not committed to {place.branch}: {named(mine)}"
        return failing("uncommitted", detail, uncommitted=list(mine[:SHOWN_MAX]))
    if not await repo.lost(tip, result):
        # All of it is in the base: merged, or there was nothing to land.
        return Looked(
            status="pass", commit=tip if asked.mode == "merge" else result, evidence=evidence, carry=carry
        )
    if asked.mode == "merge":
        if await repo.holds(tip, result):
            return Looked(status="pass", commit=tip, evidence=evidence, carry=carry)
        return failing("not_merged", f"{place.base} does not have {result[:12]} yet")
    if result == str(carry["since"]) and result == place.head:
        return Looked(status="pass", commit=result, evidence=evidence, carry=carry)
    if not await repo.commit(f"refs/heads/{place.branch}"):
        return failing("not_on_branch", f"the work is not on {place.branch} yet")
    if asked.mode in ("branch", "pr"):
        if not place.has_remote:
            return failing("no_remote", f"there is no remote {REMOTE} to push to")
        at = await repo.remote_tip(place.branch)
        if at != result:
            where = f"at {at[:12]}" if at else "not there"
            return failing(
                "not_pushed", f"{REMOTE}'s {place.branch} is {where}, and the work is {result[:12]}"
            )
    if asked.mode == "pr":
        if forge is None:
            return failing("no_forge", "no forge is configured, and gh is not on PATH")
        pull = await forge.find(branch=place.branch, base=place.base)
        if pull is None:
            return failing("no_pull_request", f"no pull request of {place.branch} onto {place.base}")
        evidence["pull_request"] = pull.number
    return Looked(status="pass", commit=result, evidence=evidence, carry=carry)


async def _serves(repo: Repo, serving: str, result: str) -> bool | None:
    """Whether the serving commit is the result, or has it; None for a commit that nobody here knows."""
    commit = await repo.commit(serving)
    if not commit:
        return None
    return await repo.is_ancestor(result, commit) or await repo.holds(commit, result)


async def _known_tip(repo: Repo, place: Place) -> str:
    """The base's commit: what the remote says, where its objects are here; else what is known of it."""
    if not place.has_remote:
        return await repo.fetched(place)
    at = await repo.remote_tip(place.base)
    if not at:
        raise Refused("no_base", f"{REMOTE} has no branch {place.base}")
    if await repo.commit(at):
        return at
    return await repo.commit(f"refs/remotes/{REMOTE}/{place.base}") or place.head


def _error(reason: str, detail: str) -> Looked:
    return Looked(status="error", reason=reason, detail=detail)
