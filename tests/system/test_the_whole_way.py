"""From a failing test to a live service: git, a remote, a forge stand-in, a service deployed by script, all real."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.fake_forge import TOKEN, FakeForge
from tests.system.delivery_house import FIXED, Team, agent, git, plain, story
from tests.system.house import RealDaemon

WITHIN_S = 120.0


@pytest.fixture
def team(base: Path) -> Iterator[Team]:
    team = Team(base)
    yield team
    team.close()


@pytest.fixture
def forge(team: Team) -> Iterator[FakeForge]:
    forge = FakeForge(team.bare)
    yield forge
    forge.close()


@pytest.fixture
def daemon(base: Path) -> Iterator[RealDaemon]:
    daemon = RealDaemon(base, environment={"FORGE_TOKEN": TOKEN})
    daemon.start()
    yield daemon
    daemon.end_everything()


def merged_by(forge: FakeForge) -> str:
    return f"""
[integration]
mode = "merge"
forge = {{ kind = "rest", url = "{forge.url}", repo = "team/app", token_env = "FORGE_TOKEN" }}
"""


def test_the_whole_way_from_a_failing_test_to_a_live_service(
    daemon: RealDaemon, base: Path, team: Team, forge: FakeForge
):
    old = team.deploy_now()
    script = agent(base, f"cat > app.py <<'END'\n{FIXED}END\n")
    goal = team.goal(team.code(str(script)) + merged_by(forge) + team.deploy() + team.live())
    document = daemon.apply(goal, timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document) + daemon.log_tail()
    events = daemon.events("greet")
    assert story(events) == ["harness:claude 0", "land 0", "deploy 0"]
    new = team.remote()
    assert new != old
    assert git(team.bare, "show", "main:app.py") == FIXED.strip()
    assert git(team.bare, "rev-parse", "main^") == old
    assert team.get("/greet") == (200, "hello")
    assert new in team.get("/version")[1]
    assert [p["merged"] for p in forge.pulls] == [True]
