"""What a look leaves for the next one: kept by the fold whatever the verdict, through restarts and generations."""

from msgspec.structs import replace

from kazid.core.verdict import Status, Verdict, errored, unknown
from tests.builders import a_goal, a_predicate
from tests.played import Played


def left(status: Status, carry: object) -> Verdict:
    return Verdict(status=status, reason="x", carry=carry)


def test_every_verdict_may_leave_something_and_none_leaves_what_there_is():
    played = Played(a_goal(a_predicate("log", provider="prod_log")))
    assert played.state("log").carry is None
    for number, status in enumerate(Status):
        played.look("log", left(status, {"at": number}))
        assert played.state("log").carry == {"at": number}
        played.look("log", errored("log_missing"))
        played.look("log", unknown("no_data"))
        assert played.state("log").carry == {"at": number}


def test_what_was_left_outlives_restarts_suspensions_and_new_generations():
    played = Played(a_goal(a_predicate("log", provider="prod_log")))
    played.look("log", left(Status.FAIL, ["here"]))
    played.suspend()
    played.resume()
    played.restart_daemon(down_s=60.0, boot_s=5.0)
    played.reapply(replace(played.goal, description="again"), generation=2)
    assert played.state("log").carry == ["here"]
