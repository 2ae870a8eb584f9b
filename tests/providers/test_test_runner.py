"""`test_runner`: a `custom_script` whose rule and streams are fixed."""

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner, exited
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.providers.custom_script import CustomScriptOptions
from kazid.providers.test_runner import TestRunner
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


class TestContract(ProviderContract):
    passing: Mapping[str, Json] = {"cmd": "sh", "args": ["-c", "echo 3 passed"]}
    failing: Mapping[str, Json] = {"cmd": "sh", "args": ["-c", "echo 1 failed; exit 1"]}
    erring: Mapping[str, Json] = {"cmd": "no-such-binary"}
    hanging: Mapping[str, Json] = {"cmd": "sleep", "args": ["300"]}
    keys = tuple(CustomScriptOptions.__struct_fields__)

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.provider = TestRunner()
        self.commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)


async def test_both_streams_are_shown_as_one(tmp_path: Path) -> None:
    runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    options = {"cmd": "sh", "args": ["-c", "echo o; echo e >&2; exit 2"]}
    verdict = await TestRunner().evaluate(options, a_look(tmp_path), runner)
    assert (verdict.status, verdict.evidence["stdout"]) == (Status.FAIL, "o\ne\n")
    assert "stderr" not in verdict.evidence


async def test_the_goal_cannot_choose_another_rule(tmp_path: Path) -> None:
    runner = ScriptedCommandRunner({"pytest": exited(5)})
    options = {"cmd": "pytest", "verdict": "exit_code", "pass_codes": [5], "merge_stderr": False}
    assert (await TestRunner().evaluate(options, a_look(tmp_path), runner)).status is Status.FAIL
    assert runner.commands[0].merge_stderr
