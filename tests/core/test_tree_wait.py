"""What a goal's code looks wait for: each rule of `core/tree_wait.py` alone."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core import tree_wait
from kazid.core.decide import decide
from kazid.core.decision import Hold
from kazid.core.event import GoalApplied, LookDeferred, PredicateObserved
from kazid.core.fold import Folded, advance, fold
from kazid.core.guards import guards_of
from kazid.core.ids import Epoch, Generation, PredicateId
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.status import GoalStatus
from kazid.core.tree_wait import TreeWait, deferred, holds, is_news, keeps_out, looked, status_of
from kazid.core.vector import assess
from tests.builders import PASS, a_goal, a_predicate, a_remedy

A, B = PredicateId("a"), PredicateId("b")
AT = Now(boot_s=10.0, wall_s=1_700_000_010.0)


def _wait(**discards: int) -> TreeWait:
    return TreeWait(holder="ada/busy", discards={PredicateId(p): n for p, n in discards.items()})


def test_what_was_discarded_is_counted_and_what_only_waits_is_not() -> None:
    wait = deferred(None, (A,), "ada/busy", discarded=False)
    assert wait == _wait(a=0)
    wait = deferred(wait, (A, B), "ada/other", discarded=True)
    assert wait == replace(_wait(a=1, b=1), holder="ada/other")
    assert deferred(wait, (B,), "ada/busy", discarded=True) == _wait(a=1, b=2)
    assert deferred(None, (), "ada/busy", discarded=True) is None


def test_a_look_that_counts_ends_its_own_wait_only() -> None:
    assert looked(_wait(a=2, b=1), A) == _wait(b=1)
    assert looked(_wait(b=1), B) is None
    assert looked(_wait(b=1), A) == _wait(b=1)
    assert looked(None, A) is None


@pytest.mark.parametrize(("discards", "is_first"), [(0, False), (1, False), (2, True), (3, True)])
def test_a_look_discarded_twice_in_a_row_goes_before_the_acts_of_others(
    discards: int, is_first: bool
) -> None:
    assert keeps_out(_wait(a=discards), A) is is_first
    assert not keeps_out(_wait(a=discards), B)
    assert not keeps_out(None, A)


def test_a_wait_is_told_once_for_each_holder_and_look() -> None:
    assert is_news(None, (A,), holder="ada/busy")
    assert not is_news(_wait(a=0, b=0), (A,), holder="ada/busy")
    assert is_news(_wait(a=0), (A, B), holder="ada/busy")
    assert is_news(_wait(a=0), (A,), holder="ada/other")


@pytest.mark.parametrize(
    ("predicates", "otherwise", "status"),
    [
        pytest.param((A,), GoalStatus.OBSERVING, GoalStatus.WAITING, id="all-that-is-due-waits"),
        pytest.param((A,), GoalStatus.ACTING, GoalStatus.WAITING, id="also-in-an-episode"),
        pytest.param((A, B), GoalStatus.ACTING, GoalStatus.ACTING, id="something-else-goes-on"),
        pytest.param((), GoalStatus.OBSERVING, GoalStatus.OBSERVING, id="nothing-is-due"),
        pytest.param((A,), GoalStatus.STUCK, GoalStatus.STUCK, id="a-stop-stays-one"),
    ],
)
def test_waiting_is_said_where_nothing_else_goes_on(
    predicates: Any, otherwise: GoalStatus, status: GoalStatus
) -> None:
    assert status_of(_wait(a=0), predicates, otherwise) is status
    assert status_of(None, predicates, otherwise) is otherwise


def test_a_live_look_is_of_no_tree() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b", live=True), workspace="/w")
    assert tree_wait.tree_of(goal, goal.predicate(A), None) == "/w"
    assert tree_wait.tree_of(goal, goal.predicate(B), None) is None
    assert tree_wait.tree_of(replace(goal, workspace=None), goal.predicate(A), None) is None


def _progress() -> tuple[Any, Progress]:
    goal = a_goal(a_predicate("a"), a_predicate("b", live=True), remedies=[a_remedy()], workspace="/w")
    applied = GoalApplied(
        goal=goal, generation=Generation(1), epoch=Epoch(1), spec_sha256="s", fresh=True, by="ada"
    )
    return goal, fold(Folded(None, Progress()), applied, at=AT).progress


def test_the_fold_keeps_a_wait_until_its_look_and_forgets_it_with_the_spec() -> None:
    goal, progress = _progress()
    told = LookDeferred(predicates=(A, PredicateId("gone")), holder="ada/busy", was_discarded=True)
    progress = advance(goal, progress, told, at=AT)
    assert progress.tree_wait == _wait(a=1)
    assert (
        advance(goal, progress, LookDeferred(predicates=(PredicateId("gone"),), holder="x"), at=AT)
        == progress
    )
    seen = PredicateObserved(
        predicate_id=A, verdict=PASS, started_s=11.0, ended_s=12.0, generation=Generation(1)
    )
    assert advance(goal, progress, seen, at=AT).tree_wait is None
    newer = GoalApplied(
        goal=goal, generation=Generation(2), epoch=Epoch(2), spec_sha256="t", fresh=False, by="ada"
    )
    assert fold(Folded(goal, progress), newer, at=AT).progress.tree_wait is None


def test_explain_names_who_acts_in_the_tree_and_what_is_left_when_that_ends() -> None:
    goal, progress = _progress()
    goal = replace(goal, standing=True, predicates=goal.predicates[:1])
    progress = advance(goal, progress, LookDeferred(predicates=(A,), holder="ada/busy"), at=AT)
    vector = assess(goal, progress, AT)
    decision = decide(goal, progress, vector, AT)
    assert isinstance(decision, Hold)
    assert decision.status is GoalStatus.WAITING
    named = guards_of(goal, progress, vector, AT)
    assert [(g.name, tuple(g.predicates)) for g in named] == [("lease", (A,)), ("observe", (A,))]
    assert "ada/busy" in named[0].reason
    assert holds(progress.tree_wait, A)
