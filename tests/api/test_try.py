"""`try` belongs to whom the daemon runs as: looks run as nobody else."""

import os
from pathlib import Path

from kazid.core.roles import Given, Grant, Role
from tests.api.house import GOAL_FILE, ME, House


def test_a_caller_that_is_not_the_daemons_user_is_refused(tmp_path: Path) -> None:
    house = House(
        tmp_path / "s",
        own_uid=os.getuid() + 1,
        roles=lambda: (Given(grant=Grant(role=Role.OPERATOR), users=(ME,)),),
        place_mode="system",
    )
    with house.open():
        answer = house.call("POST", "/v1/try", {"goal_file": GOAL_FILE, "source_path": "/srv/goal.toml"})
    assert (answer.status, answer.json["type"]) == (403, "denied")
    assert "as whom the daemon runs" in answer.json["detail"]


def test_its_own_user_is_answered(house: House) -> None:
    answer = house.call("POST", "/v1/try", {"goal_file": GOAL_FILE, "source_path": "/srv/goal.toml"})
    assert (answer.status, answer.json["exit_code"]) == (200, 0)
