"""Work that conflicts with a base that moved: laid open in a tree of our own, resolved there, landed; or a person's."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.adapters.landing_yard import Yard, environment, forge, own_tree, refusal, rest, yard
from tests.fixtures.fake_forge import FakeForge
from tests.system.delivery_house import git

__all__ = ["environment", "forge", "yard"]


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
