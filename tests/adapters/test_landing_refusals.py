"""What is in the way of a landing, on real repositories: each is named, and all of the user's stays as it was."""

import subprocess

import pytest

from kazid.core.delivery import Forge
from tests.adapters.landing_yard import Yard, environment, forge, refusal, rest, yard
from tests.fixtures.fake_forge import FakeForge
from tests.system.delivery_house import git

__all__ = ["environment", "forge", "yard"]


def test_a_moved_base_is_named_where_the_tree_is_the_users(yard: Yard) -> None:
    yard.begins()
    yard.write("code.txt", "1\n")
    theirs = yard.somebody_pushes("other.txt", "newer\n")
    outcome = refusal(yard, "base_moved")
    assert outcome["is_permanent"]
    assert "1 commits" in outcome["detail"]
    assert git(yard.bare, "rev-parse", "main") == theirs


@pytest.mark.parametrize("hook", ["pre-commit", "commit-msg"])
def test_a_hook_that_fails_is_named_with_what_it_said(yard: Yard, hook: str) -> None:
    path = yard.work / ".git" / "hooks" / hook
    path.write_text("#!/bin/sh\necho not on my watch >&2\nexit 1\n")
    path.chmod(0o755)
    yard.begins()
    yard.write("code.txt", "1\n")
    assert "not on my watch" in refusal(yard, "hook_failed")["detail"]


def test_a_push_that_a_hook_declines_is_named(yard: Yard) -> None:
    path = yard.bare / "hooks" / "pre-receive"
    path.write_text("#!/bin/sh\necho policy says no >&2\nexit 1\n")
    path.chmod(0o755)
    yard.begins("branch")
    yard.write("code.txt", "1\n")
    assert "hook" in refusal(yard, "hook_failed", mode="branch")["detail"]


def test_a_hook_that_changes_what_was_verified_is_refused(yard: Yard) -> None:
    path = yard.work / ".git" / "hooks" / "pre-commit"
    path.write_text("#!/bin/sh\necho tidied > code.txt\ngit add code.txt\n")
    path.chmod(0o755)
    yard.begins()
    yard.write("code.txt", "1\n")
    refusal(yard, "hook_changed_content")


def test_no_hook_runs_that_the_work_itself_changed(yard: Yard) -> None:
    yard.write(".husky/pre-commit", "#!/bin/sh\nexit 0\n")
    git(yard.work, "add", "--all")
    git(yard.work, "commit", "--quiet", "-m", "hooks")
    git(yard.work, "push", "--quiet", "origin", "main")
    git(yard.work, "config", "core.hooksPath", ".husky")
    yard.began = git(yard.work, "rev-parse", "HEAD")
    yard.begins()
    yard.write(".husky/pre-commit", "#!/bin/sh\ntouch /tmp/never\n")
    refusal(yard, "hooks_changed")


def test_a_detached_head_is_named(yard: Yard) -> None:
    git(yard.work, "checkout", "--quiet", "--detach")
    yard.begins()
    yard.write("code.txt", "1\n")
    refusal(yard, "detached_head")


def test_a_bare_repository_is_named(yard: Yard) -> None:
    assert yard.run("land", yard.plan(tree=yard.bare))["name"] == "bare_repository"
    assert yard.run("look", yard.plan(tree=yard.bare))["reason"] == "bare_repository"


def test_a_folder_that_is_no_repository_is_named(yard: Yard) -> None:
    plain = yard.base / "plain"
    plain.mkdir()
    assert yard.run("land", yard.plan(tree=plain))["name"] == "no_repository"


@pytest.mark.parametrize("is_touched", [True, False])
def test_a_dirty_base_is_named_and_nothing_of_it_is_landed(yard: Yard, is_touched: bool) -> None:
    yard.write("other.txt", "half done\n")
    yard.begins()
    yard.write("code.txt", "1\n")
    if is_touched:
        yard.write("other.txt", "half done, and worked on\n")
    assert "other.txt" in refusal(yard, "dirty_base")["detail"]


def test_work_outside_of_the_goals_paths_is_left_where_it_is(yard: Yard) -> None:
    yard.write("other.txt", "half done\n")
    yard.begins(paths=("code.txt",))
    yard.write("code.txt", "1\n")
    yard.lands(paths=("code.txt",))
    assert git(yard.bare, "show", "main:other.txt") == "theirs"
    assert (yard.work / "other.txt").read_text() == "half done\n"
    assert git(yard.work, "status", "--porcelain") == "M other.txt"


def test_what_was_changed_outside_of_the_goals_paths_is_named(yard: Yard) -> None:
    yard.begins(paths=("code.txt",))
    yard.write("code.txt", "1\n")
    yard.write("other.txt", "also\n")
    assert "other.txt" in refusal(yard, "out_of_scope", paths=("code.txt",))["detail"]


def test_commits_that_nobody_published_are_not_published_by_a_goal(yard: Yard) -> None:
    yard.write("other.txt", "private\n")
    git(yard.work, "commit", "--quiet", "-am", "not yet for anybody")
    yard.began = git(yard.work, "rev-parse", "HEAD")
    yard.begins()
    yard.write("code.txt", "1\n")
    refusal(yard, "unpublished_commits")
    assert git(yard.bare, "rev-list", "--count", "main") == "1"


def test_a_branch_of_somebody_else_is_left_alone(yard: Yard) -> None:
    git(yard.work, "checkout", "--quiet", "-b", "task/g")
    yard.write("x", "theirs\n")
    git(yard.work, "add", "--all")
    git(yard.work, "commit", "--quiet", "-m", "theirs")
    git(yard.work, "checkout", "--quiet", "main")
    yard.write("more.txt", "later\n")
    git(yard.work, "add", "--all")
    git(yard.work, "commit", "--quiet", "-m", "later")
    git(yard.work, "push", "--quiet", "origin", "main")
    yard.began = git(yard.work, "rev-parse", "HEAD")
    yard.write("code.txt", "1\n")
    refusal(yard, "branch_exists", mode="commit")


def test_a_history_that_was_rewritten_is_named(yard: Yard) -> None:
    yard.write("code.txt", "0\n")
    git(yard.work, "commit", "--quiet", "-am", "second")
    git(yard.work, "push", "--quiet", "origin", "main")
    yard.began = git(yard.work, "rev-parse", "HEAD")
    yard.begins()
    git(yard.work, "commit", "--quiet", "--amend", "-m", "rewritten")
    refusal(yard, "history_rewritten")


def test_an_unfinished_merge_is_named(yard: Yard) -> None:
    yard.begins()
    (yard.work / ".git" / "MERGE_HEAD").write_text(yard.began + "\n")
    yard.write("code.txt", "1\n")
    refusal(yard, "unfinished_operation")


def test_a_check_that_fails_is_named_and_nothing_is_merged(yard: Yard, forge: FakeForge) -> None:
    forge.checks = {"ci": "failure"}
    yard.begins(forge=rest(forge))
    yard.write("code.txt", "1\n")
    assert "ci" in refusal(yard, "checks_failed", forge=rest(forge))["detail"]
    assert git(yard.bare, "rev-parse", "main") == yard.began


def test_a_forge_that_loses_a_patch_is_found_out(yard: Yard, forge: FakeForge) -> None:
    yard.begins(forge=rest(forge))
    yard.write("code.txt", "1\n")
    git(yard.work, "commit", "--quiet", "-am", "first half")
    yard.write("code.txt", "2\n")
    forge.is_dropping = True
    # What was merged is the first half only, so waiting for the second is in vain.
    plan = yard.plan(forge=rest(forge))
    outcome = yard.run("land", plan)
    assert outcome["name"] == "patch_lost", outcome
    assert yard.run("look", plan)["reason"] == "not_merged"


def test_a_base_that_moves_in_the_last_moment_is_tried_again(yard: Yard, forge: FakeForge) -> None:
    yard.begins(forge=rest(forge))
    yard.write("code.txt", "ours\n")
    forge.before_merge = lambda: yard.somebody_pushes("code.txt", "theirs\n")
    outcome = refusal(yard, "base_moved", forge=rest(forge))
    assert not outcome["is_permanent"]


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        pytest.param(
            Forge(kind="rest", url="http://127.0.0.1:9", repo="a/b"), "forge_unreachable", id="gone"
        ),
        pytest.param(
            Forge(kind="rest", url="http://127.0.0.1:9", repo="a/b", token_env="NO_SUCH"),
            "forge_token_missing",
            id="no-token",
        ),
        pytest.param(Forge(), "no_forge", id="no-gh"),
    ],
)
def test_a_forge_that_cannot_be_asked_is_named(yard: Yard, settings: Forge, name: str) -> None:
    yard.begins()
    yard.write("code.txt", "1\n")
    if (
        settings == Forge()
        and subprocess.run(["sh", "-c", "command -v gh"], capture_output=True).returncode == 0
    ):
        pytest.skip("this case is a machine without gh, and gh is on PATH")
    refusal(yard, name, forge=settings)
