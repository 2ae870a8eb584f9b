"""A yard for the program that lands: a remote, a clone, a forge of our own, and the program called in this process.

Its fixtures are imported by the tests that use them. `refusal` asserts what holds for every landing that is refused:
the user's files, index, branches and HEAD are as they were.
"""

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kazid.adapters.system.landing.__main__ import run
from kazid.core.delivery import OUTCOME_MARK, Forge, Integration, Plan
from tests.fixtures.fake_forge import TOKEN, FakeForge
from tests.system.delivery_house import git


class Yard:
    """A remote, a clone with one commit, and the program."""

    def __init__(self, base: Path, *, has_remote: bool = True) -> None:
        self.base, self.work, self.bare = base, base / "work", base / "remote.git"
        self.has_remote = has_remote
        if has_remote:
            git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
            git(base, "clone", "--quiet", str(self.bare), str(self.work))
        else:
            git(base, "init", "--quiet", "--initial-branch=main", str(self.work))
        git(self.work, "checkout", "--quiet", "-B", "main")
        self.write("code.txt", "one\ntwo\nthree\n")
        self.write("other.txt", "theirs\n")
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "-m", "begin")
        if has_remote:
            git(self.work, "push", "--quiet", "origin", "main")
            git(self.work, "remote", "set-head", "origin", "main")
        self.began = git(self.work, "rev-parse", "HEAD")
        self.first: dict[str, Any] = {}

    def write(self, name: str, text: str, *, where: Path | None = None) -> None:
        path = (where or self.work) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def somebody_pushes(self, name: str, text: str) -> str:
        other = self.base / "other"
        if not other.exists():
            git(self.base, "clone", "--quiet", str(self.bare), str(other))
        git(other, "pull", "--quiet", "--rebase", "origin", "main")
        self.write(name, text, where=other)
        git(other, "add", "--all")
        git(other, "commit", "--quiet", "-m", f"theirs: {name}")
        git(other, "push", "--quiet", "origin", "HEAD:main")
        return git(other, "rev-parse", "HEAD")

    def somebody_deletes(self, name: str) -> None:
        self.somebody_pushes("more.txt", "more\n")
        other = self.base / "other"
        git(other, "rm", "--quiet", name)
        git(other, "commit", "--quiet", "-m", f"theirs: without {name}")
        git(other, "push", "--quiet", "origin", "HEAD:main")

    def plan(self, mode: str = "merge", **more: Any) -> Plan:
        tree = more.pop("tree", self.work)
        forge = more.pop("forge", Forge(kind="none"))
        paths = more.pop("paths", ())
        integration = Integration(mode=mode, branch="task/g", paths=paths, forge=forge, checks_timeout_s=10)
        return Plan(
            goal="g",
            tree=str(tree),
            scratch=str(self.base / "scratch"),
            integration=integration,
            since=self.first.get("since", self.began),
            began_in=self.first.get("top", ""),
            foreign=self.first.get("foreign", {}),
            title="mend it",
            body="- tests holds",
            **more,
        )

    def run(self, verb: str, plan: Plan, *, code: int | None = None) -> Any:
        """As the program does, without the start of an interpreter for each."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if verb == "look":
                plan = msgspec.structs.replace(plan, scratch=str(self.base / "looks"))
            ended = anyio.run(run, verb, plan)
        if verb == "look":
            return json.loads(printed.getvalue())
        return self.outcome(printed.getvalue(), ended, code)

    def outcome(self, printed: str, ended: int, code: int | None) -> Any:
        line = next(line for line in printed.splitlines() if line.startswith(OUTCOME_MARK))
        outcome = json.loads(line.removeprefix(OUTCOME_MARK))
        if code is not None:
            assert ended == code, outcome
        return outcome

    def begins(self, mode: str = "merge", **more: Any) -> Any:
        """The first look: what it carries is how it began."""
        plan = msgspec.structs.replace(self.plan(mode, **more), since="")
        found = self.run("look", plan)
        self.first = found["carry"]
        return found

    def state(self) -> tuple[str, ...]:
        """All of the user's that no landing may change."""
        files = sorted(p for p in self.work.rglob("*") if p.is_file() and ".git" not in p.parts)
        return (
            git(self.work, "rev-parse", "HEAD"),
            (self.work / ".git" / "HEAD").read_text(),
            git(self.work, "diff", "--cached"),
            git(self.work, "stash", "list"),
            *(f"{p}:{p.read_text()}" for p in files),
        )

    def lands(self, mode: str = "merge", **more: Any) -> Any:
        outcome = self.run("land", self.plan(mode, **more), code=0)
        found = self.run("look", self.plan(mode, **more))
        assert found["status"] == "pass", (outcome, found)
        return outcome


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Yard:
    return Yard(tmp_path, has_remote=False)


@pytest.fixture
def forge(yard: Yard) -> Iterator[FakeForge]:
    forge = FakeForge(yard.bare)
    yield forge
    forge.close()


def rest(forge: FakeForge) -> Forge:
    return Forge(kind="rest", url=forge.url, repo="team/app", token_env="FORGE_TOKEN")


def own_tree(yard: Yard) -> Path:
    tree = yard.base / "tree"
    git(yard.work, "worktree", "add", "--quiet", "-b", "task/g", str(tree), "main")
    return tree


def refusal(yard: Yard, name: str, **more: Any) -> Any:
    """The landing is refused by this name, and all that is the user's is as it was."""
    before = yard.state()
    outcome = yard.run("land", yard.plan(**more))
    assert outcome["name"] == name, outcome
    assert yard.state() == before
    return outcome
