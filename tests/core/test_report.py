"""A report is what goals are and what happened to them: added up by goal and by label, unknown never zero."""

from typing import Any

import pytest

from kazid.core.event import ActEnded, ActIntended, EpisodeClosed, EpisodeOpened, Event, Usage
from kazid.core.ids import AttemptId, Epoch, Generation, PredicateId
from kazid.core.report import Happened, Report, Standing, report

NOW = 1_000.0


def a_standing(uid: str, **fields: Any) -> Standing:
    given: dict[str, Any] = {
        "uid": uid, "ref": f"ada/{uid}", "labels": {"team": "web"}, "status": "holding", "cause": None,
        "since_wall_s": NOW - 60, "predicates": 2, "gaps": (), **fields,
    }  # fmt: skip
    return Standing(**given)


def ended(**fields: Any) -> ActEnded:
    return ActEnded(attempt_id=AttemptId("a"), ending="exited", ended_s=1.0, **fields)


def told(*standings: Standing, happened: dict[str, list[Event]] | None = None) -> Report:
    events = [Happened(uid=uid, event=event) for uid, found in (happened or {}).items() for event in found]
    return report(standings, events, now_wall_s=NOW)


def test_a_goal_at_rest_has_no_gap_and_no_cost_that_is_known() -> None:
    (row,) = told(a_standing("web")).goals
    assert not row.gaps
    assert (row.drifts, row.acts, row.tokens, row.cost_usd, row.mended_s) == (0, 0, None, None, None)
    assert row.age_s == 60.0


def test_drift_repairs_and_cost_are_added_up_goal_by_goal() -> None:
    red = EpisodeOpened(number=1, red=(PredicateId("livez"),))
    events: list[Event] = [
        red, ended(), ended(usage=Usage(cost_usd=0.5), tokens_charged=900), EpisodeClosed(number=1, duration_s=30.0),
        red, ended(tokens_charged=100, cost_usd_charged=2.0, cost_estimated=True),
        EpisodeClosed(number=2, duration_s=90.0),
        EpisodeOpened(number=3),
    ]  # fmt: skip
    (row,) = told(a_standing("web"), happened={"web": events, "gone": [red]}).goals
    assert (row.drifts, row.mended, row.mended_s) == (2, 2, 60.0)
    assert (row.acts, row.dispatches, row.tokens, row.cost_usd, row.is_estimated) == (3, 2, 1000, 2.5, True)


@pytest.mark.parametrize("ending", ["never_started", "not_started"])
def test_an_agent_that_reports_nothing_was_sent_all_the_same_unless_nothing_ran(ending: str) -> None:
    def intended(rung: str) -> ActIntended:
        return ActIntended(
            attempt_id=AttemptId("a"), rung=rung, predicates=(PredicateId("tests"),), epoch=Epoch(1),
            generation=Generation(1), fingerprint="", number=1,
        )  # fmt: skip

    sent = intended("harness:command")
    never = ActEnded(attempt_id=AttemptId("a"), ending=ending, ended_s=1.0)
    found = told(
        a_standing("silent"), a_standing("absent"), a_standing("remedy"),
        happened={"silent": [sent, ended()], "absent": [sent, never], "remedy": [intended("remedy:0"), ended()]},
    )  # fmt: skip
    assert [(row.dispatches, row.tokens, row.cost_usd) for row in found.goals] == [
        (1, None, None), (0, None, None), (0, None, None),
    ]  # fmt: skip


def test_a_label_is_all_its_goals_and_its_age_is_the_oldest_gaps() -> None:
    stuck = {"status": "stuck", "cause": "no_progress", "gaps": ("livez",)}
    found = told(
        a_standing("one", since_wall_s=0.0),
        a_standing("two", since_wall_s=NOW - 500, **stuck),
        a_standing("three", since_wall_s=NOW - 100, labels={"team": "web", "tier": "edge"}, **stuck),
        happened={"two": [ended(cost_usd_charged=1.0)], "three": [ended(cost_usd_charged=0.25)]},
    )
    rows = {row.name: row for row in found.labels}
    assert rows.keys() == {"team=web", "tier=edge"}
    web = rows["team=web"]
    assert (web.goals, dict(web.statuses), web.age_s, web.cost_usd) == (
        3,
        {"holding": 1, "stuck": 2},
        500.0,
        1.25,
    )
    assert list(web.gaps) == ["ada/two: livez", "ada/three: livez"]
    assert found.total.name == "all"
    assert (found.total.goals, found.total.cost_usd) == (3, 1.25), (
        "each goal once, however many labels it has"
    )
