"""lint tries what only reads, doubts what passes on nothing, and runs nothing where that was not asked for."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import House

CHECKS = {"tried": "find . | grep -q .", "told": "find .", "acts": "rm -f x; ls | grep -q ."}
GOAL = 'id = "g"\n' + "".join(
    f'[[predicate]]\nid = "{name}"\nprovider = "custom_script"\ncmd = "sh"\nargs = ["-c", "{script}"]\n'
    for name, script in CHECKS.items()
)


class Passing:
    """Trials in which everything passes."""

    def __init__(self) -> None:
        self.tried: list[list[str]] = []

    async def exit_code_on_nothing(self, argv: Sequence[str]) -> int | None:
        self.tried.append(list(argv))
        return 0


def _lint(house: House, **others: Any) -> list[tuple[str, str, int]]:
    request = {"goal_file": GOAL, "source_path": "/srv/goal.toml", **others}
    findings = house.call("POST", "/v1/lint", request).json["findings"]
    return [(f["predicate"], f["severity"], f["line"]) for f in findings if f["code"] == "passes-on-nothing"]


def test_what_passes_in_an_empty_folder_is_doubted(tmp_path: Path) -> None:
    trials = Passing()
    house = House(tmp_path / "s", trials=trials)
    with house.open():
        assert _lint(house) == [("tried", "doubt", 2)]
    assert trials.tried == [["sh", "-c", CHECKS["tried"]]]


@pytest.mark.parametrize(
    ("context", "asked"),
    [
        pytest.param({}, {"no_run": True}, id="no-run"),
        pytest.param({"own_uid": 4_000_000, "place_mode": "system", "roles": lambda: ()}, {}, id="not-the-owner"),
    ],
)  # fmt: skip
def test_nothing_is_tried(tmp_path: Path, context: dict[str, Any], asked: dict[str, Any]) -> None:
    trials = Passing()
    house = House(tmp_path / "s", trials=trials, **context)
    with house.open():
        if "own_uid" not in context:
            assert _lint(house, **asked) == []
        else:
            house.call("POST", "/v1/lint", {"goal_file": GOAL, "source_path": "/srv/goal.toml"})
    assert trials.tried == []
