"""lint tries what only reads, doubts what passes on nothing, and runs nothing where that was not asked for."""

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from kazid.ports.trial import WorkspaceCopy
from tests.api.house import House

CHECKS = {"tried": "find . | grep -q .", "told": "find .", "acts": "rm -f x; ls | grep -q ."}
GOAL = 'id = "g"\n' + "".join(
    f'[[predicate]]\nid = "{name}"\nprovider = "custom_script"\ncmd = "sh"\nargs = ["-c", "{script}"]\n'
    for name, script in CHECKS.items()
)


class Passing:
    """Trials in which everything passes, but what is said to be red in the copy."""

    def __init__(
        self, *, in_copy: int | None = 0, files: Mapping[str, str] | None = None, has_copy: bool = True
    ) -> None:
        self.tried: list[list[str]] = []
        self.copied_from: list[str] = []
        self.in_copy, self.files, self.has_copy = in_copy, files or {}, has_copy

    async def exit_code_on_nothing(self, argv: Sequence[str]) -> int | None:
        self.tried.append(list(argv))
        return 0

    @asynccontextmanager
    async def copied(self, workspace: str) -> AsyncGenerator[WorkspaceCopy | None]:
        self.copied_from.append(workspace)
        yield self if self.has_copy else None

    async def exit_code(self, argv: Sequence[str]) -> int | None:
        return self.in_copy

    async def text(self, name: str) -> str | None:
        return self.files.get(name)


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
    assert trials.copied_from == ["/srv"], "one copy for all of them"


@pytest.mark.parametrize(
    "trials",
    [
        pytest.param(Passing(in_copy=1), id="it-is-red-in-the-copy"),
        pytest.param(Passing(in_copy=None), id="it-came-to-no-end-there"),
        pytest.param(Passing(has_copy=False), id="there-is-no-copy"),
    ],
)
def test_nothing_is_doubted_and_nothing_run_elsewhere(tmp_path: Path, trials: Passing) -> None:
    house = House(tmp_path / "s", trials=trials)
    with house.open():
        assert _lint(house) == []
    assert trials.tried == []


SCRIPTED = """id = "g"
[[predicate]]
id = "check"
provider = "custom_script"
cmd = {cmd}
args = {args}
"""


@pytest.mark.parametrize(
    ("cmd", "args", "text", "codes"),
    [
        pytest.param(
            "./check.sh", [], "#!/bin/sh\npytest || true\n", ["hidden-exit"], id="it-hides-its-exit"
        ),
        pytest.param("sh", ["check.sh"], "exit 0\n", ["cannot-fail"], id="a-shell-and-a-file"),
        pytest.param(
            "./check.sh", [], "#!/usr/bin/env bash\nls | grep -q .\n", ["passes-on-nothing"], id="it-reads"
        ),
        pytest.param("sh", ["-e", "check.sh"], "pytest\nexit 0\n", [], id="its-flags-count"),
        pytest.param("./check.sh", [], "#!/usr/bin/python3\n", [], id="no-shell"),
        pytest.param("./check.sh", [], "#!/bin/sh\npytest\n", [], id="a-sound-one"),
        pytest.param("./gone.sh", [], "", [], id="not-there"),
        pytest.param("sh", ["check.sh", "x"], "exit 0\n", [], id="it-has-arguments"),
    ],
)
def test_a_script_of_the_workspace_is_read(
    tmp_path: Path, cmd: str, args: list[str], text: str, codes: list[str]
) -> None:
    house = House(tmp_path / "s", trials=Passing(files={"check.sh": text}))
    goal = SCRIPTED.format(cmd=json.dumps(cmd), args=json.dumps(args))
    with house.open():
        request = {"goal_file": goal, "source_path": "/srv/goal.toml"}
        report = house.call("POST", "/v1/lint", request).json
    told = [f for f in report["findings"] if f["predicate"] == "check"]
    assert [f["code"] for f in told] == codes
    assert all(f["severity"] == "doubt" for f in told), "a script may be written yet"


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
