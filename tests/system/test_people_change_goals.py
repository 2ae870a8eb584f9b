"""Real users of a real daemon who change a goal: a looser spec waits for another person, through kill -9."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import eventually, write_goal
from tests.system.test_people import SITE, WAITS, Town, town, users

__all__ = ["town", "users"]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make users and become one of them")


def _file(base: Path, level: str) -> dict[str, Any]:
    text = WAITS.replace("DONE", str(base / "out" / "done")).replace("OUT", str(base / "out" / "ran"))
    file = write_goal(base / "g", text.replace('level = "approve"', f'level = "{level}"'))
    return {"goal_file": file.read_text(), "source_path": str(file), "path": os.environ["PATH"]}


def test_nobody_talks_a_goal_out_of_its_approvals_alone_and_kill_9_loses_no_word(
    town: Town, base: Path
) -> None:
    folder = base / "out"
    folder.mkdir()
    folder.chmod(0o777)
    assert town.ask("kzt-owner", "POST", "/v1/goals", _file(base, "approve"))[0] == 201
    status, said = town.ask("kzt-owner", "POST", "/v1/goals", _file(base, "act"))
    assert (status, said["applied"], said["exit_code"], said["generation"]) == (202, "held", 6, 1)
    assert said["held"]["loosened"] == ["[autonomy] level approve -> act"]
    plan = said["held"]["plan_sha256"]

    town.kill9()
    town.start()
    assert town.ask("kzt-member", "GET", SITE)[1]["held"]["plan_sha256"] == plan
    shown = town.kazictl("approvals").stdout
    assert "loosens: [autonomy] level approve -> act" in shown
    assert f"kazictl approve kzt-owner/site --plan {plan}" in shown
    for who in ("kzt-owner", "kzt-operator", "kzt-member", "kzt-stranger", "kzt-daemon", "root"):
        answer = town.ask(who, "POST", f"{SITE}/approve", {"plan": plan})
        assert answer[0] == 403, f"{who}: {answer}"
    assert not (folder / "ran").exists(), "what is in force asks before it acts"

    assert town.ask("kzt-approver", "POST", f"{SITE}/approve", {"plan": plan})[0] == 200
    town.kill9()
    town.start()
    now = town.ask("kzt-member", "GET", SITE)[1]
    assert (now["generation"], now["held"]) == (2, None)
    eventually(
        lambda: town.ask("kzt-member", "GET", SITE)[1].get("status") == "holding",
        within_s=60,
        what="it acts by itself, and holds",
    )
    assert set((folder / "ran").read_text().split()) == {"ran"}
    records = json.loads(town.kazictl("audit", "show", "kzt-owner/site", "--json").stdout)["records"]
    applied = [r["event"] for r in records if r["type"] == "goal.applied"]
    assert [a.get("approved_by", []) for a in applied] == [[], ["kzt-approver"]]
    assert applied[-1]["plans"] == [plan]
    tighter = town.ask("kzt-owner", "POST", "/v1/goals", _file(base, "observe"))
    assert (tighter[0], tighter[1]["applied"]) == (200, "generation"), "less freedom takes nobody's yes"
    again = town.ask("kzt-owner", "POST", "/v1/goals", _file(base, "act"))
    assert again[1]["applied"] == "held", "an approver is named here, and it may only look"
