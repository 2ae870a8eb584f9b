"""What keeps a plugin from being loaded is said in words, costs its own kind, and nothing is replaced by anybody."""

import sys
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from kazid.core.verdict import Status
from kazid.plugins import load_plugins
from kazid.ports.catalog import KeySpec, KeyType, KindSpec
from kazid.ports.plugin import Plugin
from kazid.providers.custom_script import CustomScript
from kazid.testing import a_look, real_commands

pytestmark = pytest.mark.anyio

KIND = KindSpec(
    name="dice", summary="throws", live=False, built=True, keys={}, verdicts="pass: six; fail; error"
)


class Late:
    def evaluate(self) -> None:
        """No coroutine."""


def a_kind(**changes: Any) -> Plugin:
    return Plugin(kind=msgspec.structs.replace(KIND, **changes), make=CustomScript)


def refuse() -> CustomScript:
    raise RuntimeError("no dice here")


PLUGINS: dict[str, object] = {
    "good": Plugin(kind=KIND, make=CustomScript, is_network=True),
    "text": "no plugin",
    "renamed": a_kind(name="dices"),
    "unbuilt": a_kind(built=False),
    "silent": a_kind(verdicts=""),
    "taken_key": a_kind(keys={"id": KeySpec(type=KeyType.STRING, help="")}),
    "raising": Plugin(kind=KIND, make=refuse),
    "late": Plugin(kind=KIND, make=Late),  # type: ignore[arg-type]
}


@pytest.fixture(autouse=True)
def module(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ModuleType("dice_of_tests")
    for name, value in PLUGINS.items():
        setattr(made, name, value)
    monkeypatch.setitem(sys.modules, "dice_of_tests", made)


def point(attribute: str, *, name: str = "dice", module: str = "dice_of_tests") -> EntryPoint:
    return EntryPoint(name=name, value=f"{module}:{attribute}", group="kazid.providers")


def test_a_plugin_adds_its_kind() -> None:
    found = load_plugins([point("good")], {"tcp"})
    assert found.kinds["dice"] is KIND
    assert found.providers.keys() == {"dice"}
    assert found.network_kinds == {"dice"}


@pytest.mark.parametrize(
    ("attribute", "why"),
    [
        pytest.param("text", "is no kazid.ports.plugin.Plugin but a str", id="something-else"),
        pytest.param("missing", "AttributeError", id="a-name-that-is-not-there"),
        pytest.param("renamed", "its kind is named 'dices'", id="another-name"),
        pytest.param("unbuilt", "must say built = True", id="not-built"),
        pytest.param("silent", "says no verdict rule", id="no-verdict-rule"),
        pytest.param("taken_key", "its keys id are keys of every predicate", id="a-key-of-every-predicate"),
        pytest.param("raising", "RuntimeError: no dice here", id="it-raises"),
        pytest.param("late", "Late.evaluate is no async method", id="it-does-not-wait"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_plugin_is_its_kinds_answer(
    attribute: str, why: str, tmp_path: Path
) -> None:
    found = load_plugins([point(attribute), point("good", module="no_such_module", name="other")], set())
    assert why in (found.kinds["dice"].unusable or "")
    assert "ModuleNotFoundError" in (found.kinds["other"].unusable or "")
    verdict = await found.providers["dice"].evaluate({}, a_look(tmp_path), real_commands())
    assert (verdict.status, verdict.reason) == (Status.ERROR, "no_provider")
    assert why in (verdict.detail or "")


def test_what_two_packages_claim_is_given_to_neither() -> None:
    found = load_plugins([point("good"), point("good")], set())
    assert "2 packages claim" in (found.kinds["dice"].unusable or "")


@pytest.mark.parametrize("name", ["tcp", "Dice", "a-b", ""])
def test_a_name_that_is_built_in_or_none_adds_nothing(name: str) -> None:
    assert load_plugins([point("good", name=name)], {"tcp"}).kinds == {}
