"""How a goal document reads. Documents come from the wire messages, so both sides agree on the fields."""

import io
from typing import Any

import msgspec
import pytest

from kazictl.goal_view import (
    fingerprint,
    goal_lines,
    guard_lines,
    outcome_line,
    spent_text,
    summary_lines,
    window_text,
)
from kazictl.terminal import Terminal
from kazid.wire.messages import AttemptItem, BudgetSpent, FindingItem, PredicateItem
from tests.kazictl.fake_daemon import NOW_S, a_converged_goal, a_goal, a_summary

BARE = Terminal(io.StringIO(), {})


def _json(value: msgspec.Struct) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(value))
    return decoded


def test_status_shows_the_goal_whole() -> None:
    assert (
        "\n".join(goal_lines(_json(a_goal()), BARE, NOW_S))
        == """\
ops/web  acting for 1 min 15 s: trying remedy 0
  one-shot, generation 2, /srv/web, team=web
  episode 3: 2 of 8 iterations, 1 dispatch, 1,200 of 50,000 tokens, 34 s of 10 min

PREDICATE  VERDICT  LOOKED   WHY
tests      pass     3 s ago
livez      fail     1 s ago  unreachable: connection refused

livez
  | url=http://127.0.0.1:1/livez
  | stderr: Traceback
  | stderr:   boom

Held by
  backoff: second try, for 12 s more [livez]

Attempts
  #  BY              ENDED     TOOK   WHAT
  1  remedy:0        exited 0  1.2 s  ./bin/service restart
  2  harness:claude  running          make livez pass

Notices
  file differs from the applied spec

Next: kazictl wait ops/web"""
    )


def test_a_green_goal_shows_no_evidence_and_no_next_step() -> None:
    lines = goal_lines(_json(a_converged_goal()), BARE, NOW_S)
    assert not any(line.startswith(("  |", "Next")) for line in lines)


def test_evidence_is_bounded_and_keeps_the_end() -> None:
    output = "\n".join(f"line {number} " + "x" * 1000 for number in range(1000))
    red = PredicateItem(id="t", provider="p", verdict="fail", live=False, evidence={"stdout": output})
    shown = [
        line for line in goal_lines(_json(a_goal(predicates=[red])), BARE, NOW_S) if line.startswith("  |")
    ]
    assert len(shown) == 8
    assert "line 999" in shown[-1]
    assert all(len(line) <= 204 for line in shown)


def test_findings_are_shown_with_their_place() -> None:
    findings = [FindingItem(message=f"m{n}", file="a.py", line=n, rule="E1") for n in range(7)]
    red = PredicateItem(id="t", provider="p", verdict="fail", live=False, findings=findings)
    text = "\n".join(goal_lines(_json(a_goal(predicates=[red])), BARE, NOW_S))
    assert "| a.py:0: m0 [E1]" in text
    assert "| and 2 more findings" in text


def test_what_is_unknown_is_left_out_and_never_zero() -> None:
    spent = BudgetSpent(iterations=1, dispatches=0, tokens=None, wall_clock_ms=None, cost_usd=None)
    assert spent_text(_json(a_goal(budget_spent=spent, budget={}))) == "1 iteration, 0 dispatches"
    spent = BudgetSpent(
        iterations=1, dispatches=2, tokens=90, wall_clock_ms=500, cost_usd=0.126, tokens_estimated=True
    )
    shown = spent_text(_json(a_goal(budget_spent=spent, budget={"max_cost_usd": 2})))
    assert shown == "1 iteration, 2 dispatches, 90 tokens (reserved), 0.5 s, $0.13 of $2.00"
    spent = msgspec.structs.replace(spent, cost_estimated=True)
    shown = spent_text(_json(a_goal(budget_spent=spent, budget={"max_cost_usd": 2})))
    assert shown.endswith("$0.13 of $2.00 (reserved)")


def test_the_outcome_carries_its_proof_in_one_line() -> None:
    assert outcome_line(_json(a_converged_goal()), BARE) == (
        "ops/web: converged; 2 of 2 pass; 2 of 8 iterations, 1 dispatch, 1,200 of 50,000 tokens, 34 s of 10 min"
    )
    stuck = a_goal(
        status="stuck", cause="no_progress", reason="two tries\nchanged nothing", next_action="investigate"
    )
    assert outcome_line(_json(stuck), BARE) == (
        "ops/web: stuck (no_progress): two tries changed nothing; 1 of 2 pass; livez fail: unreachable: connection"
        " refused; 2 of 8 iterations, 1 dispatch, 1,200 of 50,000 tokens, 34 s of 10 min; next: kazictl explain ops/web"
    )


def test_a_guard_without_a_time_waits_for_something_to_happen() -> None:
    document = {"guards": [{"name": "lease", "reason": "held by ops/db", "until": None}]}
    assert guard_lines(document, NOW_S) == ["  lease: held by ops/db, until something changes"]


def test_a_cause_or_reason_that_only_repeats_the_status_is_not_said_twice() -> None:
    vacuous = _json(a_goal(status="vacuous", cause="vacuous", reason="nothing was red", problem=None))
    assert outcome_line(vacuous, BARE).startswith("ops/web: vacuous: nothing was red; ")
    stopped = _json(a_goal(status="stopped", reason="stopped", next_action="apply"))
    assert outcome_line(stopped, BARE).startswith("ops/web: stopped; ")


def test_a_frozen_goal_names_the_command_that_thaws() -> None:
    assert "next: kazictl thaw" in outcome_line(_json(a_goal(status="suspended", next_action="thaw")), BARE)


def test_evidence_values_read_as_json_and_not_as_python() -> None:
    red = PredicateItem(
        id="t",
        provider="p",
        verdict="fail",
        live=False,
        evidence={"args": ["-e", True, None], "h": {"a": 1.5}},
    )
    text = "\n".join(goal_lines(_json(a_goal(predicates=[red])), BARE, NOW_S))
    assert "| args=[-e, true, null] h=a: 1.5" in text


def test_a_list_has_a_row_for_each_goal() -> None:
    goals = [
        _json(a_summary()),
        _json(a_summary(ref="ops/db", status="stuck", cause="no_executor", failing=[])),
    ]
    assert summary_lines(goals, BARE, NOW_S) == [
        "GOAL     STATUS  FOR         GREEN  ACTS  WHY",
        "ops/web  acting  1 min 15 s  1/2    2     failing livez; trying remedy 0",
        "ops/db   stuck   1 min 15 s  1/2    2     no_executor; trying remedy 0",
    ]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({}, id="empty"),
        pytest.param(
            {"goal_id": "x", "predicates": 3, "guards": {}, "attempts": "y", "labels": []}, id="wrong-types"
        ),
        pytest.param(
            {"predicates": [{}], "guards": [{}], "attempts": [{}], "next_action": "juggle"}, id="empty-rows"
        ),
        pytest.param(
            {"since": "now", "episode": [], "budget_spent": None, "notices": None}, id="wrong-values"
        ),
    ],
)
def test_a_document_of_another_version_is_shown_and_never_crashes(document: dict[str, Any]) -> None:
    goal_lines(document, BARE, NOW_S)
    outcome_line(document, BARE)
    summary_lines([document], BARE, NOW_S)


def test_only_what_happened_counts_as_a_change() -> None:
    now, later = _json(a_goal()), _json(a_goal(next_wake_at=NOW_S + 99))
    assert fingerprint(now) == fingerprint(later)
    ended = AttemptItem(number=2, id="a2", rung="r", title="t", predicates=[], ending="exited")
    assert fingerprint(now) != fingerprint(_json(a_goal(attempts=[ended])))


def test_what_a_green_goal_leaves_out_is_said_beside_its_status() -> None:
    left_out = PredicateItem(
        id="metrics",
        provider="http_probe",
        verdict="unknown",
        live=True,
        reason="not_applicable",
        waived=True,
    )
    green = PredicateItem(id="tests", provider="test_runner", verdict="pass", live=False)
    goal = _json(a_goal(status="converged", cause=None, waived=1, predicates=[green, left_out]))
    assert "converged, 1 waived" in "\n".join(goal_lines(goal, BARE, NOW_S))
    assert "1 of 2 pass, 1 waived" in outcome_line(goal, BARE)
    assert "also" not in outcome_line(goal, BARE)


def test_a_window_shows_its_limits_once_something_is_used() -> None:
    window: dict[str, object] = {
        "per_s": 86_400, "max_dispatches": 20, "max_tokens": None, "max_cost_usd": 5.0,
        "dispatches": 3, "tokens": 900, "cost_usd": 1.2,
    }  # fmt: skip
    assert window_text(window) == "last 1 d: 3 of 20 dispatches, $1.20 of $5.00"
    assert window_text({**window, "dispatches": 0}) == ""
