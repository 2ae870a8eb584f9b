"""Fights: content put back again and again is contested; what merely dies again, or is another fault, is not."""

import pytest

from kazid.core.decision import Act
from kazid.core.fight import TIMES, WINDOW_S
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_remedy
from tests.played import Played

BAD = failed("exit_code", "the port is 81")


def a_config(**others) -> Played:
    """A standing goal that holds a file as it should be."""
    return Played(
        a_goal(
            a_predicate("config"),
            remedies=[a_remedy("config", attempts=50)],
            standing=True,
            **others,
        )
    )


def a_round(
    played: Played, *, red=BAD, bad_tree: str = "bad", good_tree: str = "good", apart_s: float = 400.0
):
    """Somebody breaks it, the remedy mends it, and it stays so for a while."""
    played.look("config", red, tree=bad_tree)
    act = played.turn()
    for _ in range(20):
        if isinstance(act, Act):
            break
        played.advance(30.0).look("config", red, tree=bad_tree)
        act = played.turn()
    if not isinstance(act, Act):
        return act
    played.acted(after=1.0)
    played.look("config", PASS, tree=good_tree)
    played.turn()
    played.advance(apart_s)
    return act


def test_the_fifth_time_that_a_fix_is_undone_is_contested_and_names_the_times():
    played = a_config()
    for _ in range(TIMES):
        assert isinstance(a_round(played), Act), "the first, and four that were put back, are fixed"
    a_round(played)
    assert (played.status, played.cause) == (GoalStatus.CONTESTED, Cause.CONTESTED)
    reason = played.progress.reason or ""
    assert "config was put back 5 times within an hour" in reason
    assert reason.count("Z") == TIMES


def test_slower_than_five_in_an_hour_is_no_fight():
    played = a_config()
    for _ in range(3 * TIMES):
        assert isinstance(a_round(played, apart_s=WINDOW_S / 4), Act)


def test_a_process_that_dies_again_is_a_crash_loop_and_never_contested():
    played = a_config()
    for _ in range(3 * TIMES):
        a_round(played, bad_tree="same", good_tree="same")
        assert played.status is not GoalStatus.CONTESTED


def test_without_a_tree_nothing_tells_who_changed_what():
    played = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy(attempts=50)], standing=True))
    for _ in range(3 * TIMES):
        played.looks(FAIL, FAIL, every=2.0)
        if isinstance(played.turn(), Act):
            played.acted(after=1.0)
        played.looks(PASS, PASS, every=2.0)
        played.turn()
        played.advance(300.0)
        assert played.status is not GoalStatus.CONTESTED


def test_a_different_fault_in_that_hour_is_still_fixed():
    played = a_config()
    for _ in range(TIMES + 1):
        a_round(played)
    assert played.status is GoalStatus.CONTESTED
    other = a_round(played, red=failed("exit_code", "the file is gone"), bad_tree="gone")
    assert isinstance(other, Act)


def test_waiting_is_no_way_out_while_it_stays_as_somebody_else_wants_it():
    played = a_config()
    for _ in range(TIMES + 1):
        a_round(played)
    for _ in range(8):
        played.advance(WINDOW_S / 4).look("config", BAD, tree="bad")
        assert not isinstance(played.turn(), Act)
        assert played.status is GoalStatus.CONTESTED


def test_once_it_was_green_an_hour_forgets():
    played = a_config()
    for _ in range(TIMES + 1):
        a_round(played)
    played.look("config", PASS, tree="good")
    played.turn()
    played.advance(WINDOW_S)
    assert isinstance(a_round(played), Act)


@pytest.mark.parametrize("leave", ["green", "resume", "generation"])
def test_contested_is_left_by_a_green_a_person_or_a_new_spec(leave: str):
    played = a_config()
    for _ in range(TIMES + 1):
        a_round(played)
    assert played.status is GoalStatus.CONTESTED
    match leave:
        case "green":
            played.look("config", PASS, tree="good")
        case "resume":
            played.resume()
        case _:
            played.reapply(played.goal, generation=2)
    played.turn()
    assert played.status is not GoalStatus.CONTESTED
    if leave != "green":
        played.advance(1.0)
        assert isinstance(a_round(played), Act), "counted from the beginning"


def test_the_times_survive_a_restart_of_the_machine():
    played = a_config()
    for _ in range(TIMES):
        a_round(played)
    played.restart_daemon(down_s=30.0, boot_s=7.0)
    a_round(played)
    assert played.status is GoalStatus.CONTESTED
