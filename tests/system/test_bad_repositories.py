"""Repositories in any state, and agents that do anything to them: each goal ends named, with the user's work intact.

All goals run at once under one real daemon, each in a repository of its own with work in it that is not committed.
What is the user's (files, index, HEAD, branches, stash) is compared byte by byte with what it was.
"""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.system.house import RealDaemon, eventually
from tests.system.test_worktrees import git, make_agent, make_repository

END_WITHIN_S = 300.0
FIX = 'pathlib.Path("a").write_text("fixed\\n")\n'
LANDS = '[integration]\nmode = "merge"\nbranch = "task/g"\nforge = { kind = "none" }\n'
COMMITS = '[integration]\nmode = "commit"\nbranch = "task/g"\n'
WORKTREE = '[workspace]\nmode = "worktree"\n'
IN_PLACE = '[workspace]\nmode = "in_place"\n'


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """One repository. `top` is what the goal works in, `remote` what it was cloned from."""

    base: Path
    top: Path
    remote: Path

    def theirs(self) -> dict[str, str]:
        """All of the user's that may not change; `a` is what the goal is about."""
        files = {
            str(p.relative_to(self.top)): p.read_bytes().hex()
            for p in sorted(self.top.rglob("*"))
            if p.is_file() and ".git" not in p.parts and p.name != "a"
        }
        if not (self.top / ".git").exists():
            return files
        asked = {
            "HEAD": ("rev-parse", "HEAD"),
            "branch": ("rev-parse", "--abbrev-ref", "HEAD"),
            "index": ("diff", "--cached", "--", ":!a"),
            "stash": ("stash", "list"),
            "branches": ("for-each-ref", "--format=%(refname) %(objectname)", "refs/heads", "refs/tags"),
        }
        said = {name: git(*words, cwd=self.top) for name, words in asked.items()}
        lines = [x for x in said["branches"].splitlines() if "refs/heads/task/" not in x]
        return {**files, **said, "branches": "\n".join(x for x in lines if "refs/heads/kazi/" not in x)}


def nothing(_: Place) -> None:
    """As it is."""


def detached(place: Place) -> None:
    git("checkout", "-q", "--detach", cwd=place.top)


def clean(place: Place) -> None:
    git("stash", "push", "-q", "--include-untracked", cwd=place.top)


def bare(place: Place) -> None:
    shutil.rmtree(place.top)
    git("clone", "-q", "--bare", str(place.remote), str(place.top), cwd=place.base)


def submodule(place: Place) -> None:
    allowed = ("-c", "protocol.file.allow=always")
    git(*allowed, "submodule", "add", "-q", str(place.remote), "sub", cwd=place.top)


def unmerged(place: Place) -> None:
    clean(place)
    git("checkout", "-q", "-b", "other", cwd=place.top)
    for branch, text in (("other", "x\n"), ("main", "y\n")):
        git("checkout", "-q", branch, cwd=place.top)
        (place.top / "theirs").write_text(text)
        git("commit", "-qam", text, cwd=place.top)
    subprocess.run(("git", "merge", "-q", "other"), cwd=place.top, capture_output=True, check=False)


def hooked(place: Place) -> None:
    clean(place)
    hook = place.top / ".git" / "hooks" / "pre-commit"
    hook.write_text("#!/bin/sh\necho not on my watch >&2\nexit 1\n")
    hook.chmod(0o755)


def moved(place: Place, *, its: str = "broken\n") -> None:
    clean(place)
    other = place.base / "other"
    git("clone", "-q", str(place.remote), str(other), cwd=place.base)
    (other / "new").write_text("somebody's\n")
    (other / "a").write_text(its)
    git("add", "-A", cwd=other)
    git("commit", "-qm", "somebody's", cwd=other)
    git("push", "-q", "origin", "HEAD:main", cwd=other)


class Bad(msgspec.Struct, frozen=True, kw_only=True):
    """What is bad, and how it ends. `says` is in the reason; `told` in what git told of the attempt's change."""

    made: Callable[[Place], None] = nothing
    deed: str = ""
    agent: str | None = None
    """The whole program, where it is none that mends; "": there is none."""
    goal: str = WORKTREE
    harness: str = ""
    end: tuple[str, str | None] = ("converged", None)
    says: str = ""
    told: str = ""
    is_delivered: bool = True
    reaches: bool = False
    """Without a sandbox an agent can reach the user's own; then it is what can be had back that counts."""


NOTHING_DONE = ("over_budget", "budget_exhausted")
PROGRAM = f"#!{sys.executable}\nimport pathlib, sys\nsys.stdin.read()\n"
ENVELOPE = '{"type": "result", "subtype": "success", "is_error": false, "result": "all do'
WHO = "-c user.name=a -c user.email=a@a"
BAD: Mapping[str, Bad] = {
    "detached": Bad(made=detached),
    "detached-lands": Bad(made=lambda p: (clean(p), detached(p))[0], goal=WORKTREE + LANDS, is_delivered=False),
    "detached-lands-in-place": Bad(
        made=lambda p: (clean(p), detached(p))[0], goal=IN_PLACE + LANDS, end=("stuck", "unlanded"),
        says="detached_head",
    ),
    "bare": Bad(made=bare, end=("stuck", "worktree_failed"), says="bare repository", is_delivered=False),
    "submodules": Bad(made=submodule, end=("stuck", "worktree_failed"), says="submodules", is_delivered=False),
    "unmerged": Bad(made=unmerged, end=("stuck", "workspace_dirty"), says="unmerged", is_delivered=False),
    "dirty-lands": Bad(
        goal=WORKTREE + LANDS, end=("stuck", "workspace_dirty"), says="mine", is_delivered=False
    ),
    "dirty-lands-in-place": Bad(
        made=lambda p: p.top.joinpath("a").write_text("half done\n") and None, goal=IN_PLACE + LANDS,
        end=("stuck", "unlanded"), says="dirty_base",
    ),
    "moved-remote": Bad(made=moved, goal=WORKTREE + LANDS, is_delivered=False),
    "moved-remote-in-place": Bad(
        made=moved, goal=IN_PLACE + LANDS, end=("stuck", "unlanded"), says="base_moved"
    ),
    "merge-conflict": Bad(
        made=lambda p: moved(p, its="somebody's, too\n"), goal=WORKTREE + LANDS, is_delivered=False
    ),
    "failing-hook": Bad(
        made=hooked, goal=WORKTREE + COMMITS, end=("stuck", "unlanded"), says="not on my watch", is_delivered=False
    ),
    "is-missing": Bad(
        agent="", end=("stuck", "capability_unreachable"), says="not found", is_delivered=False
    ),
    "prints-nothing": Bad(agent=PROGRAM + FIX),
    "prints-nothing-having-done-nothing": Bad(
        agent=PROGRAM,
        end=NOTHING_DONE, says="changed nothing", is_delivered=False),
    "prints-a-gigabyte": Bad(agent=PROGRAM + 'for _ in range(1024):\n    print("x" * 1024 * 1024)\n' + FIX),
    "prints-half-an-envelope": Bad(agent=f"{PROGRAM}{FIX}print('{ENVELOPE}', end='')\n"),
    "says-done-having-done-nothing": Bad(
        agent=f"{PROGRAM}print('{ENVELOPE}ne\"}}')\n",
        end=NOTHING_DONE, says="changed nothing", is_delivered=False
    ),
    "asks-on-its-stdin": Bad(agent=PROGRAM + "answer = input('Proceed? [y/N] ')\n" + FIX, end=NOTHING_DONE,
        says="changed nothing", is_delivered=False),
    "asks-at-a-terminal": Bad(agent=PROGRAM + "open('/dev/tty').readline()\n" + FIX, end=NOTHING_DONE,
        says="changed nothing", is_delivered=False),
    "commits": Bad(deed=f'os.system("git {WHO} commit -qam mine")'),
    "rewrites-history": Bad(
        deed=f'os.system("git {WHO} commit -q --amend -am other && git branch -D -q precious")', told="rewrote",
    ),
    "deletes-its-git": Bad(deed='os.unlink(".git")', told="deleted .git"),
    "deletes-all-git-knows-of-its-tree": Bad(
        deed='os.system("rm -rf \\"$(git rev-parse --absolute-git-dir)\\" .git")', told="deleted .git"
    ),
    "leaves-a-merge-halfway": Bad(
        deed=f'os.system("git {WHO} commit -qam mine; git checkout -q -b o HEAD~; echo x > a; git {WHO} commit -qam o;"'
        '" git merge -q kazi/leaves-a-merge-halfway; echo fixed > a")', told="left a merge unfinished",
    ),
    "leaves-a-daemon": Bad(deed='os.system("setsid sleep 3000 > /dev/null 2>&1 < /dev/null &")'),
    "ignores-term": Bad(
        deed="import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        harness='timeout = "3s"\n',
    ),
    "empties-its-tree": Bad(
        deed='os.system("rm -rf ./* ./.[!.]*")', end=("over_budget", "budget_exhausted"), is_delivered=False
    ),
    "edits-the-users-tree": Bad(deed='(work / "repo" / "mine").write_text("the agent was here\\n")', reaches=True),
    "deletes-the-users-repository": Bad(
        deed='os.system("rm -rf \\"$(git rev-parse --git-common-dir)\\"")', end=("tampered", "seal_broken"),
        says="the repository's settings changed", reaches=True, is_delivered=False,
    ),
    "more-files-in-place": Bad(
        made=clean, deed='pathlib.Path("b").write_text("more\\n")', goal=IN_PLACE, told="'files': 2",
        reaches=True,
    ),
    "rewrites-history-in-place": Bad(
        made=clean, deed=f'os.system("git {WHO} commit -q --amend -am other")', goal=IN_PLACE + LANDS,
        end=("stuck", "unlanded"), says="history_rewritten", reaches=True,
    ),
    "deletes-its-git-in-place": Bad(
        deed='os.system("rm -rf .git")', goal=IN_PLACE, end=("tampered", "seal_broken"),
        says="the repository's settings changed", reaches=True,
    ),
}  # fmt: skip


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    document: dict[str, Any]
    events: list[dict[str, Any]]
    place: Place
    before: dict[str, str]


def _place(base: Path, name: str, bad: Bad) -> tuple[Place, Path, dict[str, str]]:
    base = base / name
    base.mkdir()
    agent = make_agent(base, FIX + bad.deed)
    if bad.agent is not None:
        agent.write_text(bad.agent) if bad.agent else agent.unlink()
    place = Place(base=base, top=base / "repo", remote=base / "remote.git")
    make_repository(base / "first", {"a": "broken\n", "theirs": "committed\n", ".gitignore": "ignored\n"})
    git("clone", "-q", "--bare", str(base / "first"), str(place.remote), cwd=base)
    git("clone", "-q", str(place.remote), str(place.top), cwd=base)
    git("branch", "-q", "precious", cwd=place.top)
    (place.top / "theirs").write_text("not committed\n")
    (place.top / "staged").write_text("staged\n")
    git("add", "staged", cwd=place.top)
    (place.top / "mine").write_text("untracked\n")
    (place.top / "ignored").write_text("ignored\n")
    bad.made(place)
    goal = base / "g.goal.toml"
    goal.write_text(f"""
id = "{name}"
[scope]
workspace = "{place.top}"
[harness]
id = "claude"
command = "{agent}"
{bad.harness}[budget]
max_dispatches = 2
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "grep"
args = ["-q", "fixed", "a"]
{bad.goal}
""")
    return place, goal, place.theirs()


@pytest.fixture(scope="module")
def ended() -> Iterator[Mapping[str, Ended]]:
    """Every goal driven to its end, all at once."""
    base = Path(tempfile.mkdtemp(prefix="kz"))
    daemon = RealDaemon(base)
    try:
        daemon.start()
        made = {name: _place(base, name, bad) for name, bad in BAD.items()}
        for _, goal, _ in made.values():
            applied = daemon.kazictl("apply", str(goal), "--detach")
            assert applied.returncode == 0, f"{goal}: {applied.stdout}{applied.stderr}"
        eventually(
            lambda: all(
                g["status"] not in {"observing", "acting", "waiting"} for g in daemon.json("list")["goals"]
            ),
            within_s=END_WITHIN_S,
            what="every goal ends",
        )
        yield {
            name: Ended(
                document=daemon.json("status", name), events=daemon.events(name), place=place, before=before
            )
            for name, (place, _, before) in made.items()
        }
        assert daemon.stop() == 0
        assert daemon.leftovers() == {}
    finally:
        daemon.end_everything()
        shutil.rmtree(base, ignore_errors=True)


@pytest.mark.long
@pytest.mark.parametrize("name", BAD)
def test_whatever_is_bad_ends_named_and_the_users_work_is_intact(
    ended: Mapping[str, Ended], name: str
) -> None:
    bad, end = BAD[name], ended[name]
    document = end.document
    assert (document["status"], document.get("cause")) == bad.end, document["reason"]
    assert bad.says in (document["reason"] or "")
    changes = [
        e["event"]["change"] for e in end.events if e["type"] == "act.ended" and "change" in e["event"]
    ]
    assert bad.told in str(changes)
    if bad.reaches:
        had_back(name, end)
        return
    after = end.place.theirs()
    assert {k: v for k, v in after.items() if k != "branches"} == {
        k: v for k, v in end.before.items() if k != "branches"
    }
    if name != "rewrites-history":
        assert set(end.before.get("branches", "").split("\n")) <= set(after.get("branches", "").split("\n"))
    if (end.place.top / "a").exists():
        expected = "fixed\n" if bad.is_delivered else end.place.top.joinpath("a").read_text()
        assert (end.place.top / "a").read_text() == expected
    if bad.end[0] == "converged" and "mode" in bad.goal and LANDS in bad.goal:
        assert git("show", "main:a", cwd=end.place.remote) == "fixed"
    assert git("fsck", "--no-dangling", cwd=end.place.top) == ""
    if name == "rewrites-history":
        assert "precious" in after["branches"] or "precious" in git(
            "for-each-ref", "refs/kazi", cwd=end.place.top
        )


def had_back(name: str, end: Ended) -> None:
    """What an agent did to the user's own is in refs/kazi as it was, as far as there is a repository."""
    files = {k: v for k, v in end.place.theirs().items() if k in ("theirs", "staged", "ignored")}
    assert files == {k: v for k, v in end.before.items() if k in files}
    if name == "edits-the-users-tree":
        (ref,) = git("for-each-ref", "--format=%(refname)", "refs/kazi/*/base", cwd=end.place.top).split()
        assert git("show", f"{ref}:mine", cwd=end.place.top) == "untracked"
    if name == "rewrites-history-in-place":
        assert git("show", "main:a", cwd=end.place.remote) == "broken"
