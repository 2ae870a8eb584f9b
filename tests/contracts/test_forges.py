"""The Forge port's contract, sentence by sentence, on every adapter: memory, and REST and gh against stand-ins."""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kazid.adapters.memory.forge import MemoryForge
from kazid.adapters.system.landing.gh import GhForge, gh_forge
from kazid.adapters.system.landing.rest import RestForge
from kazid.core.delivery import Forge as Settings
from kazid.ports.forge import Checks, Forge, ForgeFailed
from tests.fixtures.fake_forge import TOKEN, FakeForge
from tests.system.delivery_house import git


class Lab:
    """A forge with a branch `work` one commit ahead of `main`."""

    def __init__(self, forge: Forge, head: str, passes: Callable[[], None]) -> None:
        self.forge, self.head, self.passes = forge, head, passes

    async def pull(self) -> int:
        opened = await self.forge.open_pull(branch="work", base="main", title="t", body="b")
        return opened.number


class Gh:
    """A stand-in for gh on PATH, and what it was asked."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        program = folder / "bin" / "gh"
        fake = Path(__file__).parents[1] / "fixtures" / "fake_gh.py"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -S "{fake}" "$@"\n')
        program.chmod(0o755)
        patch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
        patch.setenv("FAKE_GH", str(folder))
        self.says(pulls=[], checks={}, heads={"work": "c1", "main": "c0"})

    def says(self, **state: object) -> None:
        (self.folder / "state.json").write_text(json.dumps(state))

    def forge(self) -> GhForge:
        found = gh_forge(str(self.folder))
        assert found is not None
        return found

    def argvs(self) -> list[list[str]]:
        path = self.folder / "argv"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def gh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gh:
    return Gh(tmp_path, monkeypatch)


@pytest.fixture(params=["memory", "rest", "gh"])
def lab(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    if request.param == "gh":
        gh = Gh(tmp_path, monkeypatch)
        run = {"name": "ci", "status": "completed", "conclusion": "success"}
        passes = {"pulls": [], "checks": {"c1": [run]}, "heads": {"work": "c1"}}
        yield Lab(gh.forge(), "c1", lambda: gh.says(**passes))
        return
    if request.param == "memory":
        memory = MemoryForge({"work": "c1", "main": "c0"})
        yield Lab(memory, "c1", lambda: memory.said.update({"c1": Checks(passed=["ci"])}))
        return
    bare, work = tmp_path / "bare.git", tmp_path / "work"
    git(tmp_path, "init", "--quiet", "--bare", "--initial-branch=main", str(bare))
    git(tmp_path, "clone", "--quiet", str(bare), str(work))
    git(work, "checkout", "--quiet", "-B", "main")
    for branch in ("main", "work"):
        git(work, "commit", "--quiet", "--allow-empty", "-m", branch)
        git(work, "push", "--quiet", "origin", f"HEAD:refs/heads/{branch}")
    stand_in = FakeForge(bare)
    stand_in.checks = {}
    settings = Settings(kind="rest", url=stand_in.url, repo="team/app")
    head = git(work, "rev-parse", "HEAD")
    yield Lab(RestForge(settings, token=TOKEN), head, lambda: stand_in.checks.update(ci="success"))
    stand_in.close()


@pytest.mark.anyio
async def test_find_answers_none_where_there_is_none(lab: Lab) -> None:
    assert await lab.forge.find(branch="work", base="main") is None


@pytest.mark.anyio
async def test_open_pull_opens_one_and_answers_the_open_one_where_there_is_one_already(lab: Lab) -> None:
    assert await lab.pull() == await lab.pull()
    found = await lab.forge.find(branch="work", base="main")
    assert found is not None
    assert (found.head, found.is_open, found.is_merged) == (lab.head, True, False)


@pytest.mark.anyio
async def test_checks_tells_what_has_been_said_of_a_commit_by_now(lab: Lab) -> None:
    lab.passes()
    assert list((await lab.forge.checks(lab.head)).passed) == ["ci"]


@pytest.mark.anyio
async def test_merge_ends_the_request_and_find_answers_the_merged_one(lab: Lab) -> None:
    number = await lab.pull()
    await lab.forge.merge(number, head=lab.head)
    found = await lab.forge.find(branch="work", base="main")
    assert found is not None
    assert (found.number, found.is_open, found.is_merged) == (number, False, True)


@pytest.mark.anyio
async def test_merge_refuses_where_the_head_is_another_commit_than_was_said(lab: Lab) -> None:
    number = await lab.pull()
    with pytest.raises(ForgeFailed) as failed:
        await lab.forge.merge(number, head="0" * 40)
    assert (failed.value.reason, failed.value.is_passing) == ("merge_refused", False)


@pytest.mark.anyio
async def test_gh_is_asked_in_these_words_and_the_body_is_not_among_them(gh: Gh) -> None:
    forge = gh.forge()
    pull = await forge.open_pull(branch="work", base="main", title="mend it", body="Goal: g\n- tests holds")
    await forge.checks("c1")
    await forge.merge(pull.number, head="c1")
    found = ["--head", "work", "--base", "main"]
    fields = ["--json", "number,headRefOid,state,url"]
    assert gh.argvs() == [
        ["pr", "list", *found, "--state", "open", *fields],
        ["pr", "list", *found, "--state", "merged", *fields],
        ["pr", "create", *found, "--title", "mend it", "--body-file", "-"],
        ["pr", "list", *found, "--state", "open", *fields],
        ["api", "repos/{owner}/{repo}/commits/c1/check-runs?per_page=100"],
        ["pr", "merge", "1", "--rebase", "--match-head-commit", "c1"],
    ]
    assert json.loads((gh.folder / "state.json").read_text())["pulls"][0]["body"] == "Goal: g\n- tests holds"


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("trouble", "reason", "is_passing"),
    [
        pytest.param(
            "To get started with GitHub CLI, please run:  gh auth login", "forge_denied", False, id="login"
        ),
        pytest.param("HTTP 403: Resource not accessible", "forge_denied", False, id="denied"),
        pytest.param("error connecting to api.github.com", "forge_failed", True, id="no-network"),
        pytest.param("HTTP 502: Bad Gateway", "forge_failed", True, id="bad-gateway"),
        pytest.param("no default remote repository has been set", "forge_failed", False, id="no-repository"),
    ],
)
async def test_what_gh_complains_of_has_a_name(gh: Gh, trouble: str, reason: str, is_passing: bool) -> None:
    gh.says(trouble=trouble)
    with pytest.raises(ForgeFailed) as failed:
        await gh.forge().find(branch="work", base="main")
    assert (failed.value.reason, failed.value.is_passing) == (reason, is_passing)
    assert trouble in failed.value.detail


@pytest.mark.anyio
async def test_gh_that_prints_no_json_is_garbled(gh: Gh) -> None:
    (gh.folder / "bin" / "gh").write_text("#!/bin/sh\necho welcome\n")
    with pytest.raises(ForgeFailed) as failed:
        await gh.forge().find(branch="work", base="main")
    assert failed.value.reason == "forge_garbled"
