"""Bad input on a real daemon: each gets a clear error in the right place, and the daemon and every other goal go on.

One daemon takes all of it. Each case runs beside a healthy goal that is looked at once a second, and ends with nothing
running that it started. Elsewhere: a full disk is in test_the_daemon_itself.py, a body that comes too slowly and a
reader that does not read are in tests/api, where no test has to sit their deadlines out.
"""

import datetime as dt
import json
import os
import random
import select
import shutil
import socket
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import connected
from tests.system.hostile_lab import MB, Lab, rest
from tests.system.house import BIN, ROOT, write_goal

CHECK_GRACE_S = 20.0
"""From a check's deadline to its verdict: to kill it all and to prove that nothing is left takes a moment."""
SWEEP_S = 180.0
"""What closed its pipes and left its session is found by the sweep, once a minute."""
STATUS_S_MAX = 4.0  # below the 5 s after which a head that does not come is cut off


@pytest.fixture(scope="module")
def _only_lab() -> Iterator[Lab]:
    base = Path(tempfile.mkdtemp(prefix="kz"))
    lab = Lab(base)
    try:
        lab.open()
        _start_daemoniser(lab)
        yield lab
    finally:
        lab.close()
        shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def lab(_only_lab: Lab) -> Iterator[Lab]:
    yield _only_lab
    _only_lab.clear()
    _only_lab.assert_quiet_log()


def _status_s(lab: Lab) -> float:
    """How long `kazictl status` takes; the best of three, so that the machine's hiccups are not the daemon's."""
    times = []
    for _ in range(3):
        began_s = time.monotonic()
        run = lab.daemon.kazictl("status")
        times.append(time.monotonic() - began_s)
        assert (run.returncode, "healthy" in run.stdout) == (0, True), run.stderr
    return min(times)


# --- on the socket ----------------------------------------------------------------------------------------------------

GARBAGE = {
    "binary": b"\x00\x01\x02\x03" * 64 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xaa" * 200,
    "a-word": b"hello\r\n\r\n",
    "no-version": b"GET /healthz HTTP/x\r\n\r\n",
    "two-lengths": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "negative-length": b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n",
    "a-path-without-end": b"GET /" + b"a" * 2_000_000,
    "a-header-without-end": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 2_000_000,
    "endless-headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 300_000,
    "no-chunk": b"POST /v1/goals HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


def test_garbage_is_answered_400_or_closed(lab: Lab):
    with lab.others_go_on():
        for name, garbage in GARBAGE.items():
            reply = _exchange(lab, garbage)
            assert reply.startswith(b"HTTP/1.1 400 "), (name, reply[:200])
            head, _, body = reply.partition(b"\r\n\r\n")
            assert b"application/problem+json" in head, name
            assert json.loads(body)["type"] == "bad_request", name
        seed = random.SystemRandom().randrange(2**32)
        print(f"seed {seed}")
        dice = random.Random(seed)
        for _ in range(50):
            reply = _exchange(lab, dice.randbytes(dice.randrange(1, 20_000)), closes=True)
            assert reply == b"" or reply.startswith(b"HTTP/1.1 400 ")


def _exchange(lab: Lab, sent: bytes, *, closes: bool = False) -> bytes:
    with connected(lab.daemon.socket) as peer:
        with suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(sent)
            if closes:
                peer.shutdown(socket.SHUT_WR)
        return rest(peer)


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with-length", "chunked"])
def test_bodies_of_100_mb_are_413_and_cost_no_memory(lab: Lab, is_chunked: bool):
    with lab.others_go_on(), lab.bounded_memory(), ThreadPoolExecutor(4) as senders:
        for sent, reply in senders.map(lambda _: _send_100_mb(lab, is_chunked=is_chunked), range(4)):
            assert reply.startswith(b"HTTP/1.1 413 ")
            assert json.loads(reply.partition(b"\r\n\r\n")[2])["type"] == "too_large"
            assert sent < 20, "the rest was read all the same"


def _send_100_mb(lab: Lab, *, is_chunked: bool) -> tuple[int, bytes]:
    length = b"Transfer-Encoding: chunked" if is_chunked else b"Content-Length: %d" % (100 * MB)
    piece = b"%x\r\n%s\r\n" % (MB, b"a" * MB) if is_chunked else b"a" * MB
    sent = 0
    with connected(lab.daemon.socket) as peer:
        with suppress(BrokenPipeError, ConnectionResetError):
            peer.sendall(b"POST /v1/goals HTTP/1.1\r\nHost: k\r\n%s\r\n\r\n" % length)
            for _ in range(100):
                peer.sendall(piece)
                sent += 1
        return sent, rest(peer)


def test_500_half_open_connections_delay_nobody(lab: Lab):
    with lab.others_go_on(), lab.bounded_memory(), ExitStack() as stack:
        for number in range(500):
            peer = stack.enter_context(connected(lab.daemon.socket))
            if number % 2:
                peer.sendall(b"GET /v1/goals/@me/hea")
        assert _status_s(lab) < STATUS_S_MAX


def test_heads_that_come_in_drops_are_cut_off(lab: Lab):
    with lab.others_go_on(), ExitStack() as stack:
        began_s = time.monotonic()
        drips = [stack.enter_context(connected(lab.daemon.socket)) for _ in range(50)]
        for peer in drips:
            peer.sendall(b"GET /healthz HTTP/1.1\r\nHost: k\r\nX: ")
        assert _status_s(lab) < STATUS_S_MAX
        waiting = set(drips)
        while waiting:
            assert time.monotonic() - began_s < 60, f"{len(waiting)} heads are still waited for"
            for peer in waiting:
                with suppress(BrokenPipeError):
                    peer.sendall(b"x")
            answered, _, _ = select.select(list(waiting), [], [], 0.2)
            for peer in answered:
                assert rest(peer).startswith(b"HTTP/1.1 408 ")
                waiting.discard(peer)


def test_clients_that_leave_in_the_middle_of_follow_cost_nothing(lab: Lab):
    goal = _goal("busy", cmd="false", remedy='cmd = "sleep"\nargs = ["1000"]\ntimeout = "1h"')
    lab.apply("busy", goal)
    lab.until(lambda: lab.status("busy")["status"] == "acting", "the remedy runs")
    with lab.others_go_on():
        before = lab.descriptors()
        for _ in range(100):
            with connected(lab.daemon.socket) as peer:
                peer.sendall(b"GET /v1/goals/@me/busy/follow HTTP/1.1\r\nHost: k\r\n\r\n")
                assert peer.recv(15) == b"HTTP/1.1 200 OK"
        lab.until(lambda: lab.descriptors() <= before + 2, "every connection is let go")
        assert lab.status("busy")["status"] == "acting", "the goal goes on without them"


# --- goal-files -------------------------------------------------------------------------------------------------------

WRONG: Mapping[str, Any] = {
    "boolean": True,
    "integer": 7,
    "float": -1.5,
    "string": "text",
    "strings": ["text"],
    "integers": [7],
    "tables": [{"a": 7}],
    "table": {"a": 7},
    "date": dt.date(2026, 1, 2),
}
DURATIONS = ("interval", "recheck", "timeout", "idle_timeout")
"""Keys that are written as strings, and may be a number of seconds as well."""
NUMBERS = ("max_cost_usd", "cached_read_weight")
"""Keys written with a point that may be written without."""

Path_ = tuple[str | int, ...]


def test_a_wrong_type_in_any_key_is_422_and_names_the_key_and_its_line(lab: Lab):
    sound = tomllib.loads((ROOT / "config" / "goals" / "every-table.goal.toml").read_text())
    assert _submitted(lab, _toml(sound)[0], "/v1/lint")[1]["problems"] == [], "the example loads"
    tried = 0
    with lab.others_go_on():
        for path, value in _every_value(sound):
            for kind, wrong in WRONG.items():
                if _may_be(path, value, wrong):
                    continue
                text, lines = _toml(_with(sound, path, wrong))
                status, problem = _submitted(lab, text, "/v1/goals")
                what = f"{_key(path)} as {kind}: {problem}"
                assert (status, problem["type"]) == (422, "goal_file"), what
                named = [p for p in problem["problems"] if _is_about(p, _key(path))]
                assert named, what
                assert {p["line"] for p in named} <= _lines_at(lines, path), what
                assert all(p["message"] for p in problem["problems"]), what
                tried += 1
    assert tried > 500
    assert [
        row["goal_id"] for row in lab.ask("GET", "/v1/goals").json["goals"] if row["goal_id"] not in lab.kept
    ] == []


def test_wrong_types_in_all_keys_are_all_named_at_once(lab: Lab):
    sound = tomllib.loads((ROOT / "config" / "goals" / "every-table.goal.toml").read_text())
    broken, expected = sound, []
    for path, value in _every_value(sound):
        is_leaf = not (isinstance(value, dict) or (isinstance(value, list) and isinstance(value[0], dict)))
        if is_leaf and path[0] != "metadata" and path[-1] != "provider":
            wrong = next(w for w in WRONG.values() if not _may_be(path, value, w))
            broken = _with(broken, path, wrong)
            expected.append(_key(path))
    with lab.others_go_on():
        status, problem = _submitted(lab, _toml(broken)[0], "/v1/goals")
    assert status == 422
    missing = [key for key in expected if not any(_is_about(p, key) for p in problem["problems"])]
    assert missing == []
    assert len(expected) > 70


def _submitted(lab: Lab, text: str, target: str) -> tuple[int, dict[str, Any]]:
    request = {"goal_file": text, "source_path": "/srv/goal.toml"}
    answer = lab.ask("POST", target, request)
    return answer.status, answer.json


def _every_value(table: Mapping[str, Any], path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """Each table and each key in it."""
    for key, value in table.items():
        yield (*path, key), value
        if isinstance(value, dict):
            yield from _every_value(value, (*path, key))
        elif isinstance(value, list) and isinstance(value[0], dict):
            for number, entry in enumerate(value):
                yield (*path, key, number), entry
                yield from _every_value(entry, (*path, key, number))


def _may_be(path: Path_, value: Any, wrong: Any) -> bool:
    """True where it is no wrong type: what metadata holds is anybody's, and two kinds of keys take more than one."""
    if path[0] == "metadata":
        return len(path) > 1 or isinstance(wrong, dict)
    if isinstance(value, list) and isinstance(wrong, list):
        return type(value[0]) is type(wrong[0]) and not isinstance(value[0], dict)
    if path[-1] in DURATIONS:
        return isinstance(wrong, str) or (isinstance(wrong, int) and not isinstance(wrong, bool))
    if path[-1] in NUMBERS:
        return isinstance(wrong, int | float) and not isinstance(wrong, bool)
    return type(value) is type(wrong) and not isinstance(value, dict)


def _with(table: Any, path: Path_, value: Any) -> Any:
    """The document with one value replaced."""
    key, *deeper = path
    new = value if not deeper else _with(table[key], tuple(deeper), value)
    if isinstance(table, list):
        return [*table[:key], new, *table[key + 1 :]]
    return {**table, key: new}


def _key(path: Path_) -> str:
    """As problems write it: predicate[2].cmd."""
    key = ""
    for part in path:
        key += f"[{part + 1}]" if isinstance(part, int) else f".{part}" if key else part
    return key


def _is_about(problem: Mapping[str, Any], key: str) -> bool:
    named = problem.get("key") or ""
    return named == key or named.startswith((f"{key}.", f"{key}["))


def _lines_at(lines: Mapping[str, int], path: Path_) -> set[int]:
    """Where the key, or what it became, stands: its own line or those below it; of an inline table, the table's."""
    key = _key(path)
    found = {line for name, line in lines.items() if name == key or name.startswith((f"{key}.", f"{key}["))}
    return found or _lines_at(lines, path[:-1])


def _toml(document: Mapping[str, Any]) -> tuple[str, dict[str, int]]:
    """The document as TOML of one key a line, and on which line each key stands."""
    text: list[str] = []
    lines: dict[str, int] = {}

    def pairs(table: Mapping[str, Any], prefix: str) -> None:
        for key, value in table.items():
            text.append(f"{key} = {_inline(value)}")
            lines[f"{prefix}{key}"] = len(text)

    tables = {k: v for k, v in document.items() if isinstance(v, dict)}
    arrays = {
        k: v for k, v in document.items() if isinstance(v, list) and v and all(isinstance(e, dict) for e in v)
    }
    pairs({k: v for k, v in document.items() if k not in tables and k not in arrays}, "")
    for name, table in tables.items():
        text.append(f"[{name}]")
        lines[name] = len(text)
        pairs(table, f"{name}.")
    for name, entries in arrays.items():
        for number, entry in enumerate(entries, 1):
            text.append(f"[[{name}]]")
            lines[f"{name}[{number}]"] = len(text)
            pairs(entry, f"{name}[{number}].")
    return "\n".join(text) + "\n", lines


def _inline(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return json.dumps(value)
        case dt.date():
            return value.isoformat()
        case list():
            return "[" + ", ".join(map(_inline, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_inline(v)}" for k, v in value.items()) + "}"
        case _:
            return str(value)


# --- predicates -------------------------------------------------------------------------------------------------------


def _goal(
    name: str,
    *,
    cmd: str,
    args: Sequence[str] = (),
    timeout_s: float = 2.0,
    options: str = "",
    remedy: str = "",
) -> str:
    """A standing goal of one command, looked at once an hour, and acted on at the first red."""
    return f"""
id = "{name}"
standing = true
[observe]
interval = "1h"
confirm = 1
recover = 1
[[predicate]]
id = "check"
provider = "custom_script"
live = true
cmd = {json.dumps(cmd)}
args = {json.dumps(list(args))}
timeout_ms = {int(timeout_s * 1000)}
{options}
{"[[remedy]]" if remedy else ""}
{remedy}
"""


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
            lab.apply(name, _goal(name, **command))
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


# --- workspaces -------------------------------------------------------------------------------------------------------

IN_WORKSPACE = """
id = "NAME"
standing = STANDING
[observe]
interval = "500ms"
recheck = "200ms"
[[predicate]]
id = "there"
provider = "custom_script"
live = LIVE
cmd = "test"
args = ["-e", "there"]
[[remedy]]
cmd = "sh"
args = ["-c", "REMEDY"]
"""


def _in_workspace(
    name: str, *, remedy: str = "touch there", live: bool = False, standing: bool = True
) -> str:
    text = IN_WORKSPACE.replace("NAME", name).replace("REMEDY", remedy)
    return text.replace("LIVE", str(live).lower()).replace("STANDING", str(standing).lower())


def _is_stuck(lab: Lab, name: str, cause: str) -> bool:
    document = lab.status(name)
    return (document["status"], document["cause"]) == ("stuck", cause)


@pytest.mark.parametrize("live", [False, True], ids=["code", "live"])
def test_a_workspace_that_vanishes_is_stuck_and_said_and_left_when_it_is_back(lab: Lab, live: bool):
    folder = lab.base / "w" / "vanishing"
    lab.apply("vanishing", _in_workspace("vanishing", live=live), folder=folder)
    lab.until(lambda: lab.status("vanishing")["status"] == "holding", "it holds")
    with lab.others_go_on():
        shutil.rmtree(folder)
        lab.until(lambda: _is_stuck(lab, "vanishing", "workspace_missing"), "its end is said")
        seen = lab.verdict("vanishing")
        assert (seen["verdict"], seen["reason"]) == ("error", "workspace_missing")
        run = lab.daemon.kazictl("status", "vanishing")
        assert run.returncode == 3
        assert str(folder) in run.stdout
        assert not folder.exists(), "nobody makes it up"
        folder.mkdir()
        (folder / "there").touch()
        lab.until(lambda: lab.status("vanishing")["status"] == "holding", "a green ends it")


def test_a_workspace_that_vanishes_under_a_remedy_ends_as_stuck(lab: Lab):
    folder = lab.base / "w" / "pulled"
    text = _in_workspace("pulled", remedy="touch started; sleep 1; touch there", standing=False)
    with lab.others_go_on():
        lab.apply("pulled", text, folder=folder)
        lab.until((folder / "started").exists, "the remedy runs")
        shutil.rmtree(folder)
        lab.until(lambda: _is_stuck(lab, "pulled", "workspace_missing"), "its end is said")
        assert not folder.exists()


@pytest.mark.parametrize("has_acted", [True, False], ids=["after-an-act", "before-any-act"])
def test_nothing_acts_in_a_folder_put_in_the_workspaces_place(lab: Lab, has_acted: bool):
    folder = lab.base / "w" / "moved"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    if not has_acted:
        (folder / "there").touch()
    lab.apply("moved", _in_workspace("moved", live=True), folder=folder)
    lab.until(lambda: lab.status("moved")["status"] == "holding", "it holds")
    with lab.others_go_on():
        aside = folder.with_name(f"aside-{has_acted}")
        folder.rename(aside)
        folder.mkdir()
        lab.until(lambda: _is_stuck(lab, "moved", "workspace_moved"), "its end is said")
        assert list(folder.iterdir()) == [], "the remedy did not run in it"


def test_a_goal_that_moves_to_another_workspace_acts_there(lab: Lab):
    here, there = lab.base / "w" / "from", lab.base / "w" / "to"
    lab.apply("moving", _in_workspace("moving", live=True), folder=here)
    lab.until((here / "there").exists, "it acted in the first")
    with lab.others_go_on():
        lab.apply("moving", _in_workspace("moving", live=True), folder=there)
        lab.until((there / "there").exists, "it acts in the second")
        lab.until(lambda: lab.status("moving")["status"] == "holding", "it holds")


def test_files_that_never_answer_hang_nobody(lab: Lab):
    """A named pipe without a writer: opening it to read waits for ever."""
    folder = lab.base / "w" / "pipes"
    (folder / "deep").mkdir(parents=True)
    for name in ("there", "goal.toml", "f.feature", "deep/pipe"):
        os.mkfifo(folder / name)
    feature = '[[predicate]]\nid = "f"\nprovider = "gherkin"\nfeature = "f.feature"\n'
    with lab.others_go_on():
        request = lab.request(_in_workspace("pipes"), folder)
        answers = lab.all_at_once([("POST", "/v1/goals", request)])
        assert [status for status, _ in answers] == [201]
        lab.until(
            lambda: lab.status("pipes")["predicates"][0]["verdict"] == "pass", "its folder is looked at"
        )
        lint = {**request, "goal_file": f'id = "f"\n{feature}'}
        del lint["path"]
        for status, report in lab.all_at_once([("POST", "/v1/lint", lint)] * 5):
            assert (status, report["exit_code"]) == (200, 2)
            assert any("f.feature" in problem["message"] for problem in report["problems"]), report


# --- executors --------------------------------------------------------------------------------------------------------


def test_a_remedy_that_prints_1_gb_costs_neither_disk_nor_memory(lab: Lab):
    folder = lab.base / "w" / "loud"
    script = "head -c 1000000000 /dev/zero; touch there"
    text = _in_workspace("loud", remedy=script, standing=False).replace(
        "[[remedy]]", '[[remedy]]\ntimeout = "2m"'
    )
    with lab.others_go_on(), lab.bounded_memory():
        uid = lab.apply("loud", text, folder=folder)["uid"]
        lab.until(lambda: lab.status("loud")["status"] == "converged", "it converges", within_s=100)
        sizes = [
            f.stat().st_size for f in (lab.daemon.state_dir / "attempts" / uid).rglob("*") if f.is_file()
        ]
        assert sum(sizes) < 20 * MB
        (attempt,) = lab.status("loud")["attempts"]
        assert (attempt["ending"], attempt["exit_code"]) == ("exited", 0)
        log = lab.ask("GET", "/v1/goals/@me/loud/log").body
        assert b"bytes were not kept" in log
        assert len(log) < 20 * MB


def test_a_remedy_that_kills_its_shim_ends_as_killed_and_leaves_nothing(lab: Lab):
    folder = lab.base / "w" / "shot"
    script = "setsid sleep 1000 & (sleep 1000 &) ; kill -KILL $PPID; sleep 1000"
    text = _in_workspace("shot", remedy=script, standing=False).replace(
        "[[remedy]]", "[[remedy]]\nattempts = 1"
    )
    with lab.others_go_on():
        lab.apply("shot", text, folder=folder)
        lab.until(lambda: _is_stuck(lab, "shot", "no_progress"), "its end is said")
        (attempt,) = lab.status("shot")["attempts"]
        assert attempt["ending"] == "killed"
        lab.until(lambda: not lab.left(), f"nothing is left running: {lab.left()}")


AGENT = r"""#!/bin/sh
# An agent that would rather be its owner. What it is told is in answers/, exit codes in answers/codes.
mkdir answers
ask() {
    name=$1
    shift
    KAZICTL "$@" --json --socket SOCKET > "answers/$name" 2>&1
    echo "$name $?" >> answers/codes
}
for goal in agent victim; do
    ask "suspend-$goal" suspend $goal --reason mine
    ask "resume-$goal" resume $goal --reason mine
    ask "stop-$goal" stop $goal
    ask "reconcile-$goal" reconcile $goal
    ask "delete-$goal" delete $goal
    ask "apply-$goal" apply $goal.toml --detach
done
ask apply-new apply new.toml --detach
ask check apply victim.toml --check
ask restart restart
ask read-victim status victim
ask events events
ask own status agent
# Without marker, session or parent: it still descends from the attempt.
setsid -f env -i sh -c 'KAZICTL delete victim --json --socket SOCKET > answers/shaken-off 2>&1
    echo "shaken-off $?" >> answers/codes; touch answers/over'
while ! [ -e answers/over ]; do sleep 0.05; done
touch there
"""


def test_an_agent_that_plays_its_owner_is_denied_and_changes_nothing(lab: Lab):
    folder = lab.base / "w" / "agent"
    folder.mkdir(parents=True)
    script = folder / "agent.sh"
    script.write_text(
        AGENT.replace("KAZICTL", str(BIN / "kazictl")).replace("SOCKET", str(lab.daemon.socket))
    )
    script.chmod(0o755)
    own = _in_workspace("agent", remedy="exec ./agent.sh", live=True)
    for name in ("agent", "victim", "new"):
        changed = _in_workspace(name, remedy="touch stolen; touch there").replace("500ms", "700ms")
        write_goal(folder, changed, name=f"{name}.toml")
    lab.apply("victim", _in_workspace("victim"))
    lab.until(lambda: lab.status("victim")["status"] == "holding", "the victim holds")
    victim = lab.status("victim")
    with lab.others_go_on():
        lab.apply("agent", own, folder=folder)
        lab.until(lambda: lab.status("agent")["status"] == "holding", "its attempt ended well", within_s=60)
    codes = dict(line.split() for line in (folder / "answers" / "codes").read_text().splitlines())
    told = {name: json.loads((folder / "answers" / name).read_text()) for name in codes}
    assert (codes.pop("own"), told.pop("own")["status"]) == ("7", "acting"), "its own goal it may read"
    assert len(codes) == 18
    for name, code in codes.items():
        assert (code, told[name]["type"]) == ("1", "denied"), (name, code, told[name])
    now = lab.status("victim")
    assert [now[key] for key in ("uid", "generation", "epoch")] == [
        victim[key] for key in ("uid", "generation", "epoch")
    ]
    for name in ("agent", "victim"):
        done = {e["type"] for e in lab.daemon.events(name)}
        assert not done & {"goal.suspended", "goal.resumed", "goal.stopped", "goal.deleted"}, done
        applied = [e for e in lab.daemon.events(name) if e["type"] == "goal.applied"]
        assert len(applied) == 1
    assert lab.ask("GET", "/v1/goals/@me/new").status == 404
    assert not list((lab.base / "w").rglob("stolen"))


# --- the others -------------------------------------------------------------------------------------------------------

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
    goal = _goal("daemonises", **_sh(DAEMONISES))
    folder = lab.base / "w" / "daemonises"
    lab.apply("daemonises", goal, folder=folder)
    lab.kept.add("daemonises")
    _seen(lab, "daemonises", within_s=60)
    lab.known_pids.add(int((folder / "left.pid").read_text()))


def test_a_check_that_daemonises_gets_its_verdict_and_is_swept(lab: Lab):
    (pid,) = lab.known_pids
    assert _look_s(lab, "daemonises") < 2.0 + CHECK_GRACE_S
    assert lab.verdict("daemonises")["verdict"] == "pass"
    with lab.others_go_on():
        lab.until(lambda: pid not in lab.daemon.leftovers(), "it is swept", within_s=SWEEP_S)
