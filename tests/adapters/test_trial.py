"""Trials run in an empty folder that is gone afterwards, and end in time."""

import os
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system import trial
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.adapters.system.scratch import Scratch
from kazid.adapters.system.trial import SystemTrials

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def scratch(tmp_path: Path) -> Scratch:
    return Scratch(state_id="trial", below=str(tmp_path))


@pytest.fixture
def trials(scratch: Scratch) -> SystemTrials:
    return SystemTrials(SystemCommandRunner(state_id="trial", environ=os.environ), scratch)


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param("find . | grep -q .", 0, id="passes-on-nothing"),
        pytest.param("grep -q x f", 2, id="needs-a-file"),
        pytest.param('test -z "$(ls -A)"', 0, id="the-folder-is-empty"),
    ],
)
async def test_a_check_meets_an_empty_folder(
    trials: SystemTrials, scratch: Scratch, script: str, expected: int
) -> None:
    assert await trials.exit_code_on_nothing(["sh", "-c", script]) == expected
    assert os.listdir(scratch.folder()) == []


async def test_what_does_not_end_says_nothing(trials: SystemTrials, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "TRIAL_S", 0.2)
    assert await trials.exit_code_on_nothing(["sleep", "30"]) is None


async def test_a_copy_is_what_the_workspace_is_and_is_gone_afterwards(
    trials: SystemTrials, scratch: Scratch, tmp_path: Path
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    (work / "app.txt").write_text("ok")
    async with trials.copied(str(work)) as copy:
        assert copy is not None
        assert (
            await copy.exit_code(["sh", "-c", "grep -q ok app.txt && echo bad > app.txt && touch new"]) == 0
        )
        assert await copy.exit_code(["sh", "-c", "grep -q ok app.txt"]) == 1
        assert await copy.text("app.txt") == "bad\n"
        assert await copy.text("../work/app.txt") is None
        assert await copy.text("gone") is None
    assert os.listdir(scratch.folder()) == []
    assert sorted(os.listdir(work)) == ["app.txt"]
    assert (work / "app.txt").read_text() == "ok"


@pytest.mark.parametrize("limit", ["COPY_BYTES_MAX", "COPY_FILES_MAX", "COPY_S"])
async def test_a_workspace_above_a_limit_is_not_copied(
    trials: SystemTrials, scratch: Scratch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    work = tmp_path / "work"
    work.mkdir()
    for number in range(3):
        (work / f"{number}").write_text("x" * 10)
    monkeypatch.setattr(trial, limit, {"COPY_BYTES_MAX": 29, "COPY_FILES_MAX": 2, "COPY_S": -1.0}[limit])
    async with trials.copied(str(work)) as copy:
        assert copy is None
    assert os.listdir(scratch.folder()) == []


async def test_a_workspace_that_vanished_is_not_copied(
    trials: SystemTrials, scratch: Scratch, tmp_path: Path
) -> None:
    async with trials.copied(str(tmp_path / "gone")) as copy:
        assert copy is None
    assert os.listdir(scratch.folder()) == []


async def test_a_copy_whose_user_is_cancelled_is_gone_all_the_same(
    trials: SystemTrials, scratch: Scratch, tmp_path: Path
) -> None:
    (tmp_path / "work").mkdir()
    with anyio.move_on_after(0.2) as scope:
        async with trials.copied(str(tmp_path / "work")):
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    assert os.listdir(scratch.folder()) == []


async def test_a_trial_has_no_network_where_that_can_be_taken_away(trials: SystemTrials) -> None:
    code = await trials.exit_code_on_nothing(
        ["sh", "-c", "grep -q : /proc/net/dev && grep -qv lo: /proc/net/dev"]
    )
    assert code is not None
    if not trials._apart:
        pytest.skip("neither unshare nor bwrap may make a network namespace here")
    listed = "test \"$(grep -c ':' /proc/net/dev)\" = 1"
    assert await trials.exit_code_on_nothing(["sh", "-c", listed]) == 0, "nothing but the loopback"
