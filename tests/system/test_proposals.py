"""A goal that may only propose, under a real daemon: one sealed document, and nothing leaves the goal's own tree."""

import hashlib
import json
import shlex
import subprocess
from pathlib import Path

from tests.system.house import RealDaemon
from tests.system.test_worktrees import FIX, git, make_agent, make_goal, make_repository


def test_a_proposal_is_a_sealed_patch_that_anybody_can_check_and_apply(
    daemon: RealDaemon, base: Path
) -> None:
    top = make_repository(base / "repo", {"a": "broken\n"})
    agent = make_agent(base, FIX.format(seconds=0))
    goal = make_goal(base, "g", top, agent, more='[autonomy]\nlevel = "propose"\n')
    document = daemon.apply(goal, timeout_s=240)
    assert (document["status"], document["cause"]) == ("stuck", "proposed"), document
    assert (top / "a").read_text() == "broken\n"
    assert git("status", "--porcelain", cwd=top) == ""

    told = json.loads(daemon.kazictl("bundle", "g", "--json").stdout)
    proposal = told["bundle"]["proposal"]
    assert told["bundle"]["is_whole"] is True
    assert proposal["reasoning"] == "done"
    assert [(e["id"], e["verdict"]) for e in proposal["evidence"]] == [("fixed", "pass")]
    patch = proposal["patch"]
    printed = subprocess.run(shlex.split(patch["how"]), check=True, capture_output=True).stdout
    assert hashlib.sha256(printed).hexdigest() == patch["sha256"]
    assert printed.decode() == patch["text"]

    shown = daemon.kazictl("bundle", "g").stdout
    for words in (proposal["sha256"], patch["sha256"], "+fixed", "done"):
        assert words in shown, shown
    subprocess.run(["git", "-C", top, "apply"], input=printed, check=True)
    assert (top / "a").read_text() == "fixed\n"
