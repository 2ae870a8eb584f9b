"""Replay: recorded decisions are made again, and one that these rules would not make is shown."""

import msgspec
import pytest

from kazid.core.event import EpisodeOpened, PredicateObserved, Recorded, StatusChanged
from kazid.core.instant import GRID_S, next_on_grid_s, on_grid_s
from kazid.core.replay import is_decided, replay
from kazid.core.status import GoalStatus
from kazid.core.verdict import failed, passed
from tests.builders import a_goal, a_predicate, a_remedy
from tests.played import Played


def _repaired() -> list[Recorded]:
    """A one-shot goal: red, one remedy, green, converged; the decisions as `decide` makes them."""
    played = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy("livez")]))
    played.turn()
    played.looks(failed("unreachable"), failed("unreachable"))
    played.act_intended()
    played.advance(1.0).act_ended()
    played.looks(passed(), passed())
    played.turn()
    assert played.status is GoalStatus.CONVERGED
    return played.records


@pytest.fixture
def records() -> list[Recorded]:
    return _repaired()


def test_recorded_decisions_are_made_again(records: list[Recorded]):
    replayed = replay(records)
    assert replayed.is_same, replayed.differences
    assert replayed.events == len(records)
    assert replayed.decisions == sum(is_decided(r.event) for r in records) >= 3


def test_a_converged_without_the_look_it_rests_on_is_a_difference(records: list[Recorded]):
    last_green = max(
        i
        for i, r in enumerate(records)
        if isinstance(r.event, PredicateObserved) and r.event.verdict.status.value == "pass"
    )
    forged = records[:last_green] + records[last_green + 1 :]
    (difference, *_) = replay(forged).differences
    assert difference.type == "status.changed"
    assert (difference.seq, difference.at) == (records[-1].seq, records[-1].at)
    assert "converged" in difference.recorded
    assert "converged" not in difference.decided


@pytest.mark.parametrize(
    "forged",
    [
        pytest.param(StatusChanged(status=GoalStatus.STUCK, reason="because"), id="status"),
        pytest.param(EpisodeOpened(number=2, red=("other",)), id="episode"),
    ],
)
def test_a_decision_that_was_never_due_is_a_difference(records: list[Recorded], forged: object):
    last = records[-1]
    more = msgspec.structs.replace(last, seq=last.seq + 1, offset=last.offset + 1, event=forged)
    differences = replay([*records, more]).differences
    assert [d.seq for d in differences] == [more.seq]


def test_a_changed_verdict_changes_the_decision(records: list[Recorded]):
    def flipped(record: Recorded) -> Recorded:
        if not isinstance(record.event, PredicateObserved):
            return record
        verdict = passed() if record.event.verdict.status.value == "fail" else failed("unreachable")
        return msgspec.structs.replace(record, event=msgspec.structs.replace(record.event, verdict=verdict))

    assert not replay([flipped(r) for r in records]).is_same


@pytest.mark.parametrize("time_s", [0.0, 1.1, 5.2, 1234.567891, 30 * 0.93451234567, 1e6 + 1 / 3, 4e7 + 0.7])
def test_a_look_is_timed_on_the_grid_and_never_before_it_began(time_s: float):
    on_grid = next_on_grid_s(time_s)
    assert time_s <= on_grid <= time_s + 1.5 * GRID_S
    assert on_grid == on_grid_s(on_grid)
    base_s = next_on_grid_s(time_s / 3)
    assert on_grid_s(base_s + round((on_grid - base_s) * 1e6) / 1e6) == on_grid
