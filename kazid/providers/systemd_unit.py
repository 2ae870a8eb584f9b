"""`systemd_unit`: a unit is active (or in another state), enabled, and not restarted over and over; or is not there.

Asks `systemctl show`, which says everything in one call and succeeds for units that do not exist, too: those are red.
A machine without systemd, or a user without a session bus, is an error with systemctl's own words.
"""

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.core.watch import ProcessSource, Source, UnitSource
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

PROPERTIES = (
    "Id", "LoadState", "ActiveState", "SubState", "UnitFileState", "Result", "NRestarts", "MainPID", "ExecMainStatus",
    "StateChangeTimestamp", "NeedDaemonReload", "LoadError",
)  # fmt: skip
OUTPUT_BYTES_MAX = 256 * 1024
RESULT_NAMES = ("success", "")
UNIT_CHARS_MAX = 256
"""UNIT_NAME_MAX of systemd."""


class SystemdUnitOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    unit: str
    expect: Literal["present", "absent"] = "present"
    state: Literal["active", "inactive", "failed", "any"] = "active"
    sub_state: str = ""
    enabled: bool | None = None
    result_success: bool = False
    restarts_max: int | None = None
    user: bool = False
    timeout_ms: int | None = None


class SystemdUnit:
    """The provider."""

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """The unit, and its main process as of the last look."""
        unit, pid = options.get("unit"), evidence.get("MainPID")
        if not isinstance(unit, str) or not is_unit_name(unit):
            return []
        main = int(pid) if isinstance(pid, str) and pid.isdigit() else 0
        return [UnitSource(unit, user=options.get("user") is True), *([ProcessSource(main)] if main else [])]

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask systemctl once."""
        read = read_options(options, SystemdUnitOptions)
        if isinstance(read, Verdict):
            return read
        if not is_unit_name(read.unit):
            return errored("invalid_config", "unit must be the name of one unit, such as nginx.service")
        scope = ("--user",) if read.user else ()
        command = Command(
            argv=(
                "systemctl", *scope, "show", "--no-pager", f"--property={','.join(PROPERTIES)}", "--", read.unit,
            ),
            cwd="/",
            deadline_s=max(0.0, allowed_s(read.timeout_ms, look)),
            path=look.path,
            env={"LC_ALL": "C", "SYSTEMD_COLORS": "0", "TZ": "UTC"},
            output_bytes_max=OUTPUT_BYTES_MAX,
        )  # fmt: skip
        return interpret(await commands.run(command), read)


def is_unit_name(unit: str) -> bool:
    """True for what can be one unit: no pattern and no white space. It may begin with a dash (`-.mount`)."""
    return 0 < len(unit) <= UNIT_CHARS_MAX and all(
        c.isascii() and (c.isalnum() or c in ":-_.\\@") for c in unit
    )


def properties_in(text: str) -> dict[str, str]:
    """`systemctl show` as a table."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {name: value for name, sign, value in pairs if sign and name in PROPERTIES}


def interpret(result: CommandResult, options: SystemdUnitOptions) -> Verdict:
    """PASS iff the unit is as asked; ERROR where systemd did not answer."""
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "systemctl did not answer in time")
    said = properties_in(result.stdout.text)
    if result.exit_code != 0 or "LoadState" not in said or "ActiveState" not in said:
        words = shortened(" ".join((result.stderr.text.strip() or result.stdout.text.strip()).split()))
        is_without = "not been booted with systemd" in words or "Failed to connect to bus" in words
        return errored("no_systemd" if is_without else "systemctl_failed", words or "systemctl said nothing")
    evidence: dict[str, Json] = {"unit": shortened(options.unit), "expect": options.expect}
    evidence |= {name: shortened(value) for name, value in said.items() if value}
    return msgspec.structs.replace(_judge(said, options), evidence=evidence)


def _judge(said: Mapping[str, str], options: SystemdUnitOptions) -> Verdict:
    unit, load, active = shortened(options.unit), said["LoadState"], said["ActiveState"]
    now = f"{active} ({said.get('SubState', '')})"
    if load in ("error", "bad-setting"):
        return errored("unit_broken", f"{unit} cannot be loaded: {said.get('LoadError') or load}")
    is_running = active in ("active", "activating", "reloading", "deactivating")
    if options.expect == "absent":
        if is_running:
            return Verdict(status=Status.FAIL, reason="running", detail=f"{unit} is {now} and may not be")
        if options.enabled is False and said.get("UnitFileState") in ("enabled", "enabled-runtime"):
            return Verdict(status=Status.FAIL, reason="enabled", detail=f"{unit} is not running, and enabled")
        return Verdict(status=Status.PASS)
    if load == "not-found":
        return Verdict(status=Status.FAIL, reason="absent", detail=f"there is no unit {unit}")
    if load == "masked":
        return Verdict(status=Status.FAIL, reason="masked", detail=f"{unit} is masked")
    found: dict[str, str] = {}
    if options.state not in ("any", active):
        result = said.get("Result", "")
        why = f", result {result}" if result not in RESULT_NAMES else ""
        found["wrong_state"] = f"it is {now}{why}, not {options.state}"
    if options.sub_state and said.get("SubState") != options.sub_state:
        found["wrong_sub_state"] = f"it is {now}, not {shortened(options.sub_state)}"
    if options.result_success and said.get("Result", "") not in RESULT_NAMES:
        found["last_run_failed"] = f"its last result is {said.get('Result')}"
    if options.enabled is not None:
        is_enabled = said.get("UnitFileState", "") in (
            "enabled",
            "enabled-runtime",
            "static",
            "generated",
            "alias",
        )
        if is_enabled is not options.enabled:
            state = said.get("UnitFileState") or "of no unit file"
            found["not_enabled" if options.enabled else "enabled"] = f"its unit file is {state}"
    if options.restarts_max is not None:
        restarts = said.get("NRestarts", "")
        if not restarts.isdigit():
            return errored("no_restarts", f"systemd does not count the restarts of {unit}")
        if int(restarts) > options.restarts_max:
            found["restarted"] = f"restarted {restarts} times, at most {options.restarts_max} allowed"
    if not found:
        return Verdict(status=Status.PASS)
    return Verdict(
        status=Status.FAIL, reason=next(iter(found)), detail=f"{unit}: {'; '.join(found.values())}"
    )
