"""What checks may do to their daemon: each gets its verdict in time, leaves nothing running, and delays nobody.

Some hang, some fork, some print for ever, some answer nothing at all; and some are only very many.
"""

import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from tests.system.hostile_lab import MB, Lab, goal, lab, only_lab

__all__ = ["lab", "only_lab"]
CHECK_GRACE_S = 20.0
"""From a check's deadline to its verdict: to kill it all and to prove that nothing is left takes a moment."""
SWEEP_S = 180.0
"""What closed its pipes and left its session is found by the sweep, once a minute."""


@pytest.fixture(scope="module", autouse=True)
def _daemoniser(only_lab: Lab) -> None:
    """Started before all else: what it leaves is found within a minute, and the test of that comes last."""
    _start_daemoniser(only_lab)


def _sh(script: str, **options: Any) -> dict[str, Any]:
    return {"cmd": "sh", "args": ("-c", script), **options}


EXPLODES = 'verdict = "match_count"\nmatch_regex = "(a+)+$"\npass_when = ">= 1"'
BOMB = (
    "<!DOCTYPE a ["
    + "".join(f"<!ENTITY a{n} '{f'&a{n - 1};' * 10}'>" for n in range(1, 10))
    + "]><a>&a9;</a>"
)
FORKS = "for i in 1 2 3; do setsid sh -c 'trap : TERM; sleep 1000' & done; (sleep 1000 &); sleep 1000"
HOSTILE: Mapping[str, tuple[dict[str, Any], str, str | None]] = {
    "forks-and-hangs": (_sh(FORKS), "error", "timeout"),
    "ignores-signals": (_sh("trap '' TERM INT HUP; while :; do sleep 1; done"), "error", "timeout"),
    "prints-1-gb": (
        {"cmd": "head", "args": ("-c", "1000000000", "/dev/zero"), "timeout_s": 60},
        "pass",
        None,
    ),
    "prints-for-ever": (_sh("yes >&2 & exec yes"), "error", "timeout"),
    "dies-by-signal": (_sh("kill -SEGV $$"), "fail", "signaled"),
    "kills-its-group": (_sh("kill -KILL 0"), "fail", "signaled"),
    "keeps-the-pipes-open": (_sh("setsid sleep 1000 & exit 0"), "pass", None),
    "reads-stdin": (_sh("cat; test ! -t 0"), "pass", None),
    "asks-the-terminal": (_sh("read answer < /dev/tty"), "fail", "exit_code"),
    "is-missing": ({"cmd": "no-such-command"}, "error", "cmd_unrunnable"),
    "is-a-folder": ({"cmd": "/"}, "error", "cmd_unrunnable"),
    "is-no-program": ({"cmd": "./goal.toml"}, "error", "cmd_unrunnable"),
    "prints-no-utf-8": (_sh(r"printf '\377\376\000abc\303\n'; exit 3"), "fail", "exit_code"),
    "matches-for-ever": (
        {"cmd": "echo", "args": ["a" * 60 + "!"], "options": EXPLODES},
        "error",
        "match_timeout",
    ),
    "reports-a-bomb": (
        {"cmd": "echo", "args": [BOMB], "options": 'evidence_format = "junit"'},
        "pass",
        None,
    ),
    "prints-one-line": (
        _sh(r"head -c 20000000 /dev/zero | tr '\0' x; exit 1", timeout_s=30),
        "fail",
        "exit_code",
    ),
}
"""What a predicate may do, with the verdict and the reason that it gets."""


def test_hostile_predicates_get_their_verdicts_in_time_and_leave_nothing(lab: Lab):
    with lab.others_go_on(), lab.bounded_memory():
        for name, (command, _, _) in HOSTILE.items():
            lab.apply(name, goal(name, **command))
        for name, (command, verdict, reason) in HOSTILE.items():
            seen = _seen(lab, name, within_s=90)
            assert (seen["verdict"], seen.get("reason")) == (verdict, reason), (name, seen)
            assert _look_s(lab, name) < command.get("timeout_s", 2.0) + CHECK_GRACE_S, name
        lab.until(lambda: not lab.left(), f"nothing is left running: {lab.left()}", within_s=60)
    assert lab.verdict("prints-1-gb")["evidence"]["stdout_bytes"] == 1_000_000_000
    assert "abc" in lab.verdict("prints-no-utf-8")["evidence"]["stdout"]
    assert all(len(lab.ask("GET", f"/v1/goals/@me/{name}").body) < MB for name in HOSTILE)


def _seen(lab: Lab, name: str, *, within_s: float) -> dict[str, Any]:
    """The first verdict."""

    def verdict() -> dict[str, Any] | None:
        seen = lab.verdict(name)
        return None if seen["verdict"] == "unknown" else seen

    return dict(lab.until(verdict, f"a verdict of {name}", within_s=within_s))


def _look_s(lab: Lab, name: str) -> float:
    looks = [e["event"] for e in lab.daemon.events(name) if e["type"] == "predicate.observed"]
    return float(looks[0]["ended_s"] - looks[0]["started_s"])


def test_a_goal_of_200_predicates_holds(lab: Lab):
    head = 'id = "many"\nstanding = true\n[observe]\ninterval = "1h"\nrecover = 1\n'
    probes = [f'id = "p{n}"\nprovider = "http_probe"\nurl = "{lab.url}/many"\n' for n in range(100)]
    scripts = [
        f'id = "s{n}"\nprovider = "custom_script"\nlive = true\ncmd = "test"\nargs = ["-d", "/usr"]\n'
        for n in range(100)
    ]
    with lab.others_go_on():
        lab.apply("many", head + "".join(f"[[predicate]]\n{each}" for each in [*probes, *scripts]))
        lab.until(lambda: lab.status("many")["status"] == "holding", "it holds", within_s=60)
    document = lab.status("many")
    assert len(document["predicates"]) == 200
    assert {p["verdict"] for p in document["predicates"]} == {"pass"}


def test_300_goals_applied_at_once_are_all_taken(lab: Lab):
    def text(name: str) -> str:
        probe = f'[[predicate]]\nid = "up"\nprovider = "http_probe"\nurl = "{lab.url}/one-of-300"\n'
        return f'id = "{name}"\nstanding = true\n[observe]\ninterval = "1h"\nrecover = 1\n{probe}'

    names = [f"at-once-{number}" for number in range(300)]
    twins = ["twin"] * 20
    requests = [("POST", "/v1/goals", lab.request(text(name), lab.base)) for name in [*names, *twins]]
    with lab.others_go_on():
        replies = lab.all_at_once(requests)
        assert [status for status, _ in replies[:300]] == [201] * 300
        assert sorted(status for status, _ in replies[300:]) == [200] * 19 + [201], (
            "one of the twins is the first"
        )
        rows = lab.ask("GET", "/v1/goals?limit=500").json["goals"]
        assert {row["goal_id"] for row in rows} >= {*names, "twin"}

        def are_held() -> bool:
            rows = lab.ask("GET", "/v1/goals?limit=500").json["goals"]
            return {row["status"] for row in rows if row["goal_id"].startswith("at-once")} == {"holding"}

        lab.until(are_held, "all of them hold", within_s=60)
        deleted = lab.all_at_once([("DELETE", f"/v1/goals/@me/{name}", None) for name in names])
        assert {status for status, _ in deleted} == {200}


PROBED = """
id = "NAME"
standing = true
[observe]
interval = "1s"
timeout = "5s"
confirm = 1
[[predicate]]
id = "up"
provider = "http_probe"
url = "URL"
[[remedy]]
cmd = "touch"
args = ["UP"]
"""


def test_black_holes_delay_no_repair(lab: Lab):
    with lab.others_go_on(), ExitStack() as stack:
        holes = [f"{lab.url}/hole/{number}" for number in range(3)] + [_full_backlog(stack) for _ in range(2)]
        for number, url in enumerate(holes):
            lab.apply(f"hole-{number}", PROBED.replace("NAME", f"hole-{number}").replace("URL", url))
        for number in range(20):
            file = lab.up / f"up-{number}"
            file.touch()
            text = PROBED.replace("NAME", f"up-{number}").replace("URL", f"{lab.url}/up/{file.name}")
            lab.apply(f"up-{number}", text.replace("UP", str(file)))
        lab.until(lambda: lab.verdict("hole-0")["verdict"] == "fail", "a black hole is red", within_s=60)
        lab.until(lambda: lab.verdict("hole-4")["verdict"] == "fail", "a black hole is red", within_s=60)
        times = []
        for number in (3, 11, 19):
            file = lab.up / f"up-{number}"
            name = f"up-{number}"
            lab.until(lambda name=name: lab.status(name)["status"] == "holding", "it holds")
            began_s = time.monotonic()
            file.unlink()
            lab.until(file.exists, "it is repaired")
            times.append(time.monotonic() - began_s)
        assert sorted(times)[1] < 12.0, (
            f"seconds to the repair, which five holes of 5 s each do not delay: {times}"
        )


def _full_backlog(stack: ExitStack) -> str:
    """The URL of a port that answers no connection attempt: its queue is full and nobody accepts."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(3):
        waiting = stack.enter_context(socket.socket())
        waiting.setblocking(False)
        with suppress(BlockingIOError):
            waiting.connect(listener.getsockname())
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


# --- last, because the sweep takes its minute -------------------------------------------------------------------------

DAEMONISES = """
setsid sh -c 'echo $$ > left.pid; exec sleep 1000' < /dev/null > /dev/null 2>&1 &
until [ -s left.pid ]; do sleep 0.05; done
"""


def _start_daemoniser(lab: Lab) -> None:
    """A check that exits 0 and leaves a daemon, without a pipe and in a session of its own; started before all else."""
    text = goal("daemonises", **_sh(DAEMONISES))
    folder = lab.base / "w" / "daemonises"
    lab.apply("daemonises", text, folder=folder)
    lab.kept.add("daemonises")
    _seen(lab, "daemonises", within_s=60)
    lab.known_pids.add(int((folder / "left.pid").read_text()))


def test_a_check_that_daemonises_gets_its_verdict_and_is_swept(lab: Lab):
    (pid,) = lab.known_pids
    assert _look_s(lab, "daemonises") < 2.0 + CHECK_GRACE_S
    assert lab.verdict("daemonises")["verdict"] == "pass"
    with lab.others_go_on():
        lab.until(lambda: pid not in lab.daemon.leftovers(), "it is swept", within_s=SWEEP_S)
