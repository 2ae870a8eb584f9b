"""Flakes: a red of code is re-run, a pass among the re-runs sets it aside, and nothing set aside is ever green."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.cadence import next_look_s
from kazid.core.decision import Act
from kazid.core.flake import LOOKS_MAX, POLL_S, REASON, REHABILITATION_PASSES, RERUNS, forgotten
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Status
from tests.builders import ERROR, FAIL, PASS, UNKNOWN, a_goal, a_harness, a_predicate, a_task
from tests.played import Played

LOOKS = {"p": PASS, "f": FAIL, "e": ERROR, "u": UNKNOWN}


def after(looks: str, *, live: bool = False, standing: bool = False) -> Played:
    """A goal whose predicate was looked at so often, ten seconds apart."""
    played = Played(a_goal(a_predicate("tests", live=live), harness=a_harness("tests"), standing=standing))
    for look in looks:
        played.look("tests", LOOKS[look], has_reruns=False)
        played.advance(10.0)
    return played


@pytest.mark.parametrize(
    ("looks", "reading", "is_quarantined"),
    [
        pytest.param("f", "unsettled", False, id="the-first-look-red-is-re-run"),
        pytest.param("ff", "unsettled", False, id="once-is-not-enough"),
        pytest.param("fff", "red", False, id="three-reds-are-red"),
        pytest.param("pf", "unsettled", False, id="turning-red-is-re-run"),
        pytest.param("pfff", "red", False, id="turning-red-counts-after-its-re-runs"),
        pytest.param("ffff", "red", False, id="still-red-is-no-turn"),
        pytest.param("fp", "unknown", True, id="a-pass-at-the-first-re-run-quarantines"),
        pytest.param("ffp", "unknown", True, id="a-pass-at-the-second-re-run-quarantines"),
        pytest.param("fffp", "green", False, id="a-pass-after-a-settled-red-is-green"),
        pytest.param("fffpf", "unsettled", False, id="and-turning-red-again-is-re-run-again"),
        pytest.param("p", "green", False, id="green-is-green"),
        pytest.param("e", "error", False, id="errors-are-not-re-run"),
        pytest.param("u", "unknown", False, id="unknowns-are-not-re-run"),
        pytest.param("fef", "unsettled", False, id="an-error-between-counts-for-nothing"),
        pytest.param("feff", "red", False, id="and-the-re-runs-it-owes-are-still-owed"),
        pytest.param("fep", "unknown", True, id="nor-does-it-save-a-flake"),
        pytest.param("fppp", "unknown", True, id="the-pass-that-quarantined-is-not-one-of-three"),
        pytest.param("fpppp", "green", False, id="three-passes-in-a-row-bring-it-back"),
        pytest.param("fppfpp", "unknown", True, id="not-in-a-row-do-not"),
        pytest.param("fppfppp", "green", False, id="counted-again-from-the-last-red"),
        pytest.param("fppepp", "green", False, id="an-error-breaks-no-row"),
        pytest.param("fppppf", "unsettled", False, id="brought-back-it-turns-red-like-any-other"),
    ],
)
def test_a_red_of_code_counts_only_after_its_re_runs(looks: str, reading: str, is_quarantined: bool):
    played = after(looks)
    (found,) = played.vector.readings
    said = (
        "green"
        if found.is_green
        else "red"
        if found.is_red
        else "unsettled"
        if found.verdict.status is Status.FAIL
        else found.verdict.status.value
    )
    assert (said, played.state("tests").is_quarantined) == (reading, is_quarantined)
    assert (found.verdict.reason == REASON) is is_quarantined


def test_live_predicates_are_never_re_run_or_quarantined():
    played = after("fpfpfp", live=True)
    assert not played.state("tests").is_quarantined
    assert played.state("tests").reruns_left == 0


def test_a_re_run_is_due_at_once_and_quarantine_is_polled():
    goal = a_goal(a_predicate("tests"), harness=a_harness())
    played = Played(goal)
    played.look("tests", FAIL, has_reruns=False, took_s=3.0)
    assert next_look_s(goal, goal.predicates[0], played.progress) == played.now.boot_s
    played.look("tests", PASS, took_s=3.0)
    began_s = played.now.boot_s - 3.0
    assert next_look_s(goal, goal.predicates[0], played.progress) == began_s + POLL_S
    assert played.due == ()
    assert played.advance(POLL_S).due == ("tests",)


def test_no_agent_is_sent_at_a_flake_and_nothing_else_left_ends_it():
    played = after("fp")
    for _ in range(LOOKS_MAX - 1):
        assert not isinstance(played.turn(), Act)
        played.look("tests", FAIL)
        assert played.status is not GoalStatus.STUCK
    played.turn()
    played.look("tests", FAIL)
    played.turn()
    assert (played.status, played.cause) == (GoalStatus.STUCK, Cause.QUARANTINED)
    assert played.progress.acts == 0


def test_other_reds_are_worked_on_while_one_is_quarantined_and_an_act_starts_the_count_anew():
    played = Played(a_goal(a_predicate("flaky"), a_predicate("tests"), harness=a_harness()))
    played.look("flaky", FAIL, has_reruns=False).look("flaky", PASS).look("tests", FAIL)
    for _ in range(LOOKS_MAX):
        played.look("flaky", FAIL)
    act = played.acted(after=1.0)
    assert tuple(act.predicates) == ("tests",)
    assert played.state("flaky").quarantine_looks == 0
    played.look("tests", PASS).look("flaky", PASS).look("flaky", PASS)
    assert played.state("flaky").is_quarantined, "an act in between does not make it trustworthy"
    assert not played.vector.is_satisfied
    played.look("flaky", PASS)
    assert played.vector.is_satisfied


def test_a_red_that_was_never_settled_earns_no_green():
    played = after("fpppp")
    played.turn()
    assert played.status is GoalStatus.VACUOUS


def test_a_standing_goal_leaves_quarantine_by_green():
    played = after("pfp", standing=True)
    for _ in range(LOOKS_MAX):
        played.turn()
        played.look("tests", FAIL)
        played.advance(600.0)
    played.turn()
    assert (played.status, played.cause) == (GoalStatus.STUCK, Cause.QUARANTINED)
    for _ in range(REHABILITATION_PASSES):
        played.look("tests", PASS)
        played.turn()
        played.advance(30.0)
    assert played.status is GoalStatus.HOLDING


def test_another_generation_and_a_resume_forget_it():
    played = Played(a_task())
    played.look("tests", FAIL, has_reruns=False).look("tests", PASS)
    played.reapply(played.goal, generation=2)
    assert not played.state("tests").is_quarantined


@given(st.text(alphabet="pfeu", max_size=30))
def test_it_is_green_only_on_a_pass_that_no_red_of_the_same_row_denies(looks: str):
    played = after(looks)
    (found,) = played.vector.readings
    if found.is_green:
        said = [look for look in looks if look in "pf"]
        assert said[-1] == "p"
        last_red = max((i for i, look in enumerate(said) if look == "f"), default=None)
        if last_red is not None:
            reds = len("".join(said[: last_red + 1])) - len("".join(said[: last_red + 1]).rstrip("f"))
            passes = len(said) - 1 - last_red
            assert reds > RERUNS or passes >= REHABILITATION_PASSES


@given(st.text(alphabet="pf", max_size=30))
def test_a_red_is_acted_on_only_after_its_re_runs_all_failed(looks: str):
    played = after(looks)
    (found,) = played.vector.readings
    if found.is_red:
        assert looks.endswith("f" * (RERUNS + 1))


def test_what_leaves_quarantine_begins_anew_if_it_comes_back() -> None:
    state = after("fp" + "p" * REHABILITATION_PASSES).state("tests")
    assert not state.is_quarantined
    assert (state.quarantine_passes, state.quarantine_looks) == (0, 0)
    quarantined = after("fpp").state("tests")
    assert quarantined.quarantine_passes > 0
    fresh = forgotten(quarantined)
    assert (fresh.is_quarantined, fresh.quarantine_passes, fresh.quarantine_looks) == (False, 0, 0)
