"""Real users of a real daemon after an agent did harm: the goal is lowered, and not by its owner is it restored."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import eventually, write_goal
from tests.system.test_people import Town, town, users

__all__ = ["town", "users"]
pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make users and become one of them")

GOAL = """
id = "site"
standing = true
[[predicate]]
id = "mended"
provider = "custom_script"
cmd = "test"
args = ["-e", "OUT/mended"]
live = true
interval = "1s"
confirm = 1
recover = 1
timeout_ms = 30000
[[predicate]]
id = "unharmed"
provider = "custom_script"
cmd = "test"
args = ["!", "-e", "OUT/harmed"]
live = true
interval = "1s"
confirm = 1
recover = 1
timeout_ms = 30000
[workspace]
mode = "in_place"
[harness]
id = "command"
command = "AGENT"
for = ["mended", "unharmed"]
"""
AGENT = """#!/bin/sh
cd OUT
if [ -e ran ]; then rm -f harmed; else touch mended harmed; fi
echo ran >> ran
"""
TOLD = """
[[notify]]
name = "ops"
kind = "command"
command = ["/bin/sh", "-c", "cat >> TOLD; echo >> TOLD"]
statuses = ["lowered"]
group = "1ms"
"""
AN_OWNER_WHO_APPROVES = """
[[role]]
role = "approver"
users = ["kzt-owner"]
"""
SITE = "/v1/goals/kzt-owner/site"


def _apply(town: Town, base: Path) -> tuple[int, dict[str, Any]]:
    folder, agent = base / "out", base / "agent"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "mended").touch()
    agent.write_text(AGENT.replace("OUT", str(folder)))
    agent.chmod(0o755)
    file = write_goal(folder, GOAL.replace("OUT", str(folder)).replace("AGENT", str(agent)))
    body = {"goal_file": file.read_text(), "source_path": str(file), "path": os.environ["PATH"]}
    return town.ask("kzt-owner", "POST", "/v1/goals", body)


def _read(town: Town) -> dict[str, Any]:
    return town.ask("kzt-member", "GET", SITE)[1]


def _is_lowered(town: Town) -> bool:
    return any("a person restores it" in notice for notice in _read(town).get("notices", ()))


def test_who_is_not_its_owner_and_approves_restores_a_goal_whose_agent_did_harm(
    town: Town, base: Path
) -> None:
    town.kill9()
    town.settings += TOLD.replace("TOLD", str(base / "out" / "told"))
    town.start()
    status, said = _apply(town, base)
    assert status == 201, said
    eventually(lambda: _read(town)["status"] == "holding", within_s=60, what="both are seen green")
    (base / "out" / "mended").unlink()
    eventually(lambda: _is_lowered(town), within_s=60, what="the harm is charged to the agent")
    eventually(lambda: _read(town)["status"] == "stuck", within_s=60, what="it has nowhere to keep work back")
    refused = {
        "kzt-member": "kzt-member (uid",
        "kzt-stranger": "kzt-stranger (uid",
        "kzt-daemon": "kzt-daemon (uid",
        "kzt-operator": "it takes the role approver for goals of kzt-owner",
        "kzt-owner": "it takes the role approver for goals of kzt-owner",
    }
    for who, words in refused.items():
        status, said = town.ask(who, "POST", f"{SITE}/restore", {"reason": "a test"})
        assert (status, said["type"]) == (403, "denied"), f"{who}: {said}"
        assert words in said["detail"], f"{who}: {said}"
    by_root = town.kazictl("restore", "kzt-owner/site", "--reason", "a test")
    assert (by_root.returncode, by_root.stdout) == (1, "")
    assert "it takes the role approver for goals of kzt-owner" in by_root.stderr

    told = base / "out" / "told"
    eventually(
        lambda: told.exists() and told.read_text(), within_s=60, what="whoever has to restore it is told"
    )
    town.kill9()
    town.settings += AN_OWNER_WHO_APPROVES
    town.start()
    assert _is_lowered(town), "a restart forgets no harm"
    status, said = town.ask("kzt-owner", "POST", f"{SITE}/restore", {"reason": "mine"})
    assert (status, said["type"]) == (403, "four_eyes")
    assert said["detail"] == "kzt-owner submitted the goal: somebody else has to restore it"
    assert (base / "out" / "ran").read_text() == "ran\n", "nobody was sent meanwhile"

    assert town.ask("kzt-approver", "POST", f"{SITE}/restore", {"reason": "looked at it"})[0] == 200
    assert not _is_lowered(town)
    status, said = town.ask("kzt-approver", "POST", f"{SITE}/restore", {"reason": "once more"})
    assert (status, said["type"], said["detail"]) == (409, "conflict", "nothing is lowered")
    assert town.ask("kzt-owner", "POST", f"{SITE}/resume", {"reason": "it may act again"})[0] == 200
    eventually(lambda: _read(town)["status"] == "holding", within_s=60, what="the agent mends it in force")
    records = json.loads(town.kazictl("audit", "show", "kzt-owner/site", "--json").stdout)["records"]
    written = [(r["type"], r["event"].get("by")) for r in records if r["type"].startswith("autonomy.")]
    assert written == [("autonomy.lowered", None), ("autonomy.restored", "kzt-approver")]
    eventually(lambda: "was restored" in told.read_text(), within_s=60, what="and when it is over")
    subjects = {json.loads(line)["data"]["subject"] for line in told.read_text().splitlines() if line}
    assert subjects == {
        "kazid: kzt-owner/site acts below its level for what its agent did",
        "kazid: kzt-owner/site was restored by kzt-approver",
    }
