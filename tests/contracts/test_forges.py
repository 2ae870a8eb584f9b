"""The Forge port's contract, sentence by sentence, on every adapter: memory, and REST against a stand-in."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kazid.adapters.memory.forge import MemoryForge
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


@pytest.fixture(params=["memory", "rest"])
def lab(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lab]:
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
