"""An apply says which agents of the goal are not there to be started, before one of them is needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kazid.adapters.memory.programs import MemoryPrograms
from kazid.ports.programs import Installed
from tests.api.house import House

TESTS = '[[predicate]]\nid = "tests"\nprovider = "custom_script"\ncmd = "false"\n'
LIVE = '[[predicate]]\nid = "livez"\nprovider = "http_probe"\nurl = "http://127.0.0.1:9/"\n'
REMEDY = '[[remedy]]\ncmd = "mend"\n'
CLAUDE = '[harness]\nid = "claude"\n'
ROUTE = '[[route]]\nfor = ["tests"]\nharness = "codex"\n'


class Folders(MemoryPrograms):
    """Has every program in one folder, and none elsewhere."""

    async def installed(self, program: str, *, cwd: str, path: str) -> Installed:
        where = program.rpartition("/")[0] or path
        return Installed(path=program) if where == "/opt/agents" else Installed()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    running = House(tmp_path / "s", programs=Folders())
    with running.open():
        yield running


def told(house: House, text: str, **others: Any) -> list[str]:
    request = {
        "goal_file": f'id = "g"\n{text}',
        "cwd": "/srv",
        "workspace": "/srv",
        "path": "/usr/bin",
        **others,
    }
    answer = house.call("POST", "/v1/goals", request)
    assert answer.status in (200, 201), answer.body
    notices = answer.json["notices"]
    return [n.removeprefix("warning: agent ").partition(":")[0] for n in notices if "[agent-absent]" in n]


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        pytest.param(TESTS + CLAUDE, ["claude"], id="authored"),
        pytest.param(TESTS, ["claude"], id="by-default"),
        pytest.param(TESTS + CLAUDE + ROUTE, ["codex"], id="a-route-sends-another"),
        pytest.param(TESTS + LIVE + CLAUDE + ROUTE + 'effort = "high"\n', ["codex"], id="live-is-nobodys"),
        pytest.param(TESTS + CLAUDE + 'command = "/opt/agents/claude"\n', [], id="where-it-is-named"),
        pytest.param(TESTS + CLAUDE + 'command = "/gone/claude"\n', ["claude"], id="not-where-it-is-named"),
        pytest.param(TESTS + CLAUDE + 'command = "tools/claude"\n', [], id="a-setup-step-may-make-it"),
        pytest.param(TESTS + REMEDY, [], id="no-agent"),
        pytest.param(LIVE + REMEDY, [], id="nothing-for-an-agent"),
    ],
)
def test_an_agent_that_is_not_found_is_a_warning_of_the_apply(
    house: House, text: str, absent: list[str]
) -> None:
    assert told(house, text) == absent
    assert told(house, text, path="/opt/agents") == [a for a in absent if "/gone" in text]


def test_the_sentence_names_program_and_cause(house: House) -> None:
    request = {
        "goal_file": f'id = "g"\n{TESTS}{CLAUDE}',
        "cwd": "/srv",
        "workspace": "/srv",
        "path": "/usr/bin",
    }
    answer = house.call("POST", "/v1/goals", request)
    assert answer.status == 201, "a doubt, and no refusal"
    assert answer.json["notices"][-1] == (
        "warning: agent claude: claude is not on the PATH that the goal was given; "
        "sending it ends as capability_unreachable [agent-absent]"
    )


def test_looking_once_sends_nobody_and_warns_of_nobody(house: House) -> None:
    request = {
        "goal_file": f'id = "g"\n{TESTS}{CLAUDE}',
        "cwd": "/srv",
        "workspace": "/srv",
        "path": "/usr/bin",
    }
    assert "agent-absent" not in str(house.call("POST", "/v1/check", request).json["notices"])
