"""`systemd_unit`: what `systemctl show` says of a unit, and a machine that has no systemd."""

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.ports.commands import Command, CommandResult
from kazid.providers.catalog import KINDS
from kazid.providers.systemd_unit import SystemdUnit, SystemdUnitOptions, interpret, properties_in
from kazid.testing import ScriptedCommandRunner, exited, not_started, real_commands, timed_out
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


def shown(**others: str) -> CommandResult:
    """What `systemctl show` of Debian 12 says of a running nginx, with these properties instead."""
    said = {
        "Result": "success", "NRestarts": "0", "ExecMainStatus": "0", "MainPID": "713", "Id": "nginx.service",
        "LoadState": "loaded", "ActiveState": "active", "SubState": "running", "UnitFileState": "enabled",
        "StateChangeTimestamp": "Mon 2026-11-16 09:12:44 UTC", "NeedDaemonReload": "no",
    }  # fmt: skip
    return exited(0, stdout="".join(f"{k}={v}\n" for k, v in {**said, **others}.items()))


NOT_FOUND = {"LoadState": "not-found", "ActiveState": "inactive", "SubState": "dead", "UnitFileState": ""}
FAILED = {"ActiveState": "failed", "SubState": "failed", "Result": "exit-code", "ExecMainStatus": "1"}
ONESHOT = {"ActiveState": "inactive", "SubState": "dead", "UnitFileState": "static"}
NO_SYSTEMD = exited(
    1,
    stderr="System has not been booted with systemd as init system (PID 1). Can't operate.\n"
    "Failed to connect to bus: Host is down\n",
)


def machine(command: Command) -> CommandResult:
    return {
        "up.service": shown(),
        "down.service": shown(**FAILED),
        "hangs.service": timed_out(),
    }.get(command.argv[-1], NO_SYSTEMD)


class TestContract(ProviderContract):
    passing: Mapping[str, Json] = {"unit": "up.service", "enabled": True}
    failing: Mapping[str, Json] = {"unit": "down.service"}
    erring: Mapping[str, Json] = {"unit": "none.service"}
    hanging: Mapping[str, Json] = {"unit": "hangs.service"}
    keys = tuple(SystemdUnitOptions.__struct_fields__)
    kind = KINDS["systemd_unit"]

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.provider = SystemdUnit()
        self.commands = ScriptedCommandRunner({"systemctl": machine})


@pytest.mark.parametrize(
    ("result", "options", "status", "reason"),
    [
        pytest.param(shown(), {}, "pass", None, id="active"),
        pytest.param(shown(**FAILED), {}, "fail", "wrong_state", id="failed"),
        pytest.param(shown(**FAILED), {"state": "failed"}, "pass", None, id="failed-as-asked"),
        pytest.param(
            shown(ActiveState="activating", SubState="auto-restart"), {}, "fail", "wrong_state", id="restarts"
        ),
        pytest.param(shown(**NOT_FOUND), {}, "fail", "absent", id="no-such-unit"),
        pytest.param(
            shown(**NOT_FOUND), {"state": "inactive"}, "fail", "absent", id="no-such-unit-is-not-inactive"
        ),
        pytest.param(shown(LoadState="masked", ActiveState="inactive"), {}, "fail", "masked", id="masked"),
        pytest.param(
            shown(LoadState="bad-setting", LoadError="x"),
            {},
            "error",
            "unit_broken",
            id="a-unit-that-does-not-load",
        ),
        pytest.param(
            shown(**ONESHOT), {"state": "inactive", "result_success": True}, "pass", None, id="oneshot"
        ),
        pytest.param(
            shown(**ONESHOT, Result="timeout"),
            {"state": "any", "result_success": True},
            "fail",
            "last_run_failed",
            id="last-run-failed",
        ),
        pytest.param(shown(), {"sub_state": "running"}, "pass", None, id="sub-state"),
        pytest.param(
            shown(SubState="exited"), {"sub_state": "running"}, "fail", "wrong_sub_state", id="exited"
        ),
        pytest.param(
            shown(UnitFileState="disabled"), {"enabled": True}, "fail", "not_enabled", id="not-at-boot"
        ),
        pytest.param(shown(), {"enabled": False}, "fail", "enabled", id="at-boot-and-should-not"),
        pytest.param(
            shown(NRestarts="4"), {"restarts_max": 3}, "fail", "restarted", id="restarted-too-often"
        ),
        pytest.param(shown(NRestarts="3"), {"restarts_max": 3}, "pass", None, id="restarted-as-allowed"),
        pytest.param(
            shown(NRestarts=""), {"restarts_max": 3}, "error", "no_restarts", id="a-timer-has-no-restarts"
        ),
        pytest.param(shown(), {"expect": "absent"}, "fail", "running", id="runs-and-may-not"),
        pytest.param(shown(**NOT_FOUND), {"expect": "absent"}, "pass", None, id="absent"),
        pytest.param(shown(**FAILED), {"expect": "absent"}, "pass", None, id="failed-does-not-run"),
        pytest.param(
            shown(**FAILED),
            {"expect": "absent", "enabled": False},
            "fail",
            "enabled",
            id="will-run-at-the-next-boot",
        ),
        pytest.param(NO_SYSTEMD, {}, "error", "no_systemd", id="no-systemd"),
        pytest.param(
            NO_SYSTEMD, {"expect": "absent"}, "error", "no_systemd", id="no-systemd-proves-no-absence"
        ),
        pytest.param(exited(0), {}, "error", "systemctl_failed", id="silence"),
        pytest.param(
            exited(0), {"expect": "absent"}, "error", "systemctl_failed", id="silence-proves-nothing"
        ),
        pytest.param(exited(4, stdout=shown().stdout.text), {}, "error", "systemctl_failed", id="exit-4"),
        pytest.param(not_started("not found: systemctl"), {}, "error", "cmd_unrunnable", id="no-systemctl"),
        pytest.param(timed_out(), {}, "error", "timeout", id="hangs"),
    ],
)
def test_what_systemctl_says_is_judged(
    result: CommandResult, options: Any, status: str, reason: str | None
) -> None:
    verdict = interpret(result, SystemdUnitOptions(unit="nginx.service", **options))
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail


@pytest.mark.parametrize("unit", ["a*.service", "a b", "", "/x", "x" * 300])
async def test_what_is_no_unit_is_never_asked(unit: str) -> None:
    commands = ScriptedCommandRunner({"systemctl": shown()})
    verdict = await SystemdUnit().evaluate({"unit": unit}, a_look(Path("/")), commands)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
    assert commands.commands == []


async def test_the_real_systemctl_is_understood() -> None:
    """Where systemd runs: its own slice is active. Where it does not: its own words."""
    if shutil.which("systemctl") is None:
        pytest.skip("systemctl is not installed")
    said = subprocess.run(["systemctl", "is-system-running"], capture_output=True, text=True).stdout.strip()
    verdict = await SystemdUnit().evaluate({"unit": "-.mount"}, a_look(Path("/")), real_commands())
    if said in ("", "offline", "unknown"):
        assert (verdict.status, verdict.reason) == (Status.ERROR, "no_systemd"), verdict
        assert "systemd" in (verdict.detail or "")
    else:
        verdict = await SystemdUnit().evaluate({"unit": "system.slice"}, a_look(Path("/")), real_commands())
        assert verdict.is_green, verdict


@given(st.text(max_size=300))
def test_no_answer_raises(text: str) -> None:
    properties_in(text)
    assert interpret(exited(0, stdout=text), SystemdUnitOptions(unit="x")).status is Status.ERROR
