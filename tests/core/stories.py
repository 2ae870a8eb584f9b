"""Where stories of decisions begin: a goal that is red, one that waits, one that is stuck.

Each is played by `tests.played.Played`, and `decide` alone has chosen every step of it.
"""

from kazid.core.decision import Hold, Look
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from tests.builders import FAIL, a_service, a_task
from tests.played import Played


def a_red_service(**others: object) -> Played:
    """`livez` was confirmed red at 2 s; the act on it is due."""
    return Played(a_service(**others)).looks(FAIL, FAIL)


def a_red_task(**others: object) -> Played:
    """`tests` is red; a dispatch is due."""
    play = Played(a_task(**others))
    play.turn()
    return play.look("tests", FAIL, tree="t0")


def next_red(play: Played, *, tree: str | None = None, evidence: str = "unreachable") -> Played:
    """After an act: wait the backoff out and confirm the red again."""
    until_s = play.held().until_s
    for predicate in play.goal.predicates:
        for _ in range(predicate.cadence.confirm):
            play.look(predicate.id, failed(evidence), tree=tree).advance(2.0)
    while isinstance(hold := play.turn(), Hold) and any(g.name == "backoff" for g in hold.guards):
        assert hold.until_s is not None, until_s
        play.at(hold.until_s)
    if isinstance(hold, Look):
        for predicate_id in hold.predicates:
            play.look(predicate_id, failed(evidence), tree=tree)
    return play


def held_by_backoff(play: Played) -> Played:
    """Act until the jitter gives a delay that is longer than confirming the red takes."""
    for _ in range(9):
        play.acted()
        play.looks(*[FAIL] * 2)
        if isinstance(hold := play.turn(), Hold):
            assert [g.name for g in hold.guards] == ["backoff"]
            return play
    raise AssertionError("nine acts and no backoff")


def a_stuck_service() -> Played:
    play = a_red_service()
    play.acted()
    next_red(play).acted()
    next_red(play)
    assert (play.status, play.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    return play
