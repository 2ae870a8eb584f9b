"""What follows a landing: a deploy of exactly the landed commit, and which version serves."""

from typing import Any

import msgspec

from kazid.core.delivery import Deploy, Plan
from tests.adapters.landing_yard import Yard, environment, yard
from tests.system.delivery_house import git

__all__ = ["environment", "yard"]


def deploying(yard: Yard, script: str, **more: Any) -> Plan:
    deploy = Deploy(cmd="sh", args=("-c", script), ref="release/{goal}/{short}", env_name="prod", **more)
    return yard.plan("commit", deploy=deploy)


def test_a_deploy_runs_in_a_checkout_of_the_landed_commit_and_is_tagged(yard: Yard) -> None:
    yard.begins("commit")
    yard.write("code.txt", "1\n")
    yard.lands("commit")
    yard.write("code.txt", "1\n")
    said = yard.base / "said"
    script = f'cat code.txt > {said}; echo "$KAZI_DEPLOY_ENV $KAZI_DEPLOY_COMMIT" >> {said}'
    outcome = yard.run("deploy", deploying(yard, script), code=0)
    commit = git(yard.work, "rev-parse", "task/g")
    assert said.read_text() == f"1\nprod {commit}\n"
    assert git(yard.work, "rev-parse", f"release/g/{commit[:12]}") == commit
    assert outcome["name"] == "deployed"


def test_a_deploy_that_fails_tags_nothing_and_says_its_code(yard: Yard) -> None:
    yard.begins("commit")
    outcome = yard.run("deploy", deploying(yard, "exit 7"), code=7)
    assert outcome["name"] == "deploy_failed"
    assert git(yard.work, "tag", "--list") == ""


def test_nothing_is_deployed_that_is_not_landed(yard: Yard) -> None:
    yard.begins("commit")
    yard.write("code.txt", "1\n")
    assert yard.run("deploy", deploying(yard, "touch /nonexistent/x"))["name"] == "not_landed"


def test_an_old_version_never_passes_for_the_new(yard: Yard) -> None:
    yard.begins("commit")
    assert (
        yard.run("look", msgspec.structs.replace(yard.plan("commit"), serving=yard.began))["serves"] is True
    )
    yard.write("code.txt", "1\n")
    yard.lands("commit")
    new = git(yard.work, "rev-parse", "task/g")
    for serving, expected in ((yard.began, False), (new, True), (new[:10], True), ("f" * 40, None)):
        plan = msgspec.structs.replace(yard.plan("commit"), serving=serving)
        assert yard.run("look", plan)["serves"] is expected, serving
