"""The Provider port as tests. A provider's test class inherits this and says how its worlds look.

Each sentence of `kazid/ports/provider.py` is a test here; what one kind means by pass and fail is its own tests'.
"""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look, Provider

EVIDENCE_BYTES_MAX = 64 * 1024

ODD_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 1.5, 10**30, "", "text", "\0", "ü☃", "x" * 10_000,
    [], ["a"], [1, None], {}, {"a": 1}, [[["deep"]]],
)  # fmt: skip


def a_look(workspace: Path, *, deadline_s: float = 5.0) -> Look:
    return Look(
        predicate_id="p", workspace=str(workspace), deadline_s=deadline_s, path="/usr/local/bin:/usr/bin:/bin"
    )


class ProviderContract:
    """Inherit it, and set `provider`, `commands` and the four option tables in an autouse fixture."""

    provider: Provider
    commands: CommandRunner
    passing: Mapping[str, Json]
    failing: Mapping[str, Json]
    erring: Mapping[str, Json]
    hanging: Mapping[str, Json]
    keys: tuple[str, ...]

    async def look(self, options: Mapping[str, Json], workspace: Path, *, deadline_s: float = 5.0) -> Verdict:
        return await self.provider.evaluate(options, a_look(workspace, deadline_s=deadline_s), self.commands)

    async def test_what_holds_passes_with_evidence(self, tmp_path: Path) -> None:
        verdict = await self.look(self.passing, tmp_path)
        assert verdict.status is Status.PASS, verdict
        assert verdict.evidence

    async def test_what_does_not_hold_fails_with_evidence_and_a_reason(self, tmp_path: Path) -> None:
        verdict = await self.look(self.failing, tmp_path)
        assert verdict.status is Status.FAIL, verdict
        assert verdict.evidence
        assert verdict.reason
        assert verdict.detail

    async def test_what_cannot_be_looked_at_is_an_error_with_its_reason(self, tmp_path: Path) -> None:
        verdict = await self.look(self.erring, tmp_path)
        assert verdict.status is Status.ERROR, verdict
        assert verdict.reason
        assert verdict.detail

    async def test_it_ends_within_the_deadline(self, tmp_path: Path) -> None:
        started = time.monotonic()
        verdict = await self.look(self.hanging, tmp_path, deadline_s=0.5)
        assert time.monotonic() - started < 0.75
        assert verdict.status in (Status.FAIL, Status.ERROR)

    async def test_evidence_is_json_and_bounded(self, tmp_path: Path) -> None:
        for options in (self.passing, self.failing, self.erring):
            verdict = await self.look(options, tmp_path)
            encoded = msgspec.json.encode(verdict)
            assert len(encoded) <= EVIDENCE_BYTES_MAX
            assert msgspec.json.decode(encoded, type=Verdict).status is verdict.status

    async def test_it_changes_nothing_in_the_workspace(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("content")
        for options in (self.passing, self.failing, self.erring):
            await self.look(options, tmp_path)
        assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"file": "content"}

    @pytest.mark.parametrize("odd", ODD_VALUES, ids=lambda value: repr(value)[:12])
    async def test_an_odd_option_is_answered_and_raises_nothing(self, tmp_path: Path, odd: Json) -> None:
        for key in self.keys:
            verdict = await self.look({**self.passing, key: odd}, tmp_path, deadline_s=0.4)
            assert isinstance(verdict, Verdict), key
            msgspec.json.encode(verdict)

    async def test_no_options_at_all_is_an_error(self, tmp_path: Path) -> None:
        assert (await self.look({}, tmp_path)).status is Status.ERROR

    async def test_an_unknown_option_is_an_error(self, tmp_path: Path) -> None:
        verdict = await self.look({**self.passing, "no_such_option": 1}, tmp_path)
        assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
        assert "no_such_option" in (verdict.detail or "")

    async def test_keys_of_the_observation_are_not_the_providers(self, tmp_path: Path) -> None:
        observed = {**self.passing, "interval": "30s", "confirm": 2, "recover": 2, "live": True}
        assert (await self.look(observed, tmp_path)).status is Status.PASS
