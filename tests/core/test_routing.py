"""Which agent a slice is given to: the first route that fits, whole; else the goal's own agent."""

import pytest
from msgspec.structs import replace

from kazid.core.decision import Act
from kazid.core.goal import Assignment, Goal, Group, HarnessChoice, Route
from kazid.core.ids import PredicateId
from kazid.core.routing import assigned, choice_of, possible
from tests.builders import FAIL, PASS, a_goal, a_predicate
from tests.played import Played

OWN = HarnessChoice(
    id="claude", model="haiku", effort="low", command="/opt/claude", allowed_tools=("Read",), env={"A": "b"}
)
BY_OWN = Assignment(harness="claude", model="haiku", effort="low", by="[harness]")


def goal_with(*routes: Route, **others) -> Goal:
    predicates = (
        a_predicate("unit"),
        a_predicate("style", provider="static", group="lint"),
        a_predicate("slow", group="deep"),
    )
    groups = (Group(id="lint", name="lint"), Group(id="deep", name="deep", parent="lint"))
    labels = {"team": "web"}
    return a_goal(*predicates, harness=OWN, routes=routes, groups=groups, labels=labels, **others)


def route(*words: str, name: str = "route 1", harness=None, model=None, effort=None) -> Route:
    return Route(name=name, words=words, harness=harness, model=model, effort=effort)


@pytest.mark.parametrize(
    ("words", "fitting"),
    [
        pytest.param((), {"unit", "style", "slow"}, id="no-words-are-everything"),
        pytest.param(("unit",), {"unit"}, id="an-id"),
        pytest.param(("static",), {"style"}, id="a-kind"),
        pytest.param(("deep",), {"slow"}, id="a-group"),
        pytest.param(("lint",), {"style", "slow"}, id="a-group-and-those-in-it"),
        pytest.param(("team=web",), {"unit", "style", "slow"}, id="a-label-of-the-goal"),
        pytest.param(("team=db",), set(), id="another-label"),
        pytest.param(("nobody", "unit"), {"unit"}, id="one-that-fits-is-enough"),
    ],
)
def test_a_route_is_for_ids_kinds_groups_and_labels(words: tuple[str, ...], fitting: set[str]) -> None:
    goal = goal_with(route(*words, model="opus"))
    assert {p.id for p in goal.predicates if assigned(goal, p.id).by == "route 1"} == fitting


def test_the_first_route_that_fits_decides_whole() -> None:
    goal = goal_with(
        route("static", model="opus"), route(name="route 2", effort="high"), route(name="route 3", model="x")
    )
    sent = assigned(goal, PredicateId("style"))
    assert sent == Assignment(harness="claude", model="opus", effort="low", by="route 1")
    assert assigned(goal, PredicateId("unit")) == replace(BY_OWN, effort="high", by="route 2")


def test_without_a_route_it_is_the_goals_own_agent() -> None:
    goal = goal_with(route("static", model="opus"))
    assert assigned(goal, PredicateId("unit")) == BY_OWN


def test_what_one_agent_is_told_means_nothing_to_another() -> None:
    goal = goal_with(route(harness="codex"))
    sent = assigned(goal, PredicateId("unit"))
    assert sent == Assignment(harness="codex", by="route 1"), "no model of another agent"
    choice = choice_of(goal, sent)
    assert (choice.id, choice.command, choice.allowed_tools) == ("codex", None, ())
    assert choice.env == OWN.env


def test_the_goals_own_agent_keeps_its_command_line_with_another_model() -> None:
    choice = choice_of(goal_with(), Assignment(harness="claude", model="opus"))
    assert choice == replace(OWN, model="opus", effort=None)


def test_an_intent_of_before_routes_is_the_goals_own_agent() -> None:
    assert choice_of(goal_with(), None) == OWN


def test_everything_that_could_be_sent_is_known_before_anything_is() -> None:
    goal = goal_with(
        route("static", harness="codex", model="gpt-5"), route("deep", name="route 2", model="m")
    )
    assert [(a.harness, a.model) for a in possible(goal)] == [
        ("claude", "haiku"),
        ("codex", "gpt-5"),
        ("claude", "m"),
    ]
    assert list(possible(a_goal())) == []


def test_a_dispatch_says_which_route_chose_which_model_for_which_slice() -> None:
    goal = goal_with(route("static", harness="codex", model="gpt-5"))
    story = Played(goal)
    for predicate in goal.predicates:
        story.look(predicate.id, FAIL if predicate.id == "style" else PASS)
    act = story.turn()
    assert isinstance(act, Act)
    assert (act.rung, act.predicates) == ("harness:codex", ("style",))
    assert act.assignment == Assignment(harness="codex", model="gpt-5", by="route 1")


def test_predicates_of_one_group_that_go_to_different_agents_are_no_slice() -> None:
    first, second = a_predicate("a", group="g"), a_predicate("b", group="g")
    for routes, expected in (((), ("a", "b")), ((route("b", model="opus"),), ("a",))):
        story = Played(a_goal(first, second, harness=OWN, routes=routes))
        for name in ("a", "b"):
            story.look(name, FAIL)
        act = story.turn()
        assert isinstance(act, Act)
        assert act.predicates == expected
