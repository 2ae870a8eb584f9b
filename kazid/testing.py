"""The contract of a predicate kind as tests, for everybody who writes one: here or in a plugin of their own.

A test class inherits `ProviderContract` and says how its worlds look; each sentence of `kazid/ports/provider.py` is a
test in it. What one kind means by pass and fail is the kind's own tests'. Needs pytest and anyio's plugin for it, which
comes with anyio; nothing of the daemon imports this module.
"""

import itertools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner, exited, not_started, signaled, timed_out
from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.goalfile.shapes import mismatch
from kazid.ports.catalog import KeyProblem, KindSpec
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look, Provider

__all__ = [
    "ProviderContract",
    "ScriptedCommandRunner",
    "a_look",
    "exited",
    "not_started",
    "objections",
    "real_commands",
    "signaled",
    "timed_out",
]

EVIDENCE_BYTES_MAX = 64 * 1024
HANGING_DEADLINE_S = 0.5
# What hangs in a contract test hangs for minutes: a look that ends within this was ended by its deadline,
# and a machine with other work on it does not turn a look in time into a late one.
HANGING_ENDS_S = 30.0

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", "text", "\0", "ü☃", "x" * 10_000,
    [], ["a"], [1, None], {}, {"a": 1}, [[["deep"]]],
)  # fmt: skip

_runners = itertools.count(1)


def a_look(workspace: Path, *, deadline_s: float = 5.0, wall_s: float | None = None) -> Look:
    """One observation in this folder."""
    return Look(
        predicate_id="p",
        workspace=str(workspace),
        deadline_s=deadline_s,
        path="/usr/local/bin:/usr/bin:/bin",
        wall_s=SystemClock().now().wall_s if wall_s is None else wall_s,
    )


def real_commands() -> CommandRunner:
    """What runs commands in the daemon: bounded, killed whole at the deadline, with the environment of a check."""
    return SystemCommandRunner(state_id=f"testing-{os.getpid()}-{next(_runners)}", environ=os.environ)


def objections(kind: KindSpec, options: Mapping[str, Json]) -> Sequence[KeyProblem]:
    """What a goal-file's loader would say against these options: unknown, missing and misshapen keys, then `check`."""
    found = [KeyProblem(key=key, message="unknown key") for key in options if key not in kind.keys]
    for key, spec in kind.keys.items():
        if key not in options:
            if spec.required:
                found.append(KeyProblem(key=key, message="missing"))
        elif (wrong := mismatch(options[key], spec.type)) is not None:
            found.append(KeyProblem(key=key, message=wrong))
        elif spec.choices and options[key] not in spec.choices:
            found.append(KeyProblem(key=key, message=f"must be one of {', '.join(spec.choices)}"))
    if not found and kind.check is not None:
        found += kind.check(options)
    return found


class ProviderContract:
    """Inherit it and set `provider`, `keys` and the four option tables; `kind` where goal-files are to load, too.

    `passing`, `failing`, `erring` and `hanging` are options that make one look end so. `commands` is the real thing
    unless an autouse fixture of the subclass set something else.
    """

    pytestmark = pytest.mark.anyio

    provider: Provider
    commands: CommandRunner
    kind: KindSpec | None = None
    passing: Mapping[str, Json]
    failing: Mapping[str, Json]
    erring: Mapping[str, Json]
    hanging: Mapping[str, Json]
    keys: tuple[str, ...]

    @pytest.fixture(autouse=True)
    def real_commands_unless_set(self) -> None:
        """Give each test a runner of its own."""
        if not hasattr(self, "commands"):
            self.commands = real_commands()

    @pytest.fixture
    def anyio_backend(self) -> str:
        """Providers run on asyncio in production: processes and sockets have no virtual time."""
        return "asyncio"

    async def look(
        self, options: Mapping[str, Json], workspace: Path, *, deadline_s: float = 60.0
    ) -> Verdict:
        """Look once with these options."""
        return await self.provider.evaluate(options, a_look(workspace, deadline_s=deadline_s), self.commands)

    async def test_what_holds_passes_with_evidence(self, tmp_path: Path) -> None:
        """PASS, and why."""
        verdict = await self.look(self.passing, tmp_path)
        assert verdict.status is Status.PASS, verdict
        assert verdict.evidence

    async def test_what_does_not_hold_fails_with_evidence_and_a_reason(self, tmp_path: Path) -> None:
        """FAIL, why, in a constant and in a sentence."""
        verdict = await self.look(self.failing, tmp_path)
        assert verdict.status is Status.FAIL, verdict
        assert verdict.evidence
        assert verdict.reason
        assert verdict.detail

    async def test_what_cannot_be_looked_at_is_an_error_with_its_reason(self, tmp_path: Path) -> None:
        """ERROR is not FAIL."""
        verdict = await self.look(self.erring, tmp_path)
        assert verdict.status is Status.ERROR, verdict
        assert verdict.reason
        assert verdict.detail

    async def test_it_ends_within_the_deadline(self, tmp_path: Path) -> None:
        """By itself: the daemon cancels later, and then knows nothing."""
        started_s = anyio.current_time()
        verdict = await self.look(self.hanging, tmp_path, deadline_s=HANGING_DEADLINE_S)
        assert anyio.current_time() - started_s < HANGING_ENDS_S
        assert verdict.status in (Status.FAIL, Status.ERROR)

    async def test_evidence_is_json_and_bounded(self, tmp_path: Path) -> None:
        """A verdict is journalled, printed and shown to agents."""
        for options in (self.passing, self.failing, self.erring):
            verdict = await self.look(options, tmp_path)
            encoded = msgspec.json.encode(verdict)
            assert len(encoded) <= EVIDENCE_BYTES_MAX
            assert msgspec.json.decode(encoded, type=Verdict).status is verdict.status

    async def test_it_changes_nothing_in_the_workspace(self, tmp_path: Path) -> None:
        """Looking twice sees the same."""
        (tmp_path / "file").write_text("content")
        for options in (self.passing, self.failing, self.erring):
            await self.look(options, tmp_path)
        assert _texts_in(tmp_path) == {"file": "content"}

    @pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda value: repr(value)[:12])
    async def test_an_odd_option_is_answered_and_raises_nothing(self, tmp_path: Path, odd: Json) -> None:
        """A stored goal of another version may hold anything."""
        for key in self.keys:
            verdict = await self.look({**self.passing, key: odd}, tmp_path, deadline_s=0.4)
            assert isinstance(verdict, Verdict), key
            msgspec.json.encode(verdict)

    async def test_no_options_at_all_is_an_error(self, tmp_path: Path) -> None:
        """Nothing to look at is never green."""
        assert (await self.look({}, tmp_path)).status is Status.ERROR

    async def test_an_unknown_option_is_an_error(self, tmp_path: Path) -> None:
        """What is not understood is not skipped."""
        verdict = await self.look({**self.passing, "no_such_option": 1}, tmp_path)
        assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
        assert "no_such_option" in (verdict.detail or "")

    async def test_keys_of_the_observation_are_not_the_providers(self, tmp_path: Path) -> None:
        """They come with the options and mean nothing to a provider."""
        observed = {**self.passing, "interval": "30s", "confirm": 2, "recover": 2, "live": True}
        assert (await self.look(observed, tmp_path)).status is Status.PASS

    def test_a_goal_file_with_these_options_loads(self) -> None:
        """The kind's keys are the provider's."""
        if self.kind is None:
            return
        for options in (self.passing, self.failing, self.hanging):
            assert objections(self.kind, options) == []
        assert set(self.keys) <= self.kind.keys.keys()


def _texts_in(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}
