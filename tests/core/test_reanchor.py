"""Stored boot times after a reboot: every one moves, and no length of time does."""

import msgspec
import pytest

from kazid.core.progress import Deferred, Episode, PredicateState, Progress, RunningAct
from kazid.core.reanchor import reanchored
from kazid.core.window import Spending
from tests.builders import a_progress, a_running_act, a_state, an_episode

LENGTHS_AND_WALL_TIMES = {"clock_used_s", "last_delay_s", "down_s", "duration_s"}
"""Fields in seconds that are not moments of boot time."""

FULL = a_progress(
    states={
        "livez": a_state(
            started_s=1.0,
            ended_s=2.0,
            counted_s=3.0,
            decided_s=4.0,
            errors_since_s=5.0,
            unsettled_since_s=5.5,
            green_since_s=6.0,
            last_act_ended_s=7.0,
            last_delay_s=8.0,
            repairs_s=(9.0, 10.0),
            put_back_s=(10.5,),
            red_since_s=10.6,
        )
    },
    episode=an_episode(opened_s=11.0, clock_since_s=12.0, clock_used_s=13.0),
    last_episode=an_episode(opened_s=14.0, clock_since_s=15.0, clock_used_s=16.0),
    act=a_running_act(started_s=17.0, recovered_s=18.0, down_s=19.0),
    deferred=Deferred(waits_for="lease", holder="bob/site", since_s=20.0),
    last_act_ended_s=21.0,
    asked_s=22.0,
    act_floor_s=23.0,
    spent=(Spending(at_wall_s=24.0),),
)


def moments(value: object, path: str = "") -> dict[str, float]:
    """Every number in a field that ends in `_s`, by its path."""
    if isinstance(value, dict):
        found: dict[str, float] = {}
        for key, inner in value.items():
            found |= moments(inner, f"{path}.{key}")
        return found
    if isinstance(value, (list, tuple)):
        found = {}
        for position, inner in enumerate(value):
            found |= moments(inner, f"{path}[{position}]")
        return found
    field = path.rsplit(".", 1)[-1].split("[")[0]
    return {path: float(value)} if field.endswith("_s") and isinstance(value, (int, float)) else {}


def is_boot_time(path: str) -> bool:
    field = path.rsplit(".", 1)[-1].split("[")[0]
    return field not in LENGTHS_AND_WALL_TIMES and "wall" not in field


def test_every_boot_time_moves_and_nothing_else_does() -> None:
    before = moments(msgspec.to_builtins(FULL))
    after = moments(msgspec.to_builtins(reanchored(FULL, -1000.0)))
    assert len(before) > 20
    assert after == {path: s - 1000.0 if is_boot_time(path) else s for path, s in before.items()}


@pytest.mark.parametrize("struct", [PredicateState, Episode, RunningAct, Deferred, Progress])
def test_a_new_field_in_seconds_is_not_forgotten_here(struct: type[msgspec.Struct]) -> None:
    seen = {path.rsplit(".", 1)[-1].split("[")[0] for path in moments(msgspec.to_builtins(FULL))}
    fields = {field for field in struct.__struct_fields__ if field.endswith("_s") and "wall" not in field}
    assert fields <= seen


def test_what_never_was_stays_unset() -> None:
    moved = reanchored(Progress(), 50.0)
    assert (moved.last_act_ended_s, moved.asked_s, moved.episode, moved.act) == (None, None, None, None)


def test_no_reboot_moves_nothing() -> None:
    assert reanchored(FULL, 0.0) is FULL
