"""The default constants played against each other, hour by hour; `pytest -s -k timeline` prints the tables."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from kazid.core.backoff import BASE_S, CAP_S
from kazid.core.event import ActEnded, ActIntended
from kazid.core.goal import Predicate
from kazid.core.rungs import HALF_OPEN_S
from kazid.core.verdict import Verdict
from tests.builders import FAIL, PASS, a_remedy, a_service, a_task
from tests.core.timeline import ACT_S, LOOK_S, Row, rows_of
from tests.core.world import Loop, World

CONFIRMED_S = 2.0 + LOOK_S
"""confirm 2, recheck 2 s: from the first red look to the end of the second."""


def show(title: str, rows: Sequence[Row]) -> None:
    print(f"\n{title}")
    for at_s, what in rows:
        print(f"{at_s:>10.1f} s  {what}")


def acts_of(loop: Loop) -> list[tuple[float, float]]:
    """When each act began, and when it ended."""
    began = [r.at.boot_s for r in loop.play.records if isinstance(r.event, ActIntended)]
    ended = [r.event.ended_s for r in loop.play.records if isinstance(r.event, ActEnded)]
    return list(zip(began, ended, strict=True))


def a_dead_world() -> World:
    return World(nature={"livez": FAIL, "tests": FAIL}, look_s=LOOK_S, act_s=ACT_S)


def test_timeline_of_a_service_that_stays_dead() -> None:
    loop = Loop(a_service(), a_dead_world()).run(until_s=3.2 * HALF_OPEN_S)
    rows = rows_of(loop)
    show("a service that stays dead: confirm 2, recheck 2 s, attempts 2, half-open 1 h", rows)
    assert [what for _, what in rows] == [
        "livez is fail",
        "-> acting",
        "episode 1 opened",
        "act 1: restart",
        "ended: exited",
        "livez is fail",
        "act 2: restart",
        "ended: exited",
        "livez is fail",
        "-> stuck: no_progress",
        *[
            "act 3: restart (half-open)",
            "-> acting",
            "ended: exited",
            "livez is fail",
            "-> stuck: no_progress",
        ],
        *[
            "act 4: restart (half-open)",
            "-> acting",
            "ended: exited",
            "livez is fail",
            "-> stuck: no_progress",
        ],
        *[
            "act 5: restart (half-open)",
            "-> acting",
            "ended: exited",
            "livez is fail",
            "-> stuck: no_progress",
        ],
    ]
    acts = acts_of(loop)
    assert acts[0][0] == pytest.approx(CONFIRMED_S), "the first act of an episode starts at once"
    assert acts[0][1] + CONFIRMED_S <= acts[1][0] <= acts[0][1] + 2 * BASE_S + CONFIRMED_S
    stuck_s = next(at_s for at_s, what in rows if what == "-> stuck: no_progress")
    assert stuck_s == pytest.approx(acts[1][1] + CONFIRMED_S)
    for before, retry in pairwise(acts[1:]):
        assert retry[0] == pytest.approx(before[1] + HALF_OPEN_S + LOOK_S), "looked at again, then acted on"


def test_timeline_of_the_backoff_ladder() -> None:
    loop = Loop(a_service(remedies=[a_remedy("livez", attempts=12)]), a_dead_world()).run(until_s=4 * 3600.0)
    acts = acts_of(loop)[:12]
    waits = [after[0] - before[1] for before, after in pairwise(acts)]
    print("\nthe backoff ladder: 5 s · 2ⁿ, cap 5 min, full jitter; two looks 2 s apart come first")
    for n, wait_s in enumerate(waits, start=1):
        ceiling_s = min(CAP_S, BASE_S * 2**n)
        print(f"  n = {n:>2}   up to {ceiling_s:>5.0f} s   waited {wait_s:>6.1f} s")
        assert CONFIRMED_S - 0.001 <= wait_s <= max(ceiling_s, CONFIRMED_S) + LOOK_S + 0.001
    assert len(waits) == 11
    assert max(waits) > CAP_S / 2


def test_timeline_of_one_crash() -> None:
    loop = Loop(
        a_service(), World(nature={"livez": FAIL}, repaired_by={"livez": 1}, look_s=LOOK_S, act_s=ACT_S)
    ).run(until_s=600.0)
    rows = rows_of(loop)
    show("one crash: red, confirmed, restarted, green twice", rows)
    assert [what for _, what in rows] == [
        "livez is fail",
        "-> acting",
        "episode 1 opened",
        "act 1: restart",
        "ended: exited",
        "livez is pass",
        "episode 1 closed after 3.1 s",
        "-> holding",
    ]
    assert rows[-1][0] == pytest.approx(CONFIRMED_S + ACT_S + CONFIRMED_S), (
        "repaired within 5.2 s of the first red"
    )


class CrashLoop(World):
    """A service that lives for so long after each restart."""

    def __init__(self, *, lives_s: float) -> None:
        super().__init__(look_s=LOOK_S, act_s=ACT_S)
        self.lives_s = lives_s
        self.restarts = 0
        self.died_s: float | None = 0.0

    def verdict(self, predicate: Predicate, now_s: float) -> Verdict:
        if self.served.get("livez", 0) > self.restarts:
            self.restarts = self.served["livez"]
            self.died_s = now_s + self.lives_s
        return FAIL if self.died_s is not None and now_s >= self.died_s else PASS


@pytest.mark.parametrize(
    ("lives_s", "is_slowed"),
    [
        pytest.param(5.0, True, id="dies-after-5-s"),
        pytest.param(40.0, True, id="dies-after-40-s"),
        pytest.param(900.0, False, id="dies-after-15-min"),
    ],
)
def test_timeline_of_a_crash_loop(lives_s: float, is_slowed: bool) -> None:
    loop = Loop(a_service(), CrashLoop(lives_s=lives_s)).run(until_s=2 * 3600.0)
    acts = acts_of(loop)
    waits = [after[0] - before[1] - lives_s for before, after in pairwise(acts)]
    print(f"\na service that lives {lives_s:.0f} s: {len(acts)} restarts in 2 h")
    print("  waits after its death: " + ", ".join(f"{max(0.0, wait_s):.0f}" for wait_s in waits[:20]) + " s")
    interval_s = 33.0 + CONFIRMED_S + LOOK_S
    assert all(wait_s <= interval_s for wait_s in waits[:3]), "three repairs in ten minutes are free"
    assert (max(waits) > CAP_S / 4) is is_slowed
    assert len(acts) <= 1 + 2 * 3600.0 / (lives_s + CONFIRMED_S)


def test_timeline_of_an_agent_that_changes_nothing() -> None:
    loop = Loop(a_task(), a_dead_world())
    loop.world.random.choice = lambda options: options[0]  # type: ignore[method-assign]
    loop.run(until_s=3600.0)
    rows = rows_of(loop)
    show("an agent that changes nothing: two dispatches without a new fingerprint", rows)
    assert [what for _, what in rows] == [
        "episode 1 opened",
        "tests is fail",
        "-> acting",
        "act 1: claude on tests",
        "ended: exited",
        "tests is fail",
        "act 2: claude on tests",
        "ended: exited",
        "tests is fail",
        "-> stuck: no_progress",
    ]
    acts = acts_of(loop)
    assert acts[1][0] - acts[0][1] <= 2 * BASE_S + LOOK_S
    assert rows[-1][0] == pytest.approx(acts[1][1] + LOOK_S), (
        "no backoff is waited out to learn that it is stuck"
    )
