"""Every field of a bundle comes from where it belongs, and what gives way to its bound is counted."""

from typing import Any

import msgspec
import pytest

from kazid.core.bundle import Bundle, BundledAttempt, BundledCost
from kazid.core.bundling import BYTES_MAX, FINDINGS_MAX, bundle_of, next_steps, parked_bundle
from kazid.core.decision import Conclude
from kazid.core.ids import AttemptId, Generation, PredicateId
from kazid.core.progress import ActSummary, Seal
from kazid.core.seal import BASE, NO_BASE
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Finding, failed
from tests.builders import FAIL, PASS, a_goal, a_predicate, an_episode
from tests.played import Played

END = Conclude(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="because")


def an_act(**fields: Any) -> ActSummary:
    return ActSummary(
        **{
            "attempt_id": AttemptId("a3"),
            "number": 3,
            "rung": "harness:claude",
            "title": "claude",
            "predicates": (PredicateId("tests"),),
            **fields,
        }
    )


def left(end: Conclude = END, **progress: Any) -> Bundle:
    """What a goal leaves whose `tests` are red."""
    played = Played(a_goal(a_predicate("tests"))).look("tests", FAIL)
    return bundle_of(msgspec.structs.replace(played.progress, **progress), played.vector, end, played.now)


def test_an_attempt_says_what_it_was_and_what_it_did():
    act = an_act(
        ending="exited",
        exit_code=2,
        duration_s=7.5,
        reason="usage",
        tokens=11,
        broke=(PredicateId("livez"),),
    )
    bundle = left(episode=an_episode(acts=(act,), iterations=1))
    assert bundle.tried == (
        BundledAttempt(
            number=3,
            rung="harness:claude",
            title="claude",
            predicates=(PredicateId("tests"),),
            ending="exited",
            exit_code=2,
            duration_s=7.5,
            reason="usage",
            tokens=11,
            broke=(PredicateId("livez"),),
        ),
    )
    assert bundle.tried_left_out == 0


def test_the_cost_is_the_episodes():
    episode = an_episode(
        number=4,
        iterations=3,
        dispatches=2,
        tokens=11,
        tokens_estimated=True,
        cost_usd=0.5,
        clock_used_s=1.23456,
        clock_since_s=None,
    )
    bundle = left(episode=episode, generation=Generation(6))
    assert (bundle.episode, bundle.generation) == (4, 6)
    assert bundle.cost == BundledCost(
        iterations=3, dispatches=2, tokens=11, tokens_estimated=True, cost_usd=0.5, wall_clock_s=1.235
    )
    assert (left().episode, left().cost) == (None, BundledCost())


@pytest.mark.parametrize(
    ("files", "base"),
    [
        pytest.param({BASE: "c0ffee"}, "c0ffee", id="a-commit"),
        pytest.param({BASE: NO_BASE}, None, id="no-commit-yet"),
        pytest.param({}, None, id="not-a-repository"),
    ],
)
def test_the_base_is_the_commit_it_began_from(files: dict[str, str], base: str | None):
    assert left(seal=Seal(files=files, acts=0)).base == base


def test_what_failed_is_told_as_it_was_seen_with_its_first_findings():
    findings = tuple(Finding(message=f"m{n}") for n in range(FINDINGS_MAX + 3))
    verdict = msgspec.structs.replace(failed("exit_code", "2 failed", code=1), findings=findings)
    played = Played(a_goal(a_predicate("tests"), a_predicate("lint")))
    played.look("tests", verdict).look("lint", PASS)
    (seen,) = bundle_of(played.progress, played.vector, END, played.now).failing
    assert (seen.id, seen.verdict, seen.reason, seen.detail) == ("tests", "fail", "exit_code", "2 failed")
    assert seen.evidence["code"] == 1
    assert (seen.findings, seen.is_shortened) == (findings[:10], False)
    assert bundle_of(played.progress, played.vector, END, played.now).failing_left_out == 0


@pytest.mark.parametrize(
    ("status", "cause", "said"),
    [
        pytest.param(GoalStatus.TAMPERED, Cause.SEAL_BROKEN, "put it back", id="tampered"),
        pytest.param(GoalStatus.PARKED, Cause.CRASHED, "a fault of kazid", id="parked"),
        pytest.param(GoalStatus.STUCK, Cause.NO_EXECUTOR, "add a [[remedy]]", id="its-cause"),
        pytest.param(GoalStatus.STUCK, Cause.UNSATISFIABLE, "contradict each other", id="another-cause"),
        pytest.param(GoalStatus.STUCK, Cause.FLAPPING, "kazictl resume REF", id="a-cause-without-words"),
        pytest.param(GoalStatus.STUCK, None, "kazictl resume REF", id="no-cause"),
    ],
)
def test_what_a_person_can_do_follows_from_the_end(status: GoalStatus, cause: Cause | None, said: str):
    steps = next_steps(status, cause)
    assert any(said in step for step in steps), steps
    bundle = left(Conclude(status=status, cause=cause, reason="r"))
    assert bundle.next_steps == steps
    assert (bundle.status, bundle.cause, bundle.reason) == (status, cause, "r")
    plain = ("when the cause is gone: kazictl resume REF --reason TEXT (fresh counters)",)
    assert (steps == plain) is (cause in {None, Cause.FLAPPING})


def test_a_parked_goal_leaves_its_crash():
    played = Played(a_goal(a_predicate("tests"))).look("tests", FAIL)
    bundle = parked_bundle(played.goal, played.progress, "ValueError: a bug", played.now).bundle
    assert (bundle.status, bundle.cause) == (GoalStatus.PARKED, Cause.CRASHED)
    assert (bundle.reason, bundle.at_wall_s) == ("ValueError: a bug", played.now.wall_s)


def test_evidence_and_findings_of_the_last_give_way_first():
    verdict = msgspec.structs.replace(
        failed("exit_code", stdout="y" * 30_000), findings=(Finding(message="m"),)
    )
    played = Played(a_goal(*(a_predicate(name) for name in "abc")))
    for name in "abc":
        played.look(name, verdict)
    failing = bundle_of(played.progress, played.vector, END, played.now).failing
    assert [(p.id, p.is_shortened, bool(p.evidence), len(p.findings)) for p in failing] == [
        ("a", False, True, 1),
        ("b", False, True, 1),
        ("c", True, False, 0),
    ]


def test_attempts_and_a_long_reason_give_way_last_and_are_counted():
    acts = tuple(an_act(number=n, title="t" * 9_000) for n in range(8))
    episode = an_episode(acts=acts, iterations=20)
    bundle = left(Conclude(status=GoalStatus.STUCK, reason="r" * 5_000), episode=episode)
    assert len(msgspec.json.encode(bundle)) <= BYTES_MAX
    assert (bundle.reason, bundle.tried, bundle.tried_left_out) == ("r" * 1_000, (), 20)


def test_a_bundle_of_exactly_the_bound_is_left_whole():
    def of(size: int) -> Bundle:
        played = Played(a_goal(a_predicate("tests"))).look("tests", failed("exit_code", stdout="y" * size))
        return bundle_of(played.progress, played.vector, END, played.now)

    room = BYTES_MAX - len(msgspec.json.encode(of(0)))
    assert len(msgspec.json.encode(of(room))) == BYTES_MAX
    assert not of(room).failing[0].is_shortened
    assert of(room + 1).failing[0].is_shortened
