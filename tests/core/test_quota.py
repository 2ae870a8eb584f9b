"""Whom an agent's usage limit or refused login holds, for how long, and in which words."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core import quota
from kazid.core.goal import Goal, HarnessChoice, SecretRef
from kazid.core.ids import AttemptId, GoalUid, PredicateId
from kazid.core.instant import Now
from kazid.core.jitter import fraction
from kazid.core.progress import ActSummary, Episode, Progress
from kazid.core.status import Cause, GoalStatus
from tests.builders import a_goal, a_predicate, a_progress, a_task, act_ended, an_episode

END = 1_700_003_600.0
"""2023-11-14T23:13:20Z, when every limit of these tests is over."""
OVER_AT = "2023-11-14T23:13:20Z"
RUNG = "harness:claude"


def now(wall_s: float) -> Now:
    return Now(boot_s=10.0, wall_s=wall_s, boot_id="b")


def a_dispatch(rung: str = RUNG, **fields: Any) -> ActSummary:
    return ActSummary(
        **{
            "attempt_id": AttemptId("a1"),
            "number": 1,
            "rung": rung,
            "title": "t",
            "predicates": (PredicateId("tests"),),
            "ending": "exited",
            **fields,
        }
    )


def a_limited(**fields: Any) -> ActSummary:
    return a_dispatch(**{"cause": Cause.QUOTA, "until_wall_s": END, **fields})


def with_acts(*acts: ActSummary, **fields: Any) -> Progress:
    return a_progress(**{"episode": an_episode(acts=acts), **fields})


def refused(**fields: Any) -> Progress:
    """Stuck because the agent is not logged in."""
    return with_acts(
        a_dispatch(cause=Cause.AUTH_FAILED),
        **{"status": GoalStatus.STUCK, "cause": Cause.AUTH_FAILED, "last_act_ended_s": 5.0, **fields},
    )


def held(
    mine: Progress,
    theirs: Progress,
    *,
    at: float,
    goal: Goal | None = None,
    other: Goal | None = None,
    rung: str = RUNG,
) -> tuple[str, str] | None:
    """What holds a dispatch of the goal `mine` beside another goal."""
    own = goal or a_task()
    everyone = [
        (GoalUid("mine"), own, mine),
        (GoalUid("theirs"), other or a_task(goal_id="other"), theirs),
    ]
    return quota.holds(GoalUid("mine"), own, mine, everyone, now(at), rung=rung)


@pytest.mark.parametrize(
    ("at_wall_s", "after_s", "until"),
    [
        pytest.param(2000.0, None, 2000.0, id="as-it-said"),
        pytest.param(2000.0, 77.0, 2000.0, id="a-moment-counts-before-a-length"),
        pytest.param(None, 120.0, 1120.0, id="a-length-counts-from-the-end"),
        pytest.param(None, None, 1900.0, id="unknown-is-a-quarter-of-an-hour"),
        pytest.param(None, 0.0, 1030.0, id="nothing-is-half-a-minute"),
        pytest.param(900.0, None, 1030.0, id="the-past-is-half-a-minute"),
        pytest.param(None, 30.0, 1030.0, id="the-least"),
        pytest.param(None, 8 * 86_400.0, 1000.0 + 8 * 86_400.0, id="the-most"),
        pytest.param(9e9, None, 1000.0 + 8 * 86_400.0, id="beyond-a-week-is-misread"),
    ],
)
def test_a_limit_is_over_when_it_said_within_bounds(
    at_wall_s: float | None, after_s: float | None, until: float
):
    assert quota.until_wall_s(at_wall_s=at_wall_s, after_s=after_s, ended_wall_s=1000.0) == until


@pytest.mark.parametrize(
    ("fields", "free"),
    [
        pytest.param({"cause": Cause.QUOTA, "tokens_charged": None}, True, id="a-limit-and-nothing-used"),
        pytest.param({"cause": Cause.QUOTA, "tokens_charged": 0}, True, id="a-limit-and-zero"),
        pytest.param({"cause": Cause.QUOTA, "tokens_charged": 1}, False, id="a-limit-after-work"),
        pytest.param({"cause": Cause.AUTH_FAILED}, True, id="a-refused-login"),
        pytest.param({"cause": Cause.PERMISSION_DENIED}, False, id="another-cause"),
        pytest.param({}, False, id="no-cause"),
    ],
)
def test_only_what_was_turned_away_before_any_use_is_free(fields: dict[str, Any], free: bool):
    assert quota.is_free(act_ended(at=1.0, **fields)) is free


def test_a_goal_without_an_agent_waits_for_no_agent():
    goal = a_goal(a_predicate("tests"))
    assert held(a_progress(), with_acts(a_limited()), at=END - 100.0, goal=goal) is None


def test_a_goal_without_an_agent_holds_nobody():
    assert held(a_progress(), with_acts(a_limited()), at=END - 100.0, other=a_goal()) is None


def test_who_met_the_limit_starts_the_moment_it_is_over():
    mine = with_acts(a_limited())
    said = (quota.WAITS_FOR_QUOTA, f"claude, whose limit is over at {OVER_AT}")
    assert held(mine, a_progress(), at=END - 0.5) == said
    assert held(mine, a_progress(), at=END) is None


def test_whoever_else_would_use_the_agent_starts_within_a_minute_after_the_limit_at_a_time_of_its_own():
    theirs = with_acts(a_limited())
    start = END + 60.0 * fraction("mine", END)
    assert END < start < END + 60.0
    said = (quota.WAITS_FOR_QUOTA, f"claude, whose limit is over at {OVER_AT}")
    assert held(a_progress(), theirs, at=start - 0.01) == said
    assert held(a_progress(), theirs, at=start) is None


def test_of_several_limits_the_last_to_end_holds():
    mine = with_acts(a_limited(until_wall_s=END - 3000.0))
    waits = held(mine, with_acts(a_limited()), at=END - 1.0)
    assert waits is not None
    assert OVER_AT in waits[1]
    assert held(with_acts(a_limited()), with_acts(a_limited(until_wall_s=END - 3000.0)), at=END) is None


@pytest.mark.parametrize(
    "acts",
    [
        pytest.param((a_limited(), a_dispatch()), id="a-later-dispatch-went-through"),
        pytest.param((a_limited(rung="harness:codex"),), id="another-agent"),
        pytest.param((a_limited(rung="harness:claude-next"),), id="an-agent-whose-name-begins-alike"),
        pytest.param((a_limited(ending=None),), id="one-that-still-runs"),
        pytest.param((a_limited(until_wall_s=None),), id="one-that-names-no-end"),
        pytest.param((a_limited(cause=Cause.PERMISSION_DENIED),), id="another-cause"),
    ],
)
def test_only_the_last_dispatch_of_this_agent_that_met_a_limit_holds(acts: tuple[ActSummary, ...]):
    assert held(a_progress(), with_acts(*acts), at=END - 100.0) is None


@pytest.mark.parametrize(
    ("episode", "last", "holds"),
    [
        pytest.param(None, (a_limited(),), True, id="of-the-episode-before-where-none-is-open"),
        pytest.param((), (a_limited(),), True, id="of-the-episode-before-where-nothing-was-tried-yet"),
        pytest.param((a_dispatch(),), (a_limited(),), False, id="not-where-the-present-one-tried"),
        pytest.param((a_limited(),), None, True, id="of-the-present-one"),
        pytest.param(None, None, False, id="of-none"),
    ],
)
def test_a_limit_is_remembered_beyond_its_episode(
    episode: tuple[ActSummary, ...] | None, last: tuple[ActSummary, ...] | None, holds: bool
):
    def an(acts: tuple[ActSummary, ...] | None) -> Episode | None:
        return None if acts is None else an_episode(acts=acts)

    theirs = a_progress(episode=an(episode), last_episode=an(last))
    assert (held(a_progress(), theirs, at=END - 100.0) is not None) is holds


@pytest.mark.parametrize(
    ("other", "holds"),
    [
        pytest.param(HarnessChoice(id="claude"), True, id="the-same"),
        pytest.param(HarnessChoice(id="claude", model="opus"), True, id="another-model-of-one-login"),
        pytest.param(HarnessChoice(id="codex"), False, id="another-agent"),
        pytest.param(HarnessChoice(id="claude", command="/opt/claude"), False, id="another-program"),
        pytest.param(HarnessChoice(id="claude", env={"HOME": "/b"}), False, id="another-login"),
        pytest.param(
            HarnessChoice(id="claude", secrets={"KEY": SecretRef(source="env", name="B")}),
            False,
            id="another-key",
        ),
    ],
)
def test_a_limit_holds_whoever_has_the_same_agent_and_the_same_credential(other: HarnessChoice, holds: bool):
    theirs = replace(a_task(goal_id="other"), harness=other)
    acts = with_acts(a_limited(rung=f"harness:{other.id}"))
    assert (held(a_progress(), acts, at=END - 100.0, other=theirs) is not None) is holds


def test_an_agent_that_a_route_chose_waits_for_its_own_limit():
    limited = with_acts(a_limited(rung="harness:codex"))
    waits = held(limited, a_progress(), at=END - 1.0, rung="harness:codex")
    assert waits == (quota.WAITS_FOR_QUOTA, f"codex, whose limit is over at {OVER_AT}")
    assert held(limited, a_progress(), at=END - 1.0, rung="harness:") is None
    assert held(with_acts(a_limited()), a_progress(), at=END - 1.0, rung="harness:") is not None


def test_the_end_of_a_limit_is_told_in_utc_wherever_the_machine_is(far_east: None):
    waits = held(with_acts(a_limited()), a_progress(), at=END - 1.0)
    assert waits is not None
    assert waits[1].endswith(OVER_AT)


def test_a_refused_login_holds_the_others_and_names_the_goal_to_resume():
    said = "claude, which is not logged in; resume ada/other once it is"
    assert held(a_progress(), refused(), at=0.0) == (quota.WAITS_FOR_AUTH, said)


def test_a_refused_login_does_not_hold_the_goal_that_met_it():
    assert held(refused(), a_progress(), at=0.0) is None


def test_a_refused_login_comes_before_a_limit():
    waits = held(with_acts(a_limited()), refused(), at=END - 100.0)
    assert waits is not None
    assert waits[0] == quota.WAITS_FOR_AUTH


@pytest.mark.parametrize(
    ("theirs", "asked_s", "holds"),
    [
        pytest.param(refused(), 4.0, True, id="refused-after-this-goal-was-asked-for"),
        pytest.param(refused(), 5.0, True, id="at-that-moment"),
        pytest.param(refused(), 5.5, False, id="asked-for-since"),
        pytest.param(refused(last_act_ended_s=None), 0.0, True, id="when-is-not-known-and-never-asked"),
        pytest.param(refused(last_act_ended_s=None), 0.5, False, id="when-is-not-known-and-asked-since"),
        pytest.param(refused(status=GoalStatus.OBSERVING), None, True, id="it-goes-on-with-others"),
        pytest.param(refused(cause=Cause.NO_PROGRESS), None, True, id="stuck-for-another-cause"),
        pytest.param(
            refused(status=GoalStatus.OBSERVING, refusals_since=1), None, False, id="resumed-by-a-person"
        ),
        pytest.param(
            refused(status=GoalStatus.OBSERVING, episode=None), None, False, id="its-episode-is-over"
        ),
        pytest.param(
            refused(status=GoalStatus.OBSERVING, episode=an_episode(acts=(a_dispatch(),))),
            None,
            False,
            id="it-went-through",
        ),
        pytest.param(
            refused(episode=an_episode(acts=(a_dispatch("harness:codex"),))), None, False, id="another-agent"
        ),
        pytest.param(
            refused(episode=an_episode(acts=(a_dispatch(), a_dispatch("remedy:0")))),
            None,
            True,
            id="a-remedy-came-after",
        ),
        pytest.param(
            refused(episode=an_episode(acts=(a_dispatch(), a_dispatch("harness:codex")))),
            None,
            False,
            id="another-agent-came-after",
        ),
        pytest.param(refused(episode=None), None, True, id="who-was-sent-is-not-known-any-more"),
        pytest.param(
            refused(episode=None, last_episode=an_episode(acts=(a_dispatch("harness:codex"),))),
            None,
            False,
            id="another-agent-in-the-episode-before",
        ),
    ],
)
def test_a_refused_login_holds_who_was_last_asked_for_before_it(
    theirs: Progress, asked_s: float | None, holds: bool
):
    waits = held(a_progress(asked_s=asked_s), theirs, at=0.0)
    assert (waits is not None) is holds
