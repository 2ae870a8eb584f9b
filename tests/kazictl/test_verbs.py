"""The verbs that ask for goals and steer them, as real processes: exit code, what was asked, one document.

What a slip on the command line and a failure look like is the same for every verb.
"""

import time

import msgspec
import pytest

from kazid.wire import exit_codes
from kazid.wire.messages import AckRequest, FleetReply, ResumeRequest, SuspendRequest
from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import (
    GOAL,
    Answer,
    FakeDaemon,
    a_converged_goal,
    a_goal,
    a_list,
    a_summary,
    an_explanation,
    document,
    refusal,
)


@pytest.mark.parametrize(("status", "code"), exit_codes.BY_STATUS.items())
def test_status_exits_by_the_goals_status(
    daemon: FakeDaemon, kazictl: Kazictl, status: str, code: int
) -> None:
    daemon.on("GET", GOAL, document(a_goal(status=status, exit_code=code)))
    finished = kazictl("status", "web")
    assert finished.returncode == code
    assert finished.stderr == ""
    assert finished.stdout.startswith(f"ops/web  {status}")


def test_status_json_is_the_daemons_own_document(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals/ann/a~1b%20c", document(a_goal(status="stuck", exit_code=3)))
    finished = kazictl("--json", "status", "ann/a/b c")
    assert finished.returncode == exit_codes.STUCK
    assert finished.stdout.encode() == msgspec.json.encode(a_goal(status="stuck", exit_code=3)) + b"\n"
    assert finished.stderr == ""


def test_control_characters_of_a_goal_never_reach_the_terminal(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", GOAL, document(a_goal(reason="\x1b]0;x\x07a\x1b[2Jb\u202e\nc", workspace="/\x9bs")))
    shown = kazictl("status", "web").stdout
    assert "ab c" in shown
    assert not {"\x1b", "\x07", "\x9b", "\u202e"} & set(shown)


@pytest.mark.parametrize("verb", ["list", "status"])
def test_list_and_bare_status_exit_0_whatever_the_goals_are(
    daemon: FakeDaemon, kazictl: Kazictl, verb: str
) -> None:
    daemon.on("GET", "/v1/goals", document(a_list(a_summary(status="stuck"), a_summary(ref="ops/db"))))
    finished = kazictl(verb)
    assert finished.returncode == 0
    assert "2 goals: 1 acting, 1 stuck" in finished.stdout
    assert len(one_document(kazictl(verb, "--json"))["goals"]) == 2


def test_list_says_what_holds_all_goals(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    notices = ["all goals are frozen: move", "6 goals turned red together (incident 4); ada/web tries first"]
    daemon.on("GET", "/v1/goals", document(a_list(a_summary(), notices=notices)))
    assert kazictl("list").stdout.splitlines()[:2] == notices
    assert one_document(kazictl("list", "--json"))["notices"] == notices


def test_an_empty_list_says_how_to_begin(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals", document(a_list()))
    assert "kazictl apply GOAL.toml" in kazictl("list").stdout


def test_list_selects_by_label_and_joins_pages(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    first, last = a_list(a_summary(ref="ops/a"), following="ops/a"), a_list(a_summary(ref="ops/b"))
    daemon.on("GET", "/v1/goals", document(first), document(last))
    told = one_document(kazictl("list", "-l", "team=a b", "-l", "x=y", "--json"))
    assert [goal["ref"] for goal in told["goals"]] == ["ops/a", "ops/b"]
    assert told["next"] is None
    asked = [request.target for request in daemon.requests]
    assert asked == ["/v1/goals?l=team%3Da%20b&l=x%3Dy", "/v1/goals?l=team%3Da%20b&l=x%3Dy&after=ops%2Fa"]


def test_wait_exits_by_what_it_waited_for(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    early = document(a_goal(problem="timeout", exit_code=124))
    daemon.on("GET", f"{GOAL}/wait", early, Answer(raw=b""), document(a_converged_goal()))
    finished = kazictl("wait", "web", "--for", "holding")
    assert finished.returncode == 0
    assert finished.stdout.startswith("ops/web: converged; 2 of 2 pass")
    assert "for=holding&timeout_s=" in daemon.requests[0].target
    assert len(daemon.requests) == 3


def test_wait_times_out_with_124(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    timed_out = document(a_goal(problem="timeout", exit_code=124))
    timed_out.before = lambda: time.sleep(0.25)
    daemon.on("GET", f"{GOAL}/wait", timed_out)
    finished = kazictl("wait", "web", "--timeout", "0.2s", "--json")
    assert finished.returncode == exit_codes.TIMED_OUT
    assert one_document(finished)["problem"] == "timeout"
    assert daemon.requests[0].target.startswith(f"{GOAL}/wait?for=converged&timeout_s=0.")


def test_wait_ends_with_the_goals_code_when_the_state_cannot_come(
    daemon: FakeDaemon, kazictl: Kazictl
) -> None:
    daemon.on("GET", f"{GOAL}/wait", document(a_goal(status="stuck", problem="unreachable", exit_code=3)))
    finished = kazictl("wait", "web")
    assert finished.returncode == exit_codes.STUCK
    assert finished.stderr == "kazictl: converged cannot come without a person\n"
    assert finished.stdout.startswith("ops/web: stuck: trying")


def test_wait_refuses_a_state_that_does_not_exist(kazictl: Kazictl) -> None:
    finished = kazictl("wait", "web", "--for", "convergd")
    assert finished.returncode == exit_codes.USAGE
    assert "did you mean converged?" in finished.stderr


def test_explain_names_the_rule_and_what_holds(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", f"{GOAL}/explain", document(an_explanation()))
    finished = kazictl("explain", "web")
    assert finished.returncode == 0
    assert "decided: Hold" in finished.stdout
    assert "backoff: second try" in finished.stdout
    assert one_document(kazictl("explain", "web", "--json"))["decision"] == "Hold"


def test_explain_ends_with_what_a_person_can_do(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    steps = ("mend it by hand", "kazictl resume ops/web --reason TEXT")
    daemon.on("GET", f"{GOAL}/explain", document(msgspec.structs.replace(an_explanation(), next_steps=steps)))
    assert kazictl("explain", "web").stdout.endswith(
        "\nNext\n  mend it by hand\n  kazictl resume ops/web --reason TEXT\n"
    )


@pytest.mark.parametrize(
    ("argv", "action", "kind", "body"),
    [
        pytest.param(["reconcile", "web"], "reconcile", None, None, id="reconcile"),
        pytest.param(["stop", "web"], "stop", None, None, id="stop"),
        pytest.param(
            ["suspend", "web", "--reason", "disk", "--for", "2h"],
            "suspend",
            SuspendRequest,
            SuspendRequest(reason="disk", for_s=7200.0),
            id="suspend",
        ),
        pytest.param(
            ["resume", "web", "--reason", "fixed"],
            "resume",
            ResumeRequest,
            ResumeRequest(reason="fixed"),
            id="resume",
        ),
    ],
)
@pytest.mark.parametrize(
    ("problem", "code"),
    [(None, 0), ("suspending", exit_codes.UNDER_WAY), ("degraded", exit_codes.ERROR)],
)
def test_steering_exits_by_what_became_of_it(
    daemon: FakeDaemon,
    kazictl: Kazictl,
    argv: list[str],
    action: str,
    kind: type[msgspec.Struct] | None,
    body: msgspec.Struct | None,
    problem: str | None,
    code: int,
) -> None:
    daemon.on(
        "POST",
        f"{GOAL}/{action}",
        document(a_goal(status="suspended", problem=problem, pids=[41], exit_code=6)),
    )
    finished = kazictl(*argv)
    assert finished.returncode == code
    assert finished.stdout.startswith("ops/web: ")
    assert ("pid 41" in finished.stdout) == (problem == "suspending")
    told = one_document(kazictl(*argv, "--json"))
    assert (told["status"], told["exit_code"]) == ("suspended", code)
    if kind is not None:
        assert msgspec.json.decode(daemon.requests[0].body, type=kind) == body


@pytest.mark.parametrize(
    ("status", "next_look_at", "said"),
    [
        pytest.param("observing", None, "woken", id="its-look-is-under-way"),
        pytest.param("suspended", None, "woken", id="suspended-it-looks-on"),
        pytest.param("stuck", 1.0, "woken", id="a-standing-goal-that-is-stuck-looks-on"),
        pytest.param("converged", None, "nothing is looked at, for it has ended", id="converged"),
        pytest.param("stopped", None, "nothing is looked at, for it has ended", id="stopped"),
    ],
)
def test_reconcile_says_whether_anything_is_looked_at(
    daemon: FakeDaemon, kazictl: Kazictl, status: str, next_look_at: float | None, said: str
) -> None:
    predicates = [msgspec.structs.replace(p, next_look_at=next_look_at) for p in a_goal().predicates]
    daemon.on("POST", f"{GOAL}/reconcile", document(a_goal(status=status, predicates=predicates)))
    finished = kazictl("reconcile", "web")
    assert finished.returncode == 0
    assert finished.stdout.startswith(f"ops/web: {said}; now {status}")


@pytest.mark.parametrize(
    ("was_frozen", "said"),
    [
        pytest.param(True, "every goal: thawed\n", id="frozen"),
        pytest.param(False, "nothing was frozen\n", id="not-frozen"),
    ],
)
def test_thaw_says_whether_there_was_a_freeze(
    daemon: FakeDaemon, kazictl: Kazictl, was_frozen: bool, said: str
) -> None:
    reply = FleetReply(frozen=False, reason=None, until=None, goals=3, was_frozen=was_frozen)
    daemon.on("POST", "/v1/thaw", document(reply))
    finished = kazictl("thaw")
    assert (finished.returncode, finished.stdout) == (0, said)


def test_ack_says_that_the_goal_stays_what_it_is(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("POST", f"{GOAL}/ack", document(a_goal(status="stuck", exit_code=3)))
    finished = kazictl("ack", "web", "--reason", "on it")
    assert (finished.returncode, finished.stdout) == (0, "ops/web: acknowledged; still stuck\n")
    assert msgspec.json.decode(daemon.requests[0].body, type=AckRequest) == AckRequest(reason="on it")
    assert one_document(kazictl("ack", "web", "--json"))["exit_code"] == 0


@pytest.mark.parametrize("verb", ["reconcile", "stop", "suspend", "resume"])
def test_steering_by_label_acts_on_each_and_reports_each(
    daemon: FakeDaemon, kazictl: Kazictl, verb: str
) -> None:
    goals = [a_summary(goal_id=name, ref=f"ops/{name}") for name in ("a", "b", "c")]
    daemon.on("GET", "/v1/goals", document(a_list(*goals)))
    daemon.on("POST", f"/v1/goals/ops/a/{verb}", document(a_goal(ref="ops/a")))
    daemon.on("POST", f"/v1/goals/ops/b/{verb}", refusal(403, "denied"))
    daemon.on("POST", f"/v1/goals/ops/c/{verb}", document(a_goal(ref="ops/c", problem="suspending")))
    reason = ["--reason", "x"] if verb in ("suspend", "resume") else []
    finished = kazictl(verb, "-l", "team=web", *reason)
    assert finished.returncode == exit_codes.ERROR
    assert [line.split(":")[0] for line in finished.stdout.splitlines()] == ["ops/a", "ops/b", "ops/c"]
    assert "refused" in finished.stdout
    told = one_document(kazictl(verb, "-l", "team=web", *reason, "--json"))
    assert [goal["exit_code"] for goal in told["goals"]] == [0, exit_codes.ERROR, exit_codes.UNDER_WAY]


def test_steering_needs_a_goal_or_a_label_that_matches(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/goals", document(a_list()))
    assert kazictl("stop").returncode == exit_codes.USAGE
    assert kazictl("stop", "web", "-l", "a=b").returncode == exit_codes.USAGE
    finished = kazictl("stop", "-l", "a=b")
    assert finished.returncode == exit_codes.USAGE
    assert "no goal matches -l a=b" in finished.stderr


def test_delete_removes_one_goal(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("DELETE", GOAL, document(a_goal(status="stopped", exit_code=1)))
    finished = kazictl("delete", "web")
    assert finished.returncode == 0
    assert finished.stdout == "ops/web: deleted\n"
    assert one_document(kazictl("delete", "web", "--json"))["exit_code"] == 0
    assert kazictl("delete", "-l", "a=b").returncode == exit_codes.USAGE


@pytest.mark.parametrize(
    ("argv", "code"),
    [
        pytest.param(["status", "nope"], exit_codes.USAGE, id="unknown-goal"),
        pytest.param(["statsu"], exit_codes.USAGE, id="unknown-verb"),
        pytest.param(["run", "g.toml"], exit_codes.USAGE, id="replaced-verb"),
        pytest.param(["status", "/x"], exit_codes.USAGE, id="no-reference"),
        pytest.param(["list", "--socket", "/nowhere/s"], exit_codes.NO_DAEMON, id="no-daemon"),
    ],
)
def test_under_json_a_failure_is_one_document_too(kazictl: Kazictl, argv: list[str], code: int) -> None:
    finished = kazictl(*argv, "--json")
    assert finished.returncode == code
    assert finished.stderr == ""
    told = one_document(finished)
    assert told["exit_code"] == code
    assert told["schema_version"] == 2
    assert {"error", "type", "detail", "problems"} <= set(told)
    people = kazictl(*argv)
    assert (people.returncode, people.stdout) == (code, "")
    assert people.stderr.startswith("kazictl: ")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        pytest.param(["audit", "forge"], "audit cannot 'forge'", id="no-such-action"),
        pytest.param(["audit", "show"], "audit show needs REF", id="show-what"),
        pytest.param(["audit", "verify", "--head", "7:ab"], "--head 7:ab: not NUMBER:HASH", id="short-head"),
        pytest.param(["audit", "verify", "--head", "x"], "--head x: not NUMBER:HASH", id="no-head"),
        pytest.param(["harness", "bla"], "harness cannot 'bla'", id="harness-action"),
        pytest.param(["harness", "check"], "harness check needs ID", id="check-what"),
    ],
)
def test_a_slip_in_an_action_is_told_before_any_daemon_is_asked(
    kazictl: Kazictl, argv: list[str], said: str
) -> None:
    run = kazictl(*argv)
    assert (run.returncode, run.stdout) == (exit_codes.USAGE, "")
    assert said in run.stderr
