"""Deploying: the goal's command, in a checkout of the landed commit, and the tag of the release it made.

The command's output is the attempt's own and its exit code is, too. What it leaves running is its product where it
exited 0, so its checkout stays; those of the deploys before the last few are removed.
"""

import os
from pathlib import Path

import anyio

from kazid.adapters.system.git import git
from kazid.adapters.system.landing.commit import drop_tree, fresh_tree
from kazid.adapters.system.landing.look import look
from kazid.adapters.system.landing.repo import Refused, Repo, words_of
from kazid.adapters.system.resolve import Refusal, resolve
from kazid.core.delivery import Deploy, Plan
from kazid.ports.forge import Forge

CHECKOUTS_KEPT = 3
_PREFIX = "deploy-"


async def deploy(plan: Plan, forge: Forge | None) -> tuple[int, str, str]:
    """Run it; (exit code, what was done, in words)."""
    asked = plan.deploy
    assert asked is not None, "a deploy says its command"
    repo = Repo(plan.tree, scratch=plan.scratch)
    commit = await _landed(plan, forge)
    folder = await _checkout(repo, plan, commit)
    code = await _run((asked.cmd, *asked.args), plan, asked, commit=commit, folder=folder)
    if code != 0:
        return code, "deploy_failed", f"exit {code} for {commit[:12]}"
    tag = release_of(asked, goal=plan.goal, commit=commit)
    return 0, "deployed", f"{commit[:12]}, {await _tagged(repo, tag, commit)}"


async def rollback(plan: Plan, forge: Forge | None) -> tuple[int, str, str]:
    """Run the command that takes the last deploy back; it is told which commit that was."""
    asked = plan.deploy
    assert asked is not None, "a deploy says its command"
    assert asked.rollback_cmd is not None, "a rollback has a command"
    repo = Repo(plan.tree, scratch=plan.scratch)
    commit = await _landed(plan, forge)
    folder = await _checkout(repo, plan, commit)
    code = await _run((asked.rollback_cmd, *asked.rollback_args), plan, asked, commit=commit, folder=folder)
    return code, "rolled_back" if code == 0 else "rollback_failed", f"from {commit[:12]}"


def release_of(asked: Deploy, *, goal: str, commit: str) -> str:
    """The release's tag, its placeholders filled in."""
    words = {"goal": goal.replace(" ", "-"), "commit": commit, "short": commit[:12], "env": asked.env_name}
    return asked.ref.format(**words)


async def _landed(plan: Plan, forge: Forge | None) -> str:
    found = await look(plan, forge)
    if found.status != "pass" or not found.commit:
        raise Refused("not_landed", f"{found.reason}: {found.detail}", is_passing=True)
    return found.commit


async def _checkout(repo: Repo, plan: Plan, commit: str) -> str:
    name = f"{_PREFIX}{commit[:12]}"
    folder = os.path.join(plan.scratch, name)
    if (
        await repo.text("rev-parse", "--verify", "--quiet", "HEAD", codes=(0, 1, 128), cwd=_or_root(folder))
        != commit
    ):
        folder = await fresh_tree(repo, plan, name, commit)
    old = sorted(Path(plan.scratch).glob(f"{_PREFIX}*"), key=lambda p: p.stat().st_mtime)
    for path in old[:-CHECKOUTS_KEPT]:
        if str(path) != folder:
            await drop_tree(repo, str(path))
    os.utime(folder)
    return folder


def _or_root(folder: str) -> str:
    return folder if os.path.isdir(folder) else "/"


async def _run(argv: tuple[str, ...], plan: Plan, asked: Deploy, *, commit: str, folder: str) -> int:
    prefix = await Repo(plan.tree, scratch=plan.scratch).text("rev-parse", "--show-prefix")
    cwd = os.path.join(folder, prefix)
    found = resolve(argv[0], cwd=cwd, path=os.environ.get("PATH", ""))
    if isinstance(found, Refusal):
        raise Refused("deploy_unrunnable", found.reason)
    environment = {
        **os.environ,
        **asked.vars,
        "KAZI_GOAL": plan.goal,
        "KAZI_WORKSPACE": plan.tree,
        "KAZI_DEPLOY_COMMIT": commit,
        "KAZI_DEPLOY_ENV": asked.env_name,
        "KAZI_DEPLOY_REF": release_of(asked, goal=plan.goal, commit=commit),
    }
    process = await anyio.open_process(
        [found.executable, *argv[1:]], cwd=cwd, env=environment, stdin=None, stdout=None, stderr=None
    )
    return await process.wait()


async def _tagged(repo: Repo, tag: str, commit: str) -> str:
    """The tag, in words: one that is there already is left as it is."""
    at = await repo.commit(f"refs/tags/{tag}")
    if at:
        return f"tag {tag}" if at == commit else f"tag {tag} is another commit's already, {at[:12]}"
    said = await git(("tag", tag, commit), cwd=repo.tree)
    return f"tag {tag}" if said.is_ok else f"not tagged: {words_of(said)}"
