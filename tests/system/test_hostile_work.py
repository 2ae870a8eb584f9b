"""Workspaces that vanish, move or never answer, and remedies and agents that turn against their daemon.

Each ends as something that is said, and every other goal goes on.
"""

import json
import os
import shutil

import pytest

from tests.system.hostile_lab import MB, Lab, lab, only_lab
from tests.system.house import BIN, write_goal

__all__ = ["lab", "only_lab"]

IN_WORKSPACE = """
id = "NAME"
standing = STANDING
[observe]
interval = "500ms"
recheck = "200ms"
[[predicate]]
id = "there"
provider = "custom_script"
live = LIVE
cmd = "test"
args = ["-e", "there"]
[[remedy]]
cmd = "sh"
args = ["-c", "REMEDY"]
"""


def in_workspace(name: str, *, remedy: str = "touch there", live: bool = False, standing: bool = True) -> str:
    text = IN_WORKSPACE.replace("NAME", name).replace("REMEDY", remedy)
    return text.replace("LIVE", str(live).lower()).replace("STANDING", str(standing).lower())


def is_stuck(lab: Lab, name: str, cause: str) -> bool:
    document = lab.status(name)
    return (document["status"], document["cause"]) == ("stuck", cause)


@pytest.mark.parametrize("live", [False, True], ids=["code", "live"])
def test_a_workspace_that_vanishes_is_stuck_and_said_and_left_when_it_is_back(lab: Lab, live: bool):
    folder = lab.base / "w" / "vanishing"
    lab.apply("vanishing", in_workspace("vanishing", live=live), folder=folder)
    lab.until(lambda: lab.status("vanishing")["status"] == "holding", "it holds")
    with lab.others_go_on():
        shutil.rmtree(folder)
        lab.until(lambda: is_stuck(lab, "vanishing", "workspace_missing"), "its end is said")
        seen = lab.verdict("vanishing")
        assert (seen["verdict"], seen["reason"]) == ("error", "workspace_missing")
        run = lab.daemon.kazictl("status", "vanishing")
        assert run.returncode == 3
        assert str(folder) in run.stdout
        assert not folder.exists(), "nobody makes it up"
        folder.mkdir()
        (folder / "there").touch()
        lab.until(lambda: lab.status("vanishing")["status"] == "holding", "a green ends it")


def test_a_workspace_that_vanishes_under_a_remedy_ends_as_stuck(lab: Lab):
    folder = lab.base / "w" / "pulled"
    text = in_workspace("pulled", remedy="touch started; sleep 1; touch there", standing=False)
    with lab.others_go_on():
        lab.apply("pulled", text, folder=folder)
        lab.until((folder / "started").exists, "the remedy runs")
        shutil.rmtree(folder)
        lab.until(lambda: is_stuck(lab, "pulled", "workspace_missing"), "its end is said")
        assert not folder.exists()


@pytest.mark.parametrize("has_acted", [True, False], ids=["after-an-act", "before-any-act"])
def test_nothing_acts_in_a_folder_put_in_the_workspaces_place(lab: Lab, has_acted: bool):
    folder = lab.base / "w" / "moved"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not has_acted:
        (folder / "there").touch()
    lab.apply("moved", in_workspace("moved", live=True), folder=folder)
    lab.until(lambda: lab.status("moved")["status"] == "holding", "it holds")
    with lab.others_go_on():
        aside = folder.with_name(f"aside-{has_acted}")
        folder.rename(aside)
        folder.mkdir()
        lab.until(lambda: is_stuck(lab, "moved", "workspace_moved"), "its end is said")
        assert list(folder.iterdir()) == [], "the remedy did not run in it"


def test_a_goal_that_moves_to_another_workspace_acts_there(lab: Lab):
    here, there = lab.base / "w" / "from", lab.base / "w" / "to"
    lab.apply("moving", in_workspace("moving", live=True), folder=here)
    lab.until((here / "there").exists, "it acted in the first")
    with lab.others_go_on():
        lab.apply("moving", in_workspace("moving", live=True), folder=there)
        lab.until((there / "there").exists, "it acts in the second")
        lab.until(lambda: lab.status("moving")["status"] == "holding", "it holds")


def test_files_that_never_answer_hang_nobody(lab: Lab):
    """A named pipe without a writer: opening it to read waits for ever."""
    folder = lab.base / "w" / "pipes"
    (folder / "deep").mkdir(parents=True)
    for name in ("there", "goal.toml", "f.feature", "deep/pipe"):
        os.mkfifo(folder / name)
    feature = '[[predicate]]\nid = "f"\nprovider = "gherkin"\nfeature = "f.feature"\n'
    with lab.others_go_on():
        request = lab.request(in_workspace("pipes"), folder)
        answers = lab.all_at_once([("POST", "/v1/goals", request)])
        assert [status for status, _ in answers] == [201]
        lab.until(
            lambda: lab.status("pipes")["predicates"][0]["verdict"] == "pass", "its folder is looked at"
        )
        lint = {**request, "goal_file": f'id = "f"\n{feature}'}
        del lint["path"]
        for status, report in lab.all_at_once([("POST", "/v1/lint", lint)] * 5):
            assert (status, report["exit_code"]) == (200, 2)
            assert any("f.feature" in problem["message"] for problem in report["problems"]), report


def test_a_remedy_that_prints_1_gb_costs_neither_disk_nor_memory(lab: Lab):
    folder = lab.base / "w" / "loud"
    script = "head -c 1000000000 /dev/zero; touch there"
    text = in_workspace("loud", remedy=script, standing=False).replace(
        "[[remedy]]", '[[remedy]]\ntimeout = "2m"'
    )
    with lab.others_go_on(), lab.bounded_memory():
        uid = lab.apply("loud", text, folder=folder)["uid"]
        lab.until(lambda: lab.status("loud")["status"] == "converged", "it converges", within_s=100)
        sizes = [
            f.stat().st_size for f in (lab.daemon.state_dir / "attempts" / uid).rglob("*") if f.is_file()
        ]
        assert sum(sizes) < 20 * MB
        (attempt,) = lab.status("loud")["attempts"]
        assert (attempt["ending"], attempt["exit_code"]) == ("exited", 0)
        log = lab.ask("GET", "/v1/goals/@me/loud/log").body
        assert b"bytes were not kept" in log
        assert len(log) < 20 * MB


def test_a_remedy_that_kills_its_shim_ends_as_killed_and_leaves_nothing(lab: Lab):
    folder = lab.base / "w" / "shot"
    script = "setsid sleep 1000 & (sleep 1000 &) ; kill -KILL $PPID; sleep 1000"
    text = in_workspace("shot", remedy=script, standing=False).replace(
        "[[remedy]]", "[[remedy]]\nattempts = 1"
    )
    with lab.others_go_on():
        lab.apply("shot", text, folder=folder)
        lab.until(lambda: is_stuck(lab, "shot", "no_progress"), "its end is said")
        (attempt,) = lab.status("shot")["attempts"]
        assert attempt["ending"] == "killed"
        lab.until(lambda: not lab.left(), f"nothing is left running: {lab.left()}")


AGENT = r"""#!/bin/sh
# An agent that would rather be its owner. What it is told is in answers/, exit codes in answers/codes.
mkdir answers
ask() {
    name=$1
    shift
    KAZICTL "$@" --json --socket SOCKET > "answers/$name" 2>&1
    echo "$name $?" >> answers/codes
}
for goal in agent victim; do
    ask "suspend-$goal" suspend $goal --reason mine
    ask "resume-$goal" resume $goal --reason mine
    ask "stop-$goal" stop $goal
    ask "reconcile-$goal" reconcile $goal
    ask "delete-$goal" delete $goal
    ask "apply-$goal" apply $goal.toml --detach
done
ask apply-new apply new.toml --detach
ask check apply victim.toml --check
ask restart restart
ask read-victim status victim
ask events events
ask own status agent
# Without marker, session or parent: it still descends from the attempt.
setsid -f env -i sh -c 'KAZICTL delete victim --json --socket SOCKET > answers/shaken-off 2>&1
    echo "shaken-off $?" >> answers/codes; touch answers/over'
while ! [ -e answers/over ]; do sleep 0.05; done
touch there
"""


def test_an_agent_that_plays_its_owner_is_denied_and_changes_nothing(lab: Lab):
    folder = lab.base / "w" / "agent"
    folder.mkdir(parents=True)
    script = folder / "agent.sh"
    script.write_text(
        AGENT.replace("KAZICTL", str(BIN / "kazictl")).replace("SOCKET", str(lab.daemon.socket))
    )
    script.chmod(0o755)
    own = in_workspace("agent", remedy="exec ./agent.sh", live=True)
    for name in ("agent", "victim", "new"):
        changed = in_workspace(name, remedy="touch stolen; touch there").replace("500ms", "700ms")
        write_goal(folder, changed, name=f"{name}.toml")
    lab.apply("victim", in_workspace("victim"))
    lab.until(lambda: lab.status("victim")["status"] == "holding", "the victim holds")
    victim = lab.status("victim")
    with lab.others_go_on():
        lab.apply("agent", own, folder=folder)
        lab.until(lambda: lab.status("agent")["status"] == "holding", "its attempt ended well", within_s=60)
    codes = dict(line.split() for line in (folder / "answers" / "codes").read_text().splitlines())
    told = {name: json.loads((folder / "answers" / name).read_text()) for name in codes}
    assert (codes.pop("own"), told.pop("own")["status"]) == ("7", "acting"), "its own goal it may read"
    assert len(codes) == 18
    for name, code in codes.items():
        assert (code, told[name]["type"]) == ("1", "denied"), (name, code, told[name])
    now = lab.status("victim")
    assert [now[key] for key in ("uid", "generation", "epoch")] == [
        victim[key] for key in ("uid", "generation", "epoch")
    ]
    for name in ("agent", "victim"):
        done = {e["type"] for e in lab.daemon.events(name)}
        assert not done & {"goal.suspended", "goal.resumed", "goal.stopped", "goal.deleted"}, done
        applied = [e for e in lab.daemon.events(name) if e["type"] == "goal.applied"]
        assert len(applied) == 1
    assert lab.ask("GET", "/v1/goals/@me/new").status == 404
    assert not list((lab.base / "w").rglob("stolen"))
