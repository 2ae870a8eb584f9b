"""docs/loop.md is what the rules do, and each default constant does something in it."""

import sys

import pytest

from kazid.core.restart import GiveUp, Restart, on_crash
from tests.core.timeline import DOCUMENT, SCENARIOS, Constant, constants, document, fingerprint

ELSEWHERE = {
    "EXPONENT_MAX": "a bound that the cap hides",
    "REPAIRS_KEPT": "a bound on memory that the cap hides",
    "TREE_POLL_S": "the reconciler's: tests/runtime plays it",
    "TREE_LOOKS_MAX": "the reconciler's: tests/runtime plays it",
    "SPREAD_S_MAX": "after a restart: tests/runtime plays it",
    "DAY_S": "a day of budget: tests/core/test_window.py plays it",
    "WINDOW_S_MAX": "the longest window: tests/core/test_window.py",
    "ENTRIES_MAX": "a bound on memory: tests/core/test_window.py",
    "USD_DIGITS": "a precision, not a time: tests/core/test_budget.py",
    "RESTARTS_MAX": "counts crashes of a task: played below",
    "PERIOD_S": "counts crashes of a task: played below",
}
"""Constants that no scenario of one goal can move, and where they are played."""


def test_the_document_is_what_the_rules_do():
    assert DOCUMENT.read_text() == document(), "run: python -m tests.core.timeline"


@pytest.fixture(scope="module")
def unchanged() -> list[object]:
    return fingerprint(list(SCENARIOS.values()))


@pytest.mark.parametrize("constant", list(constants()), ids=lambda c: f"{c.module}.{c.name}")
def test_a_constant_moves_the_timeline(
    constant: Constant, unchanged: list[object], monkeypatch: pytest.MonkeyPatch
):
    other = type(constant.value)(constant.value * 2)
    for module in [m for name, m in sys.modules.items() if name.startswith("kazid.")]:
        if getattr(module, constant.name, None) == constant.value:
            monkeypatch.setattr(module, constant.name, other)
    is_moved = fingerprint(list(SCENARIOS.values())) != unchanged
    assert is_moved != (constant.name in ELSEWHERE), ELSEWHERE.get(constant.name, "no scenario notices it")


def test_four_crashes_in_a_minute_are_restarts_and_the_fifth_is_the_end():
    recent: tuple[float, ...] = ()
    for number in range(4):
        answer = on_crash(recent, now_s=10.0 * number)
        assert isinstance(answer, Restart)
        recent = tuple(answer.recent)
    assert on_crash(recent, now_s=59.0) == GiveUp(crashes=5)
    assert isinstance(on_crash(recent, now_s=60.5), Restart), "the first is more than a minute ago"
