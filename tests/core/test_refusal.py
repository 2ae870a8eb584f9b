"""Agents whose login was refused: which they are, what holds meanwhile, and the end of a goal with nobody else."""

from typing import Any

import pytest

from kazid.core.decision import Conclude, Guard
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.progress import ActSummary
from kazid.core.refusal import end, guard, refused
from kazid.core.status import Cause, GoalStatus
from tests.builders import a_progress, an_episode


def sent(number: int, rung: str = "harness:claude", **fields: Any) -> ActSummary:
    return ActSummary(
        **{
            "attempt_id": AttemptId(f"a{number}"),
            "number": number,
            "rung": rung,
            "title": "t",
            "predicates": (PredicateId("tests"),),
            "ending": "exited",
            "cause": Cause.AUTH_FAILED,
            "reason": "Invalid API key",
            **fields,
        }
    )


@pytest.mark.parametrize(
    ("acts", "since", "shut"),
    [
        pytest.param((sent(1),), 0, {"claude": "Invalid API key"}, id="refused"),
        pytest.param((sent(1, reason=None),), 0, {"claude": "auth_failed"}, id="without-a-word"),
        pytest.param((sent(3),), 2, {"claude": "Invalid API key"}, id="after-a-person-resumed-it"),
        pytest.param((sent(3),), 3, {}, id="before-a-person-resumed-it"),
        pytest.param((sent(1), sent(2, cause=None)), 0, {}, id="it-went-through-since"),
        pytest.param(
            (sent(1), sent(2, cause=None, ending=None)), 0, {"claude": "Invalid API key"}, id="it-runs"
        ),
        pytest.param((sent(1, cause=Cause.QUOTA),), 0, {}, id="a-limit-is-no-refusal"),
        pytest.param((sent(1, rung="remedy:0"),), 0, {}, id="a-remedy-is-no-agent"),
        pytest.param(
            (sent(1), sent(2, rung="harness:codex", reason="expired"), sent(3, rung="remedy:0", cause=None)),
            0,
            {"claude": "Invalid API key", "codex": "expired"},
            id="two-of-them",
        ),
        pytest.param((), 0, {}, id="nobody-was-sent"),
    ],
)
def test_an_agent_is_shut_out_while_its_last_dispatch_was_turned_away(
    acts: tuple[ActSummary, ...], since: int, shut: dict[str, str]
):
    assert refused(a_progress(episode=an_episode(acts=acts), refusals_since=since)) == shut


def test_without_an_episode_nobody_is_shut_out():
    assert refused(a_progress()) == {}


def test_what_was_said_is_told_of_each_in_order():
    shut = {"codex": "expired", "claude": "Invalid API key"}
    said = "claude is not logged in: Invalid API key; codex is not logged in: expired"
    assert guard(shut, [PredicateId("tests")]) == Guard(
        name="auth", reason=f"{said}; resume the goal once it is", predicates=(PredicateId("tests"),)
    )
    assert end(shut) == Conclude(status=GoalStatus.STUCK, cause=Cause.AUTH_FAILED, reason=said)
