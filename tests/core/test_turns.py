"""Whose turn it is: owners share evenly, the longest wait first, and no cap is ever passed."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.ids import GoalUid, Owner
from kazid.core.turns import Claim, Limits, Seat, next_in_turn, refusal


def _claims(*said: str) -> list[Claim]:
    """`ada` wants a remedy, `ada@claude` an agent; asked in this order, named by their place: 0, 1, …"""
    claims: list[Claim] = []
    for number, who in enumerate(said):
        owner, _, harness = who.partition("@")
        claims.append(Claim(GoalUid(str(number)), Seat(Owner(owner), harness or None), float(number)))
    return claims


def _seats(*said: str) -> list[Seat]:
    return [claim.seat for claim in _claims(*said)]


@pytest.mark.parametrize(
    ("claims", "running", "served", "limits", "chosen"),
    [
        pytest.param(["ada"], [], {}, Limits(total=1), "0", id="alone"),
        pytest.param(["ada"], ["bob"], {}, Limits(total=1), "", id="no-slot"),
        pytest.param(["ada", "ada", "ada"], [], {}, Limits(total=2), "01", id="the-longest-wait-first"),
        pytest.param(
            ["ada", "ada", "bob"], [], {}, Limits(total=2), "02", id="one-each-whatever-the-number-of-goals"
        ),
        pytest.param(["ada", "bob"], ["ada"], {}, Limits(total=2), "1", id="who-has-fewest-running"),
        pytest.param(
            ["ada", "bob"], [], {"ada": 9.0, "bob": 5.0}, Limits(total=1), "1", id="served-longest-ago"
        ),
        pytest.param(["ada", "bob"], [], {"ada": 9.0}, Limits(total=1), "1", id="never-served-before"),
        pytest.param(["ada", "ada"], ["ada"], {}, Limits(total=4, per_owner=2), "0", id="a-cap-by-owner"),
        pytest.param(
            ["ada@a", "bob@a", "cy@b"],
            ["di@a"],
            {},
            Limits(total=4, per_harness=2),
            "02",
            id="a-cap-by-harness",
        ),
        pytest.param(
            ["ada", "bob"], [], {}, Limits(total=4, per_harness=1), "01", id="remedies-have-no-harness"
        ),
    ],
)
def test_whose_turn_it_is(claims, running, served, limits, chosen) -> None:
    found = next_in_turn(_claims(*claims), running=_seats(*running), served_s=served, limits=limits)
    assert sorted(found) == list(chosen)


_WHO = st.sampled_from(["ada", "bob", "cy", "ada@claude", "bob@claude", "bob@codex"])
_CAP = st.none() | st.integers(1, 3)


@given(st.lists(_WHO, max_size=12), st.lists(_WHO, max_size=4), st.integers(1, 6), _CAP, _CAP)
def test_as_many_begin_as_may_and_no_more(waiting, running, total, per_owner, per_harness) -> None:
    limits = Limits(total=total, per_owner=per_owner, per_harness=per_harness)
    claims, seats = _claims(*waiting), _seats(*running)
    chosen = next_in_turn(claims, running=seats, served_s={}, limits=limits)
    begun = [claim.seat for claim in claims if claim.uid in chosen]
    after = [*seats, *begun]
    assert not begun or len(after) <= total
    for seat in begun:
        assert per_owner is None or Counter(s.owner for s in after)[seat.owner] <= per_owner
        assert (
            seat.harness is None
            or per_harness is None
            or Counter(s.harness for s in after)[seat.harness] <= per_harness
        )
    for claim in claims:
        assert claim.uid in chosen or refusal(claim.seat, after, limits) is not None


def test_a_line_of_one_owner_is_served_in_its_order_between_the_others() -> None:
    claims = _claims("ada", "ada", "ada", "bob", "ada", "cy@claude")
    found = next_in_turn(claims, running=_seats("bob"), served_s={}, limits=Limits(total=5))
    assert sorted(found) == ["0", "1", "3", "5"]
