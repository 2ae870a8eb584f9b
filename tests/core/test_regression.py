"""Regressions: a green that is red after an act is charged to that act, and to no other."""

from kazid.core.regression import sentence
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate
from tests.played import Played


def two(*, ends: str = "") -> Played:
    """`a` is red and `b` is green, and an agent worked on `a`."""
    played = Played(a_goal(a_predicate("a"), a_predicate("b"), harness=a_harness()))
    played.look("a", FAIL, tree="t0").look("b", PASS, tree="t0")
    played.acted(after=1.0)
    return played


def test_a_green_that_an_act_turned_red_is_charged_to_it():
    played = two()
    played.look("a", PASS, tree="t1").look("b", FAIL, tree="t1")
    (act,) = played.episode.acts
    assert act.broke == ("b",)
    assert sentence(tuple(played.episode.acts)) == "attempt 1 broke b"


def test_what_was_red_before_and_what_stays_green_is_charged_to_nobody():
    played = two()
    played.look("a", FAIL, tree="t1").look("b", PASS, tree="t1")
    assert played.episode.acts[0].broke == ()
    assert sentence(tuple(played.episode.acts)) is None


def test_a_red_after_a_green_after_the_act_is_not_the_acts():
    played = two()
    played.look("a", FAIL, tree="t1").look("b", PASS, tree="t1")
    played.advance(60.0).look("b", FAIL, tree="t2")
    assert played.episode.acts[0].broke == ()


def test_a_flake_is_no_regression():
    played = two()
    played.look("b", FAIL, tree="t1", has_reruns=False).look("b", PASS, tree="t1")
    assert played.episode.acts[0].broke == ()


def test_the_second_act_is_charged_with_what_it_broke_and_the_first_is_not():
    played = two()
    played.look("a", FAIL, tree="t1").look("b", PASS, tree="t1")
    played.turn()
    played.advance(60.0).look("a", FAIL, tree="t1").look("b", PASS, tree="t1")
    played.acted(after=1.0)
    played.look("a", PASS, tree="t2").look("b", FAIL, tree="t2")
    assert [act.broke for act in played.episode.acts] == [(), ("b",)]
