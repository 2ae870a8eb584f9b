"""The program that lands, on real repositories: what each mode leaves, through cuts and moved bases.

Whatever ends a landing, the user's files, index, branches and HEAD are as they were. Refusals are in
test_landing_refusals.py, conflicts in test_landing_conflicts.py, what follows a landing in test_deploying.py.
"""

import os
import subprocess
from typing import Any

import msgspec
import pytest

from kazid.core.delivery import Outcome
from kazid.runtime.delivering import PROGRAM, outcome_of
from tests.adapters.landing_yard import Yard, environment, forge, local, own_tree, rest, yard
from tests.fixtures.fake_forge import FakeForge
from tests.system.delivery_house import git

__all__ = ["environment", "forge", "local", "yard"]


@pytest.mark.parametrize("mode", ["commit", "branch", "pr", "merge"])
def test_there_is_nothing_to_land_where_nothing_was_done(yard: Yard, forge: FakeForge, mode: str) -> None:
    assert yard.begins(mode, forge=rest(forge))["status"] == "pass"
    assert forge.pulls == []


def test_a_commit_is_made_on_the_goals_branch_and_the_users_tree_stays_as_it_is(yard: Yard) -> None:
    yard.begins("commit")
    yard.write("code.txt", "one\nTWO\nthree\n")
    yard.write("new/file.txt", "new\n")
    assert yard.run("look", yard.plan("commit"))["reason"] == "uncommitted"
    before = yard.state()
    assert yard.lands("commit")["name"] == "committed"
    assert yard.state() == before
    assert git(yard.work, "show", "task/g:new/file.txt") == "new"
    assert git(yard.work, "log", "--format=%s", "main..task/g") == "mend it"
    assert git(yard.work, "ls-remote", "origin", "task/g") == ""


def test_a_branch_is_pushed_and_grows_with_the_next_change(yard: Yard) -> None:
    yard.begins("branch")
    yard.write("code.txt", "1\n")
    yard.lands("branch")
    yard.write("code.txt", "2\n")
    assert yard.run("look", yard.plan("branch"))["reason"] == "uncommitted"
    yard.lands("branch")
    assert git(yard.bare, "show", "task/g:code.txt") == "2"
    assert git(yard.bare, "rev-list", "--count", "main..task/g") == "2"
    assert git(yard.bare, "rev-parse", "main") == yard.began


def test_a_branch_that_is_pushed_away_is_not_landed_any_more(yard: Yard) -> None:
    yard.begins("branch")
    yard.write("code.txt", "1\n")
    yard.lands("branch")
    git(yard.bare, "update-ref", "-d", "refs/heads/task/g")
    assert yard.run("look", yard.plan("branch"))["reason"] == "not_pushed"


def test_a_pull_request_is_opened_once_and_never_merged(yard: Yard, forge: FakeForge) -> None:
    yard.begins("pr", forge=rest(forge))
    yard.write("code.txt", "1\n")
    yard.lands("pr", forge=rest(forge))
    yard.lands("pr", forge=rest(forge))
    assert [(p["title"], p["state"]) for p in forge.pulls] == [("mend it", "open")]
    assert not [c for c in forge.calls if "merge" in c]


def test_a_merge_waits_for_checks_and_is_a_rebase(yard: Yard, forge: FakeForge) -> None:
    yard.begins(forge=rest(forge))
    yard.write("code.txt", "1\n")
    assert yard.lands(forge=rest(forge))["name"] == "merged"
    assert git(yard.bare, "log", "--format=%s %cn", "-1", "main") == "mend it forge"
    assert git(yard.bare, "rev-parse", "main^") == yard.began
    # The tree that it came from knows that its content is the base's now.
    assert git(yard.work, "rev-parse", "main") == git(yard.bare, "rev-parse", "main")
    assert git(yard.work, "status", "--porcelain") == ""


def test_without_a_forge_the_base_is_pushed_to(yard: Yard) -> None:
    yard.begins()
    yard.write("code.txt", "1\n")
    yard.lands()
    assert git(yard.bare, "show", "main:code.txt") == "1"


def test_without_a_remote_the_base_goes_forward_here(local: Yard) -> None:
    local.begins()
    local.write("code.txt", "1\n")
    local.lands()
    assert git(local.work, "show", "main:code.txt") == "1"
    assert git(local.work, "status", "--porcelain") == ""


def test_commits_of_the_agent_itself_are_landed_as_they_are(yard: Yard) -> None:
    yard.begins()
    yard.write("code.txt", "1\n")
    git(yard.work, "commit", "--quiet", "-am", "by the agent")
    assert yard.run("look", yard.plan())["reason"] == "not_merged"
    yard.lands()
    assert git(yard.bare, "log", "--format=%s", "-1", "main") == "by the agent"


def test_a_tree_of_our_own_is_rebased_onto_a_moved_base_and_merged_after_it_was_verified_there(
    yard: Yard, forge: FakeForge
) -> None:
    tree = own_tree(yard)
    before = yard.state()
    yard.write("code.txt", "one\ntwo\n3\n", where=tree)
    theirs = yard.somebody_pushes("other.txt", "newer\n")
    asked: dict[str, Any] = {"tree": tree, "is_ours": True, "forge": rest(forge)}
    assert yard.run("land", yard.plan(**asked), code=0)["name"] == "rebased"
    assert (tree / "other.txt").read_text() == "newer\n"
    assert yard.lands(**asked)["name"] == "merged"
    assert git(yard.bare, "rev-parse", "main^") == theirs
    assert yard.state() == before


def test_a_branch_that_was_pushed_before_a_rebase_is_replaced_only_where_it_is_this_work(
    yard: Yard, forge: FakeForge
) -> None:
    tree = own_tree(yard)
    yard.write("code.txt", "one\ntwo\n3\n", where=tree)
    asked: dict[str, Any] = {"tree": tree, "is_ours": True}
    yard.run("land", yard.plan("branch", **asked), code=0)
    yard.somebody_pushes("other.txt", "newer\n")
    assert yard.run("land", yard.plan(**asked, forge=rest(forge)), code=0)["name"] == "rebased"
    yard.lands(**asked, forge=rest(forge))
    assert git(yard.bare, "show", "main:code.txt").endswith("3")


def test_a_local_base_that_is_checked_out_goes_forward_under_its_user(local: Yard) -> None:
    tree = own_tree(local)
    local.write("code.txt", "1\n", where=tree)
    local.write("notes.txt", "mine\n")
    local.lands(tree=tree, is_ours=True)
    assert (local.work / "code.txt").read_text() == "1\n"
    assert (local.work / "notes.txt").read_text() == "mine\n"
    assert git(local.work, "status", "--porcelain") == "?? notes.txt"


def test_a_landing_that_was_cut_off_anywhere_is_landed_by_the_next(yard: Yard) -> None:
    yard.begins("branch")
    yard.write("code.txt", "1\n")
    # As a kill right after the commit leaves it: a tree of ours, and a branch that was not pushed.
    yard.run("land", yard.plan("commit"), code=0)
    git(yard.work, "worktree", "add", "--quiet", "--detach", str(yard.base / "scratch" / "commit"), "main")
    yard.write("code.txt", "2\n")
    yard.lands("branch")
    assert git(yard.bare, "show", "task/g:code.txt") == "2"


def test_the_program_reads_its_plan_from_stdin_and_answers_on_its_last_line(yard: Yard) -> None:
    yard.begins("commit")
    yard.write("code.txt", "1\n")
    environment = {"PATH": os.environ["PATH"], "HOME": str(yard.base)}
    done = subprocess.run(
        [*PROGRAM, "land"],
        input=msgspec.json.encode(yard.plan("commit")),
        capture_output=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert not done.stderr
    assert outcome_of(done.stdout.decode()) == Outcome(
        name="committed", detail=f"{git(yard.work, 'rev-parse', 'task/g')[:12]} on task/g"
    )
