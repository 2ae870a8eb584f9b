"""An agent that did harm goes on one level lower with its goal: what is charged, how far down, who restores it."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core import lowering, regression
from kazid.core.approval import level_of
from kazid.core.approval_event import AutonomyLowered, AutonomyRestored
from kazid.core.decide import decide
from kazid.core.delivery import DEPLOY, LAND, ROLLBACK
from kazid.core.fold import advance
from kazid.core.goal import Assignment, Goal
from kazid.core.ids import AttemptId, PredicateId
from kazid.core.instant import Now
from kazid.core.level import Autonomy, Level
from kazid.core.progress import ActSummary, Episode, Progress, Seal
from kazid.core.roles import Grant, Role
from kazid.core.vector import assess
from kazid.runtime.views import Caller
from tests.builders import FAIL, a_goal, a_harness, a_predicate, a_remedy
from tests.played import Played

AT = Now(boot_s=100.0, wall_s=1_700_000_100.0)
OPUS = Assignment(harness="claude", model="opus")


def _act(
    number: int, rung: str = "harness:claude", *, harmed: bool = False, sent: Assignment | None = OPUS
) -> ActSummary:
    return ActSummary(
        attempt_id=AttemptId(f"a{number}"), number=number, rung=rung, title=rung, predicates=(), ending="exited",
        harmed=(PredicateId("livez"),) if harmed else (), assignment=sent if rung.startswith("harness:") else None,
    )  # fmt: skip


def _progress(*acts: ActSummary, **fields: Any) -> Progress:
    episode = Episode(number=1, opened_s=0.0, opened_wall_s=0.0, acts=acts)
    return Progress(**{"episode": episode, "acts": len(acts), **fields})


def _goal(**others: Any) -> Goal:
    return a_goal(
        a_predicate("tests"), a_predicate("livez", live=True), harness=a_harness(),
        remedies=[a_remedy("livez")], **others,
    )  # fmt: skip


TOUCHED = Seal(files={}, acts=0, broken=("read-only tests/a.py",))


@pytest.mark.parametrize(
    ("progress", "attempt"),
    [
        pytest.param(_progress(), None, id="nobody-was-sent"),
        pytest.param(_progress(_act(1)), None, id="no-harm"),
        pytest.param(_progress(_act(1, harmed=True)), 1, id="a-green-turned-red"),
        pytest.param(_progress(_act(1), _act(2, LAND, harmed=True)), 1, id="by-landing-its-work"),
        pytest.param(_progress(_act(1), _act(2, DEPLOY, harmed=True)), 1, id="by-deploying-its-work"),
        pytest.param(_progress(_act(1), _act(2, DEPLOY), _act(3, ROLLBACK)), 1, id="rolled-back"),
        pytest.param(_progress(_act(1), _act(2, "remedy:0", harmed=True)), None, id="by-a-remedy"),
        pytest.param(_progress(_act(1, DEPLOY, harmed=True)), None, id="of-nobodys-work"),
        pytest.param(_progress(_act(1), seal=TOUCHED), 1, id="tampered"),
        pytest.param(_progress(_act(1), seal=replace(TOUCHED, acts=1)), None, id="tampered-by-somebody-else"),
        pytest.param(_progress(_act(1, harmed=True), blamed=1), None, id="charged-already"),
        pytest.param(_progress(_act(1, harmed=True), _act(2)), None, id="not-the-last"),
    ],
)
def test_harm_is_charged_to_the_agent_that_was_sent_last(progress: Progress, attempt: int | None) -> None:
    charged = lowering.owed(progress)
    assert (None if charged is None else charged.attempt) == attempt
    assert charged is None or (charged.harness, charged.model) == ("claude", "opus")


def _lowered(times: int, *, model: str | None = None) -> Progress:
    progress = _progress(_act(1, sent=Assignment(harness="claude", model=model)))
    for number in range(1, times + 1):
        event = AutonomyLowered(harness="claude", model=model, attempt=number, reason="harm")
        progress = advance(_goal(), progress, event, at=AT)
    return progress


@pytest.mark.parametrize(
    ("authored", "times", "left"),
    [
        pytest.param(Autonomy(), 0, Level.ACT, id="none"),
        pytest.param(Autonomy(), 1, Level.APPROVE, id="act"),
        pytest.param(Autonomy(), 2, Level.PROPOSE, id="twice"),
        pytest.param(Autonomy(), 3, Level.OBSERVE, id="thrice"),
        pytest.param(Autonomy(), 9, Level.OBSERVE, id="nothing-is-below"),
        pytest.param(Autonomy(level=Level.APPROVE), 1, Level.PROPOSE, id="approve"),
        pytest.param(Autonomy(risks={"code": Level.PROPOSE}), 1, Level.OBSERVE, id="of-its-class"),
    ],
)
def test_each_harm_is_one_rung(authored: Autonomy, times: int, left: Level) -> None:
    goal = lowering.effective(_goal(autonomy=authored), _lowered(times))
    assert [level_of(goal, act) for act in ("harness:claude", LAND, DEPLOY)] == [left] * 3
    assert level_of(goal, "remedy:0") is authored.level, "a remedy is no model's"
    assert goal.isolation.mode == ("worktree" if left in (Level.APPROVE, Level.PROPOSE) else "in_place")


def test_another_model_of_the_same_goal_is_not_lowered() -> None:
    progress = _progress(_act(1), lowered=_lowered(1, model="haiku").lowered)
    assert lowering.effective(_goal(), progress) == _goal()


def test_it_is_decided_before_anything_else_and_kept_until_a_person_restores_it() -> None:
    played = Played(_goal(standing=True)).look("livez", FAIL)
    progress = replace(played.progress, episode=_progress(_act(1, harmed=True)).episode, acts=1)
    charged = decide(played.goal, progress, assess(played.goal, progress, AT), AT)
    assert type(charged).__name__ == "Lower"
    event = AutonomyLowered(harness="claude", model="opus", attempt=1, reason="r")
    progress = advance(played.goal, progress, event, at=AT)
    assert lowering.owed(progress) is None
    assert "claude opus by 1 (r)" in (lowering.sentence(progress) or "")
    progress = advance(played.goal, progress, AutonomyRestored(by="pia", by_uid=7, reason="looked"), at=AT)
    assert (lowering.sentence(progress), lowering.owed(progress)) == (None, None)
    assert lowering.effective(played.goal, progress) == played.goal


PIA = Caller(uid=7, login="pia", pid=1, grants=(Grant(role=Role.APPROVER),))


@pytest.mark.parametrize(
    ("who", "is_one_uid", "type_"),
    [
        pytest.param(PIA, False, None, id="an-approver"),
        pytest.param(replace(PIA, login="ada"), False, "four_eyes", id="the-submitter"),
        pytest.param(replace(PIA, uid=990), False, "four_eyes", id="the-executors-user"),
        pytest.param(replace(PIA, grants=(Grant(role=Role.OPERATOR),)), False, "denied", id="an-operator"),
        pytest.param(replace(PIA, uid=0, grants=(), is_unlimited=True), False, "denied", id="root"),
        pytest.param(replace(PIA, login="ada", uid=990, grants=()), True, None, id="on-ones-own-daemon"),
    ],
)
def test_who_restores_is_an_approver_and_somebody_else(
    who: Caller, is_one_uid: bool, type_: str | None
) -> None:
    progress = replace(_lowered(1), executor_uid=990)
    refused = lowering.refusal(_goal(), progress, who, is_one_uid=is_one_uid)
    assert (None if refused is None else refused.type) == type_
    again = lowering.refusal(_goal(), replace(progress, lowered={}), who, is_one_uid=is_one_uid)
    assert again is not None
    assert again.type == "conflict"


@pytest.mark.parametrize(
    ("predicate_id", "harmed"),
    [
        pytest.param("livez", ("livez",), id="live"),
        pytest.param("landed", (), id="work-that-is-not-landed-yet"),
        pytest.param("deployed", (), id="nor-deployed"),
    ],
)
def test_what_turned_red_by_an_act_is_harm_but_for_work_that_goes_on(
    predicate_id: str, harmed: tuple[str, ...]
) -> None:
    name = PredicateId(predicate_id)
    progress = regression.attributed(_progress(replace(_act(1), greens=(name,))), name)
    assert progress.episode is not None
    assert (progress.episode.acts[-1].broke, progress.episode.acts[-1].harmed) == ((name,), harmed)
