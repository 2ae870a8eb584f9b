"""Trials run in an empty folder that is gone afterwards, and end in time."""

import os
from pathlib import Path

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
