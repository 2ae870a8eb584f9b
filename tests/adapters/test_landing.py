"""The program that lands, on real repositories: what each mode leaves, and how everything in its way is named.

Whatever ends a landing, the user's files, index, branches and HEAD are as they were.
"""

import contextlib
import io
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kazid.adapters.system.landing.__main__ import run
from kazid.core.delivery import OUTCOME_MARK, Deploy, Forge, Integration, Outcome, Plan
from kazid.runtime.delivering import PROGRAM, outcome_of
from tests.fixtures.fake_forge import TOKEN, FakeForge
from tests.system.delivery_house import git


class Yard:
    """A remote, a clone with one commit, and the program."""

    def __init__(self, base: Path, *, has_remote: bool = True) -> None:
        self.base, self.work, self.bare = base, base / "work", base / "remote.git"
        self.has_remote = has_remote
        if has_remote:
            git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
            git(base, "clone", "--quiet", str(self.bare), str(self.work))
        else:
            git(base, "init", "--quiet", "--initial-branch=main", str(self.work))
        git(self.work, "checkout", "--quiet", "-B", "main")
        self.write("code.txt", "one\ntwo\nthree\n")
        self.write("other.txt", "theirs\n")
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "-m", "begin")
        if has_remote:
            git(self.work, "push", "--quiet", "origin", "main")
            git(self.work, "remote", "set-head", "origin", "main")
        self.began = git(self.work, "rev-parse", "HEAD")
        self.first: dict[str, Any] = {}

    def write(self, name: str, text: str, *, where: Path | None = None) -> None:
        path = (where or self.work) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def somebody_pushes(self, name: str, text: str) -> str:
        other = self.base / "other"
        if not other.exists():
            git(self.base, "clone", "--quiet", str(self.bare), str(other))
        git(other, "pull", "--quiet", "--rebase", "origin", "main")
        self.write(name, text, where=other)
        git(other, "add", "--all")
        git(other, "commit", "--quiet", "-m", f"theirs: {name}")
        git(other, "push", "--quiet", "origin", "HEAD:main")
        return git(other, "rev-parse", "HEAD")

    def somebody_deletes(self, name: str) -> None:
        self.somebody_pushes("more.txt", "more\n")
        other = self.base / "other"
        git(other, "rm", "--quiet", name)
        git(other, "commit", "--quiet", "-m", f"theirs: without {name}")
        git(other, "push", "--quiet", "origin", "HEAD:main")

    def plan(self, mode: str = "merge", **more: Any) -> Plan:
        tree = more.pop("tree", self.work)
        forge = more.pop("forge", Forge(kind="none"))
        paths = more.pop("paths", ())
        integration = Integration(mode=mode, branch="task/g", paths=paths, forge=forge, checks_timeout_s=10)
        return Plan(
            goal="g",
            tree=str(tree),
            scratch=str(self.base / "scratch"),
            integration=integration,
            since=self.first.get("since", self.began),
            began_in=self.first.get("top", ""),
            foreign=self.first.get("foreign", {}),
            title="mend it",
            body="- tests holds",
            **more,
        )

    def run(self, verb: str, plan: Plan, *, code: int | None = None) -> Any:
        """As the program does, without the start of an interpreter for each."""
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            if verb == "look":
                plan = msgspec.structs.replace(plan, scratch=str(self.base / "looks"))
            ended = anyio.run(run, verb, plan)
        if verb == "look":
            return json.loads(printed.getvalue())
        return self.outcome(printed.getvalue(), ended, code)

    def outcome(self, printed: str, ended: int, code: int | None) -> Any:
        line = next(line for line in printed.splitlines() if line.startswith(OUTCOME_MARK))
        outcome = json.loads(line.removeprefix(OUTCOME_MARK))
        if code is not None:
            assert ended == code, outcome
        return outcome

    def begins(self, mode: str = "merge", **more: Any) -> Any:
        """The first look: what it carries is how it began."""
        plan = msgspec.structs.replace(self.plan(mode, **more), since="")
        found = self.run("look", plan)
        self.first = found["carry"]
        return found

    def state(self) -> tuple[str, ...]:
        """All of the user's that no landing may change."""
        files = sorted(p for p in self.work.rglob("*") if p.is_file() and ".git" not in p.parts)
        return (
            git(self.work, "rev-parse", "HEAD"),
            (self.work / ".git" / "HEAD").read_text(),
            git(self.work, "diff", "--cached"),
            git(self.work, "stash", "list"),
            *(f"{p}:{p.read_text()}" for p in files),
        )

    def lands(self, mode: str = "merge", **more: Any) -> Any:
        outcome = self.run("land", self.plan(mode, **more), code=0)
        found = self.run("look", self.plan(mode, **more))
        assert found["status"] == "pass", (outcome, found)
        return outcome


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FORGE_TOKEN", TOKEN)


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path)


@pytest.fixture
def local(tmp_path: Path) -> Yard:
    return Yard(tmp_path, has_remote=False)


@pytest.fixture
def forge(yard: Yard) -> Iterator[FakeForge]:
    forge = FakeForge(yard.bare)
    yield forge
    forge.close()


def rest(forge: FakeForge) -> Forge:
    return Forge(kind="rest", url=forge.url, repo="team/app", token_env="FORGE_TOKEN")


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


def own_tree(yard: Yard) -> Path:
    tree = yard.base / "tree"
    git(yard.work, "worktree", "add", "--quiet", "-b", "task/g", str(tree), "main")
    return tree


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


def refusal(yard: Yard, name: str, **more: Any) -> Any:
    """The landing is refused by this name, and all that is the user's is as it was."""
    before = yard.state()
    outcome = yard.run("land", yard.plan(**more))
    assert outcome["name"] == name, outcome
    assert yard.state() == before
    return outcome


def test_a_moved_base_is_named_where_the_tree_is_the_users(yard: Yard) -> None:
    yard.begins()
    yard.write("code.txt", "1\n")
    theirs = yard.somebody_pushes("other.txt", "newer\n")
    outcome = refusal(yard, "base_moved")
    assert outcome["is_permanent"]
    assert "1 commits" in outcome["detail"]
    assert git(yard.bare, "rev-parse", "main") == theirs


def test_a_merge_conflict_is_laid_open_in_a_tree_of_our_own_and_landed_once_it_is_resolved(
    yard: Yard,
) -> None:
    tree = own_tree(yard)
    yard.write("code.txt", "ours\n", where=tree)
    yard.write("new.txt", "new\n", where=tree)
    asked: dict[str, Any] = {"tree": tree, "is_ours": True}
    yard.run("land", yard.plan("branch", **asked), code=0)
    theirs = yard.somebody_pushes("code.txt", "theirs\n")
    outcome = refusal(yard, "merge_conflict", **asked)
    assert "code.txt" in outcome["detail"]
    assert not outcome["is_permanent"]
    for _ in range(2):
        found = yard.run("look", yard.plan(**asked))
        assert (found["status"], found["reason"]) == ("fail", "merge_conflict")
        assert "+ours" in found["evidence"]["conflict"]
        # Nothing with a mark in it is ever landed, however often it is tried.
        assert "code.txt" in refusal(yard, "merge_conflict", **asked)["detail"]
    assert git(tree, "rev-parse", "task/g") == theirs
    assert git(tree, "status", "--porcelain") == "M code.txt\n?? new.txt"
    yard.write("code.txt", "theirs and ours\n", where=tree)
    assert yard.lands(**asked)["name"] == "merged"
    assert git(yard.bare, "show", "main:code.txt") == "theirs and ours"
    assert git(yard.bare, "show", "main:new.txt") == "new"
    assert git(yard.bare, "rev-parse", "main^") == theirs


def test_a_branch_pushed_before_a_conflict_is_replaced_for_it_is_this_works_own(
    yard: Yard, forge: FakeForge
) -> None:
    tree = own_tree(yard)
    yard.write("code.txt", "ours\n", where=tree)
    asked: dict[str, Any] = {"tree": tree, "is_ours": True}
    yard.run("land", yard.plan("branch", **asked), code=0)
    yard.somebody_pushes("code.txt", "theirs\n")
    asked["forge"] = rest(forge)
    refusal(yard, "merge_conflict", **asked)
    yard.write("code.txt", "theirs and ours\n", where=tree)
    yard.lands(**asked)
    assert git(yard.bare, "show", "main:code.txt") == "theirs and ours"


def test_a_conflict_that_has_no_lines_to_mark_is_for_a_person_and_leaves_the_tree_as_it_was(
    yard: Yard,
) -> None:
    tree = own_tree(yard)
    yard.write("code.txt", "ours\n", where=tree)
    yard.somebody_deletes("code.txt")
    outcome = refusal(yard, "merge_conflict", tree=tree, is_ours=True)
    assert outcome["is_permanent"]
    assert (tree / "code.txt").read_text() == "ours\n"
    assert git(tree, "symbolic-ref", "--short", "HEAD") == "task/g"
    assert git(tree, "status", "--porcelain") == ""


@pytest.mark.parametrize("cut", ["in the rebase", "before the marks", "before the branch moved"])
def test_a_conflict_that_was_cut_off_while_it_was_laid_open_is_taken_up_again(yard: Yard, cut: str) -> None:
    tree = own_tree(yard)
    yard.write("code.txt", "ours\n", where=tree)
    asked: dict[str, Any] = {"tree": tree, "is_ours": True}
    yard.run("land", yard.plan("commit", **asked), code=0)
    tip = git(tree, "rev-parse", "HEAD")
    theirs = yard.somebody_pushes("code.txt", "theirs\n")
    git(tree, "fetch", "--quiet", "origin")
    note = Path(git(tree, "rev-parse", "--path-format=absolute", "--git-path", "kazid-conflict"))
    note.write_text(json.dumps({"tip": tip, "onto": theirs, "files": []}))
    if cut == "in the rebase":
        subprocess.run(["git", "rebase", theirs], cwd=tree, capture_output=True, check=False)
    else:
        git(tree, "checkout", "--quiet", "--detach", theirs)
    if cut == "before the branch moved":
        subprocess.run(["git", "merge", "--squash", tip], cwd=tree, capture_output=True, check=False)
    assert "laid open" in refusal(yard, "merge_conflict", **asked)["detail"]
    assert "ours" in (tree / "code.txt").read_text()
    yard.write("code.txt", "theirs and ours\n", where=tree)
    yard.lands(**asked)


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
        pytest.skip("gh is on PATH")
    refusal(yard, name, forge=settings)


def test_a_landing_that_was_cut_off_anywhere_is_landed_by_the_next(yard: Yard) -> None:
    yard.begins("branch")
    yard.write("code.txt", "1\n")
    # As a kill right after the commit leaves it: a tree of ours, and a branch that was not pushed.
    yard.run("land", yard.plan("commit"), code=0)
    git(yard.work, "worktree", "add", "--quiet", "--detach", str(yard.base / "scratch" / "commit"), "main")
    yard.write("code.txt", "2\n")
    yard.lands("branch")
    assert git(yard.bare, "show", "task/g:code.txt") == "2"


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
