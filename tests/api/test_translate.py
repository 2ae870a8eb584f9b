"""Core values as wire documents: wall times, honest verdicts, nulls for what is unknown, one exit code per status."""

from typing import Any

import msgspec
import pytest

from kazid.api.translate import exit_code_of, explanation, goal_document, goal_summary
from kazid.core.ids import AttemptId
from kazid.core.progress import ActSummary, Desired
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Direction, Finding, Verdict, failed, passed, unknown
from kazid.runtime.views import GoalView
from kazid.wire.exit_codes import BY_STATUS
from kazid.wire.messages import PredicateItem
from tests.api.fake_service import NOW, a_view
from tests.builders import FAIL, PASS, WALL_0, a_goal, a_harness, a_predicate, a_progress, a_state, an_episode


def _view_of(verdict: Verdict | None, *, live: bool = True, progress: Any = None, **state: Any) -> GoalView:
    goal = a_goal(a_predicate("p", live=live), standing=True)
    states = {"p": a_state(verdict, **{"started_s": 90.0, "passes": 2, "fails": 2, **state})}
    return a_view(goal, a_progress(states=states, **(progress or {})))


def _item(view: GoalView) -> PredicateItem:
    (item,) = goal_document(view).predicates
    return item


def test_a_look_is_dated_in_wall_seconds() -> None:
    item = _item(_view_of(PASS))
    assert item.observed_at == WALL_0 + 90
    assert item.next_look_at is not None
    assert item.next_look_at >= NOW.wall_s


@pytest.mark.parametrize(
    ("view", "verdict", "reason"),
    [
        pytest.param(_view_of(PASS), "pass", None, id="fresh-green"),
        pytest.param(_view_of(FAIL), "fail", "unreachable", id="fresh-red"),
        pytest.param(_view_of(None), "unknown", "pending", id="never-looked-at"),
        pytest.param(_view_of(PASS, is_stale=True), "unknown", "stale", id="green-marked-stale"),
        pytest.param(_view_of(PASS, started_s=1.0), "unknown", "stale", id="green-too-old"),
        pytest.param(_view_of(FAIL, is_stale=True), "unknown", "stale", id="red-marked-stale"),
        pytest.param(
            _view_of(PASS, progress={"last_act_ended_s": 95.0}),
            "unknown",
            "outdated",
            id="green-from-before-the-act",
        ),
        pytest.param(
            _view_of(PASS, progress={"asked_s": 95.0}),
            "unknown",
            "outdated",
            id="green-from-before-reconcile",
        ),
        pytest.param(
            _view_of(FAIL, progress={"last_act_ended_s": 95.0}),
            "fail",
            "unreachable",
            id="red-from-before-the-act",
        ),
    ],
)
def test_only_what_counts_as_green_is_shown_as_pass(view: GoalView, verdict: str, reason: str | None) -> None:
    item = _item(view)
    assert (item.verdict, item.reason) == (verdict, reason)


def test_a_verdict_keeps_its_evidence_score_and_findings() -> None:
    verdict = Verdict(
        status=failed("x").status,
        reason="low",
        detail="too low",
        evidence={"stdout": "..."},
        findings=(Finding(message="m", file="a.py", line=3),),
        score=0.5,
        direction=Direction.HIGHER_BETTER,
    )
    item = msgspec.json.decode(msgspec.json.encode(_item(_view_of(verdict))))
    assert item["evidence"] == {"stdout": "..."}
    assert item["findings"] == [{"message": "m", "file": "a.py", "line": 3}]
    assert (item["score"], item["direction"], item["detail"]) == (0.5, "higher_better", "too low")


@pytest.mark.parametrize("status", list(GoalStatus))
def test_every_status_has_its_exit_code_and_a_next_action(status: GoalStatus) -> None:
    document = goal_document(a_view(status=status))
    assert document.exit_code == BY_STATUS[status.value]
    assert document.next_action in {"done", "wait", "investigate", "raise_budget", "resume", "apply"}
    assert (document.next_action == "done") == (document.exit_code == 0)


@pytest.mark.parametrize("status", list(GoalStatus))
def test_whoever_has_to_do_something_is_told_what(status: GoalStatus) -> None:
    steps = explanation(a_view(status=status)).next_steps
    goes_on = {GoalStatus.CONVERGED, GoalStatus.HOLDING, GoalStatus.OBSERVING, GoalStatus.ACTING}
    assert bool(steps) == (status not in goes_on | {GoalStatus.WAITING})
    assert not any("REF" in step for step in steps)


def test_a_fence_that_is_not_acknowledged_is_under_way() -> None:
    view = a_view(status=GoalStatus.SUSPENDED, is_acknowledged=False, pids=(7,))
    assert exit_code_of(view) == 7
    assert (goal_document(view).problem, list(goal_document(view).pids)) == ("suspending", [7])


def test_a_degraded_daemon_says_so_in_every_document() -> None:
    document = goal_document(a_view(notices=("degraded: disk full",)))
    assert (document.problem, document.notices) == ("degraded", ("degraded: disk full",))


def test_what_is_unknown_is_null_and_never_zero() -> None:
    document = goal_document(a_view(progress=a_progress(episode=an_episode(clock_since_s=90.0))))
    spent = document.budget_spent
    assert (spent.tokens, spent.cost_usd, spent.wall_clock_ms) == (None, None, 10_000)
    assert goal_document(a_view(progress=a_progress())).budget_spent.wall_clock_ms is None


def test_budget_is_spelled_as_in_a_goal_file() -> None:
    goal = a_goal(harness=a_harness())
    goal = msgspec.structs.replace(
        goal,
        budget=msgspec.structs.replace(
            goal.budget, wall_clock_s_max=90.5, iterations_max=3, cost_usd_max=1.5
        ),
    )
    assert goal_document(a_view(goal)).budget == {
        "max_iterations": 3,
        "max_wall_clock_ms": 90_500,
        "max_tokens": None,
        "max_dispatches": 10,
        "max_dispatches_per_day": 20,
        "max_cost_usd": 1.5,
        "cached_read_weight": 0.1,
        "windows": [
            {
                "per_s": 86_400.0,
                "max_dispatches": 20,
                "max_tokens": None,
                "max_cost_usd": None,
                "dispatches": 0,
                "tokens": None,
                "cost_usd": None,
            }
        ],
    }


def test_a_finished_episode_still_tells_what_it_cost_and_tried() -> None:
    act = ActSummary(
        attempt_id=AttemptId("a1"),
        number=1,
        rung="remedy:0",
        title="restart",
        predicates=(),
        ending="exited",
        exit_code=0,
    )
    last = an_episode(iterations=2, dispatches=1, acts=(act,), clock_since_s=None, clock_used_s=1.5)
    document = goal_document(a_view(progress=a_progress(last_episode=last, status=GoalStatus.HOLDING)))
    assert (document.episode, document.iterations, document.dispatches) == (None, 2, 1)
    assert [(a.number, a.ending, a.exit_code) for a in document.attempts] == [(1, "exited", 0)]
    assert document.budget_spent.wall_clock_ms == 1500


def test_a_goal_that_looks_no_more_has_no_next_look() -> None:
    assert _item(_view_of(PASS, progress={"desired": Desired.STOPPED})).next_look_at is None


def test_a_row_counts_greens_that_count() -> None:
    goal = a_goal(a_predicate("a"), a_predicate("b"), a_predicate("c"))
    states = {"a": a_state(passed(), started_s=90.0, passes=1), "b": a_state(FAIL, started_s=90.0, fails=1)}
    row = goal_summary(
        a_view(goal, a_progress(states=states, status=GoalStatus.STUCK, cause=Cause.NO_EXECUTOR))
    )
    assert (row.green, row.total, row.failing, row.cause) == (1, 3, ["b"], "no_executor")


def test_what_the_route_says_wins_over_the_view() -> None:
    document = goal_document(a_view(), problem="timeout", exit_code=124, applied="attached", notices=("n",))
    assert (document.problem, document.exit_code, document.applied, document.notices) == (
        "timeout",
        124,
        "attached",
        ("n",),
    )


def test_what_is_waived_is_neither_green_nor_hidden() -> None:
    waived = msgspec.structs.replace(a_predicate("metrics"), on_unknown="waive")
    states = {"p": a_state(PASS, passes=1), "metrics": a_state(unknown("not_applicable"))}
    progress = a_progress(states=states, status=GoalStatus.HOLDING)
    view = a_view(a_goal(a_predicate("p"), waived, standing=True), progress)
    view = msgspec.structs.replace(view, status=GoalStatus.HOLDING)
    document, row = goal_document(view), goal_summary(view)
    assert [(p.verdict, p.waived) for p in document.predicates] == [("pass", False), ("unknown", True)]
    assert (document.waived, row.waived, row.green, row.total) == (1, 1, 1, 2)
    view = msgspec.structs.replace(view, status=GoalStatus.OBSERVING)
    assert goal_document(view).waived == 0, "only a green status leaves anything out"
