"""The incident of common cause as its events have it, and what is recorded next."""

import pytest

from kazid.core.common_incident import (
    CANARY_PATIENCE_S,
    FORGOTTEN_S,
    Member,
    OpenIncident,
    incident_after,
    is_free,
    next_canary_s,
    next_step,
)
from kazid.core.event import (
    Event,
    FleetFrozen,
    IncidentCanaryFailed,
    IncidentCanaryNamed,
    IncidentClosed,
    IncidentOpened,
    IncidentReleased,
)
from kazid.core.ids import GoalUid

A, B, C, D = (GoalUid(name) for name in "abcd")
OPENED = IncidentOpened(red=(A, B, C, D), acting=(A,), active=9)
NAMED = IncidentCanaryNamed(uid=B, acts=3)
FAILED = IncidentCanaryFailed(uid=B, reason="it did not begin")
PROVED = IncidentReleased(uids=(C,), proof=A)
RED = Member(is_green=False, may_act=True, is_acting=False, is_failing=True, acts=3)
GREEN = Member(is_green=True, may_act=True, is_acting=False, is_failing=False, acts=4)
UNTOUCHED = Member(
    is_green=False, may_act=True, is_acting=False, is_failing=False, acts=4, last_act_ended_s=130.0
)
ACTING = Member(is_green=False, may_act=True, is_acting=True, is_failing=True, acts=4)
STOPPED = Member(is_green=False, may_act=False, is_acting=True, is_failing=False, acts=4)


def after(*events: Event) -> OpenIncident | None:
    """What stands after these, recorded at 100, 110, 120, … from the seventh of the stream on."""
    incident: OpenIncident | None = None
    for number, event in enumerate(events):
        incident = incident_after(incident, event, seq=7 + number, at_s=100.0 + 10 * number)
    return incident


def test_an_incident_is_folded_from_its_events():
    opened = OpenIncident(number=7, opened_s=100.0, red=4, witnesses=frozenset({A}))
    named = after(OPENED, NAMED)
    assert after(OPENED) == opened
    assert named is not None
    assert (named.canary, named.canary_acts, named.named_s) == (B, 3, 110.0)
    assert (named.free, named.witnesses) == ({B}, {A, B})
    failed = after(OPENED, NAMED, FAILED)
    assert failed is not None
    assert (failed.canary, failed.free, failed.witnesses) == (None, frozenset(), {A, B})
    assert (failed.failures, failed.failed_s, next_canary_s(failed)) == (1, 120.0, 130.0)
    proved = after(OPENED, NAMED, PROVED)
    assert proved is not None
    assert (proved.proved_s, proved.free, proved.canary) == (120.0, {B, C}, None), "the canary may have begun"
    more = after(OPENED, NAMED, IncidentReleased(uids=(C,), proof=B), IncidentReleased(uids=(A, D)))
    assert more is not None
    assert (more.proved_s, more.free) == (120.0, {A, C, D}), "a canary that is green has no more to do"
    assert after(OPENED, NAMED, IncidentClosed(number=7, duration_s=20.0)) is None


def test_a_canary_acts_once_and_who_was_released_as_often_as_it_has_to():
    tries, released = after(OPENED, NAMED), after(OPENED, NAMED, IncidentReleased(uids=(C,), proof=B))
    assert tries is not None
    assert released is not None
    assert [is_free(tries, uid, acts) for uid, acts in ((B, 3), (B, 4), (C, 0))] == [True, False, False]
    assert [is_free(released, uid, acts) for uid, acts in ((C, 0), (C, 9), (B, 4))] == [True, True, False]


def test_what_else_is_in_the_stream_changes_no_incident():
    assert after(OPENED, FleetFrozen(reason="r", by="ada")) == after(OPENED)
    assert after(NAMED) is None
    assert after(PROVED, IncidentClosed(number=1, duration_s=0.0)) is None


@pytest.mark.parametrize(
    ("events", "members", "waiting", "now_s", "expected"),
    [
        pytest.param([OPENED], {A: RED}, [C, B], 100.0, IncidentCanaryNamed(uid=C, acts=0), id="the-first-tries"),
        pytest.param([OPENED], {A: RED, C: RED}, [C], 100.0, IncidentCanaryNamed(uid=C, acts=3), id="its-attempts"),
        pytest.param([OPENED], {A: GREEN}, [C, B], 101.0, IncidentReleased(uids=(C,), proof=A), id="proved-by-itself"),
        pytest.param([OPENED], {A: ACTING}, [], 101.0, None, id="nobody-waits-yet"),
        pytest.param([OPENED, NAMED], {B: RED}, [C], 111.0, None, id="the-canary-has-not-begun"),
        pytest.param([OPENED, NAMED], {B: ACTING}, [C], 9999.0, None, id="the-canary-acts"),
        pytest.param([OPENED, NAMED], {B: UNTOUCHED}, [C], 131.0, None, id="the-canary-is-looked-at"),
        pytest.param(
            [OPENED, NAMED], {B: UNTOUCHED}, [C], 130.0 + CANARY_PATIENCE_S,
            IncidentCanaryFailed(uid=B, reason="it acted, and is not green"), id="nobody-could-look-at-it",
        ),
        pytest.param(
            [OPENED, NAMED], {B: RED}, [C], 110.0 + CANARY_PATIENCE_S,
            IncidentCanaryFailed(uid=B, reason="it did not begin"), id="the-canary-never-began",
        ),
        pytest.param(
            [OPENED, NAMED], {B: Member(is_green=False, may_act=True, is_acting=False, is_failing=True, acts=4)},
            [C], 111.0, IncidentCanaryFailed(uid=B, reason="it acted, and is red still"), id="no-help",
        ),
        pytest.param(
            [OPENED, NAMED], {B: STOPPED}, [C], 111.0,
            IncidentCanaryFailed(uid=B, reason="it may not act any more"), id="the-canary-was-suspended",
        ),
        pytest.param(
            [OPENED, NAMED], {}, [C], 111.0, IncidentCanaryFailed(uid=B, reason="it is gone"), id="deleted"
        ),
        pytest.param(
            [OPENED, NAMED], {B: GREEN, A: RED}, [C, D], 111.0, IncidentReleased(uids=(C,), proof=B), id="it-helped"
        ),
        pytest.param([OPENED, NAMED, FAILED], {B: RED}, [C], 129.9, None, id="the-next-waits"),
        pytest.param(
            [OPENED, NAMED, FAILED], {C: RED}, [C, D], 130.0, IncidentCanaryNamed(uid=C, acts=3), id="the-next-tries"
        ),
        pytest.param([OPENED, NAMED, PROVED], {}, [D, A], 129.9, None, id="one-is-let-go-first"),
        pytest.param(
            [OPENED, NAMED, IncidentReleased(uids=(C,), proof=B)], {}, [B, D, A], 130.0,
            IncidentReleased(uids=(B, D)), id="then-two-more"
        ),
        pytest.param(
            [OPENED, NAMED], {A: GREEN, B: RED}, [C, D], 111.0, IncidentReleased(uids=(), proof=A),
            id="a-canary-that-is-free-is-the-first",
        ),
        pytest.param([OPENED, NAMED, PROVED], {}, [], 119.9, None, id="somebody-asked-lately"),
        pytest.param(
            [OPENED, NAMED, PROVED], {}, [], 100.0 + FORGOTTEN_S, IncidentClosed(number=7, duration_s=20.0), id="over"
        ),
        pytest.param(
            [OPENED], {A: RED}, [], 100.0 + FORGOTTEN_S, IncidentClosed(number=7, duration_s=20.0), id="nobody-is-left"
        ),
    ],
)  # fmt: skip
def test_what_happens_next(
    events: list[Event],
    members: dict[GoalUid, Member],
    waiting: list[GoalUid],
    now_s: float,
    expected: Event | None,
):
    incident = after(*events)
    assert incident is not None
    assert next_step(incident, members, waiting, now_s=now_s, asked_s=100.0) == expected
