"""Notifications of a real daemon: told under any kill -9, acknowledged, resolved, signed; the heartbeat beside it."""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

GOAL = """
id = "NAME"
standing = true
[labels]
team = "web"
[observe]
interval = "1s"
[[predicate]]
id = "there"
provider = "custom_script"
cmd = "test"
args = ["-e", "FILE"]
[[remedy]]
cmd = "no-such-program-to-repair-with"
"""
SETTINGS = """
[[notify]]
name = "ops"
kind = "webhook"
url = "URL/hook"
secret = "env:HOOK_SECRET"
group = "GROUP"
labels = {team = "web"}

[[notify]]
name = "elsewhere"
kind = "webhook"
url = "URL/elsewhere"
labels = {team = "db"}

[heartbeat]
url = "URL/beat"
every = "1s"
"""
SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


class Receiver:
    """A webhook's other side: keeps what it was sent and answers as `answers` says."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.elsewhere: list[bytes] = []
        self.beats = 0
        self.answers: Callable[[BaseHTTPRequestHandler], None] = self.takes
        self.after: Callable[[], None] = lambda: None
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                receiver.beats += 1
                receiver.takes(self)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.path != "/hook":
                    receiver.elsewhere.append(body)
                    return receiver.takes(self)
                receiver.asked.append({"signature": self.headers["webhook-signature"], **json.loads(body)})
                receiver.answers(self)
                return receiver.after()

            def log_message(self, *_: object) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    @staticmethod
    def takes(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("content-length", "0")
        handler.end_headers()
        handler.wfile.flush()

    @staticmethod
    def refuses(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(500)
        handler.send_header("content-length", "0")
        handler.end_headers()

    def lines(self) -> list[tuple[str, str]]:
        return [(line["what"], line["ref"]) for event in self.asked for line in event["data"]["lines"]]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture
def house(base: Path, receiver: Receiver) -> Iterator[RealDaemon]:
    settings = base / "xdg-config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(SETTINGS.replace("URL", receiver.url).replace("GROUP", "1s"))
    environment = {"XDG_CONFIG_HOME": str(base / "xdg-config"), "HOOK_SECRET": SECRET}
    daemon = RealDaemon(base, environment=environment)
    daemon.start()
    yield daemon
    daemon.end_everything()


def apply(house: RealDaemon, name: str) -> None:
    text = GOAL.replace("NAME", name).replace("FILE", str(house.base / name))
    house.kazictl("apply", str(write_goal(house.base / "g", text, name=f"{name}.toml")), "--detach")
    eventually(
        lambda: house.json("status", name)["status"] == "stuck", within_s=60, what=f"{name} is stuck for good"
    )


def is_told(receiver: Receiver, name: str, what: str = "problem") -> bool:
    return any(told == what and ref.endswith(f"/{name}") for told, ref in receiver.lines())


def test_a_stuck_goal_is_told_acknowledged_and_resolved(house: RealDaemon, receiver: Receiver) -> None:
    apply(house, "web")
    eventually(lambda: is_told(receiver, "web"), within_s=60, what="somebody is told")
    event = receiver.asked[0]
    assert event["signature"].startswith("v1,")
    assert event["data"]["audit_head"].partition(":")[0].isdigit()
    verified = house.json("audit", "verify", "--head", event["data"]["audit_head"])
    assert verified["problems"] == [], "the head that was told is in the trail"
    assert house.kazictl("ack", "web", "--reason", "on it").returncode == 0
    eventually(lambda: is_told(receiver, "web", "taken"), within_s=60, what="who has it is told")
    (house.base / "web").touch()
    eventually(lambda: is_told(receiver, "web", "resolved"), within_s=60, what="its end is told")
    (line,) = receiver.asked[-1]["data"]["lines"]
    assert line["duration_s"] > 0
    assert house.kazictl("ack", "web").returncode == 1, "nothing is left to acknowledge"
    assert "2 receivers: ops, elsewhere" in house.kazictl("doctor").stdout
    assert receiver.elsewhere == [], "the other receiver is about other goals"
    assert receiver.beats > 0
    assert SECRET not in house.log.read_text()
    assert all(SECRET.encode() not in p.read_bytes() for p in house.state_dir.rglob("*") if p.is_file())


@pytest.mark.long
def test_kill9_at_every_step_loses_nothing_and_repeats_only_the_same_id(
    house: RealDaemon, receiver: Receiver
) -> None:
    # durable, and nobody has taken it: the group time has not passed
    apply(house, "one")
    house.kill9()
    house.start()
    eventually(lambda: is_told(receiver, "one"), within_s=60, what="what waited is told")

    # on its way, and unanswered
    arrived, release = threading.Event(), threading.Event()

    def hangs(handler: BaseHTTPRequestHandler) -> None:
        arrived.set()
        release.wait(30)

    receiver.answers = hangs
    apply(house, "two")
    assert arrived.wait(30)
    house.kill9()
    receiver.answers = receiver.takes
    release.set()
    seen = len(receiver.asked)
    house.start()
    eventually(lambda: len(receiver.asked) > seen, within_s=60, what="it is sent again")

    # taken, and the daemon dies before it can note so
    def kills() -> None:
        receiver.after = lambda: None
        house.kill9()

    receiver.after = kills
    apply_and_survive(house, "three")
    eventually(
        lambda: house.process is not None and house.process.poll() is not None, within_s=60, what="killed"
    )
    assert is_told(receiver, "three")
    seen = len(receiver.asked)
    house.start()
    eventually(lambda: len(receiver.asked) > seen, within_s=60, what="it is told once more")

    # refused, and waiting for its next try
    receiver.answers = receiver.refuses
    apply(house, "four")
    eventually(lambda: is_told(receiver, "four"), within_s=60, what="it is tried")
    eventually(
        lambda: "ops: not taken after" in house.kazictl("doctor").stdout, within_s=60, what="doctor tells"
    )
    house.kill9()
    receiver.answers = receiver.takes
    seen = len(receiver.asked)
    house.start()
    eventually(lambda: len(receiver.asked) > seen, within_s=60, what="it is tried again")

    ids: dict[tuple[str, str], set[str]] = defaultdict(set)
    bodies: dict[str, set[str]] = defaultdict(set)
    for event in receiver.asked:
        bodies[event["id"]].add(json.dumps({**event, "signature": ""}, sort_keys=True))
        for line in event["data"]["lines"]:
            ids[line["what"], line["ref"]].add(event["id"])
    assert {ref.partition("/")[2] for what, ref in ids if what == "problem"} == {
        "one",
        "two",
        "three",
        "four",
    }
    assert all(len(found) == 1 for found in ids.values()), ids
    assert all(len(found) == 1 for found in bodies.values()), "an id stands for the same words"


def apply_and_survive(house: RealDaemon, name: str) -> None:
    """Apply a goal to a daemon that may be killed at any moment from here on."""
    text = GOAL.replace("NAME", name).replace("FILE", str(house.base / name))
    house.kazictl("apply", str(write_goal(house.base / "g", text, name=f"{name}.toml")), "--detach")
