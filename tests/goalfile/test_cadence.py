"""How often, and how sure: SEMANTICS §2, default by default and override by override."""

import pytest

from kazid.core.goal import Cadence
from tests.goalfile.loading import PREDICATE, PROBE, goal_of

LIVE = Cadence(interval_s=30.0, deadline_s=10.0, confirm=2, recover=2, recheck_s=2.0)
CODE = Cadence(interval_s=None, deadline_s=600.0, confirm=1, recover=1, recheck_s=2.0)


def cadence(predicate: str, *, observe: str = "", standing: bool = False) -> Cadence:
    top = f'id = "g"\nstanding = {"true" if standing else "false"}\n'
    table = f"[observe]\n{observe}\n" if observe else ""
    return goal_of(f"{top}{table}{predicate}").predicates[0].cadence


def test_live_kinds_are_looked_at_every_half_minute() -> None:
    assert cadence(PROBE) == LIVE
    assert cadence(PROBE, standing=True) == LIVE


def test_code_kinds_of_a_one_shot_goal_have_no_interval() -> None:
    assert cadence(PREDICATE) == CODE


def test_code_kinds_of_a_standing_goal_are_looked_at_every_ten_minutes() -> None:
    assert cadence(PREDICATE, standing=True).interval_s == 600.0


def test_the_standing_flag_gives_code_kinds_their_interval_too() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}', standing_flag=True)
    assert goal.standing
    assert goal.predicates[0].cadence.interval_s == 600.0


@pytest.mark.parametrize(
    ("interval", "deadline_s"),
    [
        pytest.param('"1s"', 0.8, id="within-the-interval"),
        pytest.param('"500ms"', 0.4, id="milliseconds"),
        pytest.param('"12.5s"', 10.0, id="never-more-than-ten-seconds"),
        pytest.param('"1.5m"', 10.0, id="decimals"),
        pytest.param("5", 4.0, id="a-bare-number-is-seconds"),
    ],
)
def test_the_deadline_of_a_live_look_follows_its_interval(interval: str, deadline_s: float) -> None:
    assert cadence(PROBE, observe=f"interval = {interval}").deadline_s == pytest.approx(deadline_s)
    assert cadence(PROBE + f"interval = {interval}\n").deadline_s == pytest.approx(deadline_s)


def test_observe_goes_for_all_predicates_of_the_file() -> None:
    observe = 'interval = "5s"\ntimeout = "3s"\nconfirm = 4\nrecover = 5\nrecheck = "1s"'
    assert cadence(PROBE, observe=observe) == Cadence(
        interval_s=5.0, deadline_s=3.0, confirm=4, recover=5, recheck_s=1.0
    )
    assert cadence(PREDICATE, observe=observe) == Cadence(
        interval_s=5.0, deadline_s=3.0, confirm=1, recover=1, recheck_s=1.0
    ), "confirm and recover are for live kinds"


def test_absent_observe_keys_keep_the_defaults_by_kind() -> None:
    assert cadence(PREDICATE, observe='interval = "5s"').deadline_s == 600.0
    assert cadence(PROBE, observe="confirm = 3").interval_s == 30.0


def test_a_predicates_own_keys_win_over_observe() -> None:
    own = 'interval = "7s"\ntimeout_ms = 1500\nconfirm = 1\nrecover = 3\nrecheck = "4s"\n'
    observe = 'interval = "5s"\ntimeout = "3s"\nconfirm = 4\nrecover = 5\nrecheck = "1s"'
    assert cadence(PROBE + own, observe=observe) == Cadence(
        interval_s=7.0, deadline_s=1.5, confirm=1, recover=3, recheck_s=4.0
    )


@pytest.mark.parametrize(
    ("own", "observe", "recover"),
    [
        pytest.param("samples = 3", "", 1, id="the-samples-are-the-proof"),
        pytest.param("samples = 3\nrecover = 2", "", 2, id="own-recover-wins"),
        pytest.param("samples = 3", "recover = 5", 1, id="own-samples-win-over-observe"),
        pytest.param("", "recover = 5", 5, id="observe"),
        pytest.param("", "", 2, id="default"),
    ],
)
def test_samples_stand_for_recover(own: str, observe: str, recover: int) -> None:
    assert cadence(f"{PROBE}{own}\n", observe=observe).recover == recover


def test_samples_of_a_kind_that_takes_none_are_greens_in_a_row() -> None:
    assert cadence(PREDICATE + "live = true\nsamples = 3\n").recover == 3


def test_live_overrides_the_kind() -> None:
    assert cadence(PREDICATE + "live = true\n") == LIVE
    assert cadence(PROBE + "live = false\n") == CODE
    goal = goal_of(f'id = "g"\n{PREDICATE}live = true\n{PROBE}live = false\n')
    assert [p.live for p in goal.predicates] == [True, False]


def test_landed_is_looked_at_as_code_whatever_observe_says() -> None:
    goal = goal_of(
        f'id = "g"\n{PREDICATE}[integration]\nmode = "pr"\n[observe]\ninterval = "1s"\ntimeout = "1s"\n'
    )
    assert goal.predicate(goal.predicate_ids[-1]).cadence == CODE
