"""Who may talk, by the kernel's word; and an agent is not its owner (SEMANTICS §8)."""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
import trio.testing
from msgspec.structs import replace

from kazid.api.accounts import KNOWN_S, Groups, Logins
from kazid.api.peer import Gate, Peer, is_here, login_of, peer_of
from kazid.api.problem import Refusal
from kazid.api.table import ENDPOINTS
from kazid.core.decision import Guard
from kazid.core.ids import AttemptId, GoalUid, PredicateId
from kazid.core.progress import ActSummary
from kazid.core.roles import Given, Grant, Role
from kazid.core.status import GoalStatus
from kazid.core.verdict import failed
from kazid.runtime.callers import Standing
from kazid.runtime.views import Caller
from kazid.wire.names import HEADER_IDEMPOTENCY_KEY
from tests.api.fake_service import a_view
from tests.api.house import GOAL_FILE, House, mine
from tests.builders import WALL_0, a_goal, a_predicate, a_progress, a_running_act, a_state, an_episode

LOGINS = {0: "root", 1000: "ada", 1001: "bob"}
WEB = "/v1/goals/@me/web"


def _gate(mode: str, *given: Given, groups: Sequence[str] = ()) -> Gate:
    return Gate(
        mode=mode,
        own_uid=1000,
        roles=lambda: given,
        login_of=Logins(lambda uid: LOGINS.get(uid, str(uid))).of,
        groups=Groups(lambda uid, gid: groups),
    )


async def _by_number(uid: int) -> str:
    return str(uid)


def _given(role: Role, *users: str, groups: Sequence[str] = ()) -> Given:
    return Given(grant=Grant(role=role), users=users, groups=groups)


MEMBERS = _given(Role.VIEWER, groups=("kazi",))


def _peer(uid: int) -> Peer:
    return Peer(pid=1, uid=uid, gid=uid, started=1)


@pytest.mark.parametrize(
    ("gate", "uid", "is_admitted"),
    [
        pytest.param(_gate("user"), 1000, True, id="user-daemon-its-own-uid"),
        pytest.param(_gate("user"), 0, True, id="user-daemon-root"),
        pytest.param(_gate("user"), 1001, False, id="user-daemon-another-uid"),
        pytest.param(_gate("user", _given(Role.ADMIN, "bob")), 1001, False, id="user-daemon-has-no-admins"),
        pytest.param(_gate("system"), 0, True, id="system-daemon-root"),
        pytest.param(_gate("system"), 1000, True, id="system-daemon-its-own-uid-with-nothing-to-its-name"),
        pytest.param(_gate("system"), 1001, False, id="system-daemon-a-stranger"),
        pytest.param(_gate("system", _given(Role.ADMIN, "bob")), 1001, True, id="system-daemon-an-admin"),
        pytest.param(
            _gate("system", _given(Role.ADMIN, "eve")), 1001, False, id="system-daemon-others-roles"
        ),
        pytest.param(_gate("system", MEMBERS, groups=("kazi",)), 1001, True, id="system-daemon-a-member"),
        pytest.param(_gate("system", MEMBERS, groups=("staff",)), 1001, False, id="system-daemon-no-member"),
        pytest.param(
            _gate("system", MEMBERS, groups=[f"g{n}" for n in range(199)] + ["kazi"]),
            1001,
            True,
            id="system-daemon-a-member-of-two-hundred-groups",
        ),
    ],
)
def test_who_may_talk(gate: Gate, uid: int, is_admitted: bool) -> None:
    if is_admitted:
        caller = _admitted(gate, uid)
        assert (caller.uid, caller.login) == (uid, LOGINS[uid])
        return
    with pytest.raises(Refusal) as refusal:
        _admitted(gate, uid)
    details = refusal.value.details
    assert (details.status, details.type) == (403, "denied")
    assert LOGINS[uid] in details.detail


def _admitted(gate: Gate, uid: int, *, owns_goals: bool = False) -> Caller:
    async def admit() -> Caller:
        return await gate.admit(_peer(uid), owns_goals=lambda _: owns_goals)

    return anyio.run(admit)


def test_who_owns_a_goal_may_talk_without_a_role() -> None:
    assert _admitted(_gate("system"), 1001, owns_goals=True).grants == ()


def test_a_stranger_is_told_what_is_missing() -> None:
    with pytest.raises(Refusal) as refusal:
        _admitted(_gate("system", MEMBERS), 1001)
    assert refusal.value.details.detail == (
        "bob (uid 1001) has no role on this daemon; become a member of kazi, "
        'or have a [[role]] with users = ["bob"] added to its settings'
    )


def test_a_member_who_is_taken_out_of_the_group_has_lost_the_role_seconds_later() -> None:
    members = {"kazi"}
    gate = Gate(
        mode="system",
        own_uid=1000,
        roles=lambda: [MEMBERS],
        login_of=_by_number,
        groups=Groups(lambda uid, gid: tuple(members)),
    )

    async def over_time() -> list[bool]:
        answers = []
        for wait_s in (0.0, KNOWN_S - 1, 2.0):
            await anyio.sleep(wait_s)
            try:
                await gate.admit(_peer(1001), owns_goals=lambda _: False)
            except Refusal:
                answers.append(False)
            else:
                answers.append(True)
            members.clear()
        return answers

    clock = trio.testing.MockClock(autojump_threshold=0.5)
    assert anyio.run(over_time, backend="trio", backend_options={"clock": clock}) == [True, True, False]


def test_a_user_database_that_does_not_answer_gives_no_role() -> None:
    released = threading.Event()

    def hangs(uid: int, gid: int) -> Sequence[str]:
        released.wait(20)
        return ("kazi",)

    gate = Gate(
        mode="system",
        own_uid=1000,
        roles=lambda: [MEMBERS],
        login_of=_by_number,
        groups=Groups(hangs, timeout_s=0.05),
    )
    with pytest.raises(Refusal):
        _admitted(gate, 1001)
    released.set()


def test_a_user_database_that_hangs_holds_up_nobody_else_and_lets_nobody_in() -> None:
    released = threading.Event()

    def hangs(uid: int) -> str:
        released.wait(90)
        return str(uid)

    silent = Gate(
        mode="user", own_uid=1000, roles=lambda: (), login_of=Logins(hangs, timeout_s=0.5).of, groups=Groups()
    )

    async def both() -> list[str]:
        told: list[str] = []

        async def waits() -> None:
            with pytest.raises(Refusal, match="does not say who uid 1001 is"):
                await silent.admit(_peer(1001), owns_goals=lambda _: True)
            told.append("refused")

        async with anyio.create_task_group() as group:
            group.start_soon(waits)
            await anyio.lowlevel.checkpoint()
            told.append((await _gate("user").admit(_peer(1000), owns_goals=lambda _: True)).login)
        return told

    assert sorted(anyio.run(both)) == ["ada", "refused"]
    released.set()


def test_a_connection_without_identity_is_nobodys() -> None:
    async def admit() -> None:
        await _gate("user").admit(None, owns_goals=lambda _: True)

    with pytest.raises(Refusal):
        anyio.run(admit)


def test_the_kernel_says_who_is_connected() -> None:
    one, two = socket.socketpair(socket.AF_UNIX)
    with one, two:
        peer = peer_of(one)
    assert peer is not None
    assert (peer.pid, peer.uid, peer.gid) == (os.getpid(), os.getuid(), os.getgid())
    assert is_here(peer)


def test_a_uid_beyond_two_billion_is_a_uid() -> None:
    class Connection:
        family = socket.AF_UNIX

        def getsockopt(self, *_: int) -> bytes:
            return struct.pack("iII", 0, 4_294_967_294, 3_000_000_000)

    peer = peer_of(Connection())  # type: ignore[arg-type]
    assert peer is not None
    assert (peer.uid, peer.gid) == (4_294_967_294, 3_000_000_000)
    assert login_of(peer.uid)


def test_a_tcp_peer_has_no_identity() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as one,
    ):
        accepted, _ = listener.accept()
        with accepted:
            assert peer_of(accepted) is None
        assert one


def test_a_peer_that_ended_or_whose_pid_was_used_again_is_not_here() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    assert not is_here(Peer(pid=child.pid, uid=0, gid=0, started=1))
    assert not is_here(Peer(pid=os.getpid(), uid=0, gid=0, started=1))
    assert not is_here(Peer(pid=child.pid, uid=0, gid=0, started=None))
    assert is_here(Peer(pid=0, uid=0, gid=0, started=None)), "outside our pid namespace: nothing we started"


def test_a_uid_without_a_name_is_called_by_its_digits() -> None:
    assert login_of(4_123_456) == "4123456"


ASK = """
import os, socket, sys
path, uid = sys.argv[1], int(sys.argv[2])
if os.getuid() == 0 and uid != 0:
    os.setgroups([]); os.setgid(uid); os.setuid(uid)
s = socket.socket(socket.AF_UNIX); s.connect(path)
s.sendall(b"GET /v1/goals HTTP/1.0\\r\\n\\r\\n")
data = b""
while piece := s.recv(65536): data += piece
sys.stdout.buffer.write(data)
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_another_uid_is_told_403_and_what_is_missing() -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)  # the socket's folder is what keeps others out; here it does not
        house = House(Path(folder) / "s", own_uid=0)
        os.chmod(house.path, 0o666)
        with house.open():
            asked = [sys.executable, "-I", "-c", ASK, str(house.path), "65534"]
            reply = subprocess.run(asked, capture_output=True, check=True, timeout=20).stdout
    head, _, body = reply.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 403 ")
    problem = json.loads(body)
    assert problem["type"] == "denied"
    assert "65534" in problem["detail"]


LEAVE = """
import os, socket, sys, time
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])
parent = os.getpid()
if os.fork() != 0: os._exit(0)
while os.getppid() == parent: time.sleep(0.01)
time.sleep(0.1)
s.sendall(b"GET /v1/info HTTP/1.0\\r\\n\\r\\n")
data = b""
while piece := s.recv(65536): data += piece
sys.stdout.buffer.write(data)
"""


def test_a_child_cannot_speak_for_the_process_that_connected_and_ended(house: House) -> None:
    asked = [sys.executable, "-I", "-c", LEAVE, str(house.path)]
    reply = subprocess.run(asked, capture_output=True, check=True, timeout=20).stdout
    assert reply.startswith(b"HTTP/1.1 403 ")
    assert b"gone" in reply


# --- agents -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def agents_house(house: House) -> House:
    """The caller is an agent working on `web`, whose `veiled` predicate is held out."""
    predicates = (a_predicate("tests"), replace(a_predicate("veiled"), held_out=True))
    goal = mine(a_goal(*predicates))
    acts = [
        ActSummary(
            attempt_id=AttemptId(f"a{n}"), number=n, rung="harness:claude", title=f"try {n}", predicates=()
        )
        for n in (1, 2)
    ]
    progress = a_progress(
        states={
            p.id: a_state(failed("broken", "it broke", seen="x"), started_s=99.0, fails=1) for p in predicates
        },
        status=GoalStatus.ACTING,
        status_since_wall_s=WALL_0,
        reason="veiled still fails",
        episode=an_episode(acts=acts),
        act=a_running_act(attempt_id=AttemptId("a2"), number=2),
        acts=2,
    )
    view = house.service.add(a_view(goal, progress))
    house.service.add(a_view(mine(a_goal(goal_id="other"))))
    house.service.agent_of = view.uid
    house.service.log["stdout"] = b"said\n"
    return house


def test_an_agent_sees_its_own_goal_without_what_is_held_out(agents_house: House) -> None:
    for suffix in ("", "/explain"):
        answer = agents_house.get(WEB + suffix)
        assert answer.status == 200
        assert b"veiled" not in answer.body
        assert [p["id"] for p in answer.json["predicates"]] == ["tests"]
    document = agents_house.get(WEB).json
    assert [a["number"] for a in document["attempts"]] == [2], "other attempts are not its business"
    assert document["predicates"][0]["evidence"] == {"seen": "x"}


def test_an_agents_list_is_its_own_goal(agents_house: House) -> None:
    answer = agents_house.get("/v1/goals")
    assert [g["goal_id"] for g in answer.json["goals"]] == ["web"]
    assert b"veiled" not in answer.body


def test_an_agent_follows_without_what_is_held_out(agents_house: House) -> None:
    answer = agents_house.get(f"{WEB}/follow")
    assert answer.lines[-1]["event"] == "outcome"
    assert b"veiled" not in answer.body


@pytest.mark.parametrize(
    "target", ["/v1/info", "/healthz", "/v1/schema", "/v1/schema/http_probe", "/openapi.json"]
)
def test_an_agent_reads_what_tells_of_no_goal(agents_house: House, target: str) -> None:
    assert agents_house.get(target).status == 200


def test_an_agent_reads_the_log_of_its_own_attempt_only(agents_house: House) -> None:
    agents_house.service.fails.clear()
    assert agents_house.get(f"{WEB}/log").status == 200
    assert agents_house.get(f"{WEB}/log?attempt=1").status == 403


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("POST", "/v1/goals", {"goal_file": GOAL_FILE}), ("PUT", WEB, {"goal_file": GOAL_FILE}),
        ("POST", "/v1/check", {"goal_file": GOAL_FILE}), ("POST", "/v1/lint", {"goal_file": GOAL_FILE}),
        ("POST", "/v1/try", {"goal_file": GOAL_FILE}),
        ("POST", "/v1/freeze", {"reason": "r"}), ("POST", "/v1/thaw", {}),
        ("POST", f"{WEB}/suspend", {"reason": "r"}), ("POST", f"{WEB}/resume", {"reason": "r"}),
        ("POST", f"{WEB}/stop", None), ("POST", f"{WEB}/reconcile", None), ("DELETE", WEB, None),
        ("POST", "/v1/restart", {}), ("GET", "/metrics", None), ("GET", "/v1/events", None),
        ("GET", "/v1/events?goal=@me/web", None), ("GET", "/v1/goals/@me/other", None),
        ("GET", "/v1/goals/@me/other/explain", None), ("GET", "/v1/goals/@me/other/follow", None),
        ("GET", "/v1/goals/@me/other/log", None), ("GET", "/v1/goals/@me/other/wait", None),
        ("GET", "/v1/goals/@me/nothing", None),
    ],
)  # fmt: skip
def test_an_agent_changes_nothing_and_reads_nothing_else(
    agents_house: House, method: str, target: str, body: Any
) -> None:
    answer = agents_house.call(method, target, body)
    assert (answer.status, answer.json["type"]) == (403, "denied")
    assert [verb for verb, _ in agents_house.service.asked if verb not in ("view", "views")] == []


@pytest.mark.parametrize("suffix", ["", "/explain", "/follow", "/wait?timeout_s=0"])
def test_no_sentence_about_what_is_held_out_reaches_an_agent(agents_house: House, suffix: str) -> None:
    (view,) = [v for v in agents_house.service.known.values() if v.goal.id == "web"]
    guards = (
        Guard(name="person", reason="veiled still fails: it broke"),
        Guard(name="backoff", reason="after 2 acts, as veiled is", predicates=(PredicateId("tests"),)),
        Guard(name="lease", reason="held", predicates=(PredicateId("veiled"),)),
    )
    notices = ("veiled is quarantined", "file differs from the applied spec")
    agents_house.service.add(replace(view, guards=guards, notices=notices))
    answer = agents_house.get(WEB + suffix)
    assert answer.status == 200
    assert b"veiled" not in answer.body
    if suffix == "":
        assert [g["name"] for g in answer.json["guards"]] == ["person", "backoff"]
        assert answer.json["notices"] == ["file differs from the applied spec"]


def test_evidence_of_what_is_held_out_is_in_nobodys_document(agents_house: House) -> None:
    agents_house.service.agent_of = None
    veiled = agents_house.get(WEB).json["predicates"][1]
    assert (veiled["id"], veiled["verdict"], veiled.get("evidence"), veiled.get("detail")) == (
        "veiled",
        "fail",
        None,
        None,
    )


READ_BY_AGENTS = {
    "explain", "follow", "health", "info", "list", "logs", "openapi", "schema", "schema_of_kind", "status", "wait",
}  # fmt: skip
"""A new verb is denied to agents, until somebody judges here that it tells nothing and changes nothing."""


def _operations(house: House) -> list[tuple[str, str, str, bool]]:
    """(operation, method, target for `web`, whether it changes something), as the API says of itself."""
    found: list[tuple[str, str, str, bool]] = []
    for path, methods in house.get("/openapi.json").json["paths"].items():
        for method, row in methods.items():
            if method == "parameters":
                continue
            target = (
                path.replace("{owner}", "@me")
                .replace("{id}", "web")
                .replace("{kind}", "http_probe")
                .replace("{token}", "t")
            )
            names = {p.get("name") for p in row.get("parameters", ())}
            found.append((row["operationId"], method.upper(), target, HEADER_IDEMPOTENCY_KEY in names))
    assert len(found) == len(ENDPOINTS), "the document names every route"
    return found


@pytest.mark.parametrize(
    ("standing", "may_read"),
    [
        pytest.param(Standing(agent=GoalUid("uid-mine")), READ_BY_AGENTS, id="agent"),
        pytest.param(Standing(is_check=True), READ_BY_AGENTS - {"logs"}, id="check"),
        pytest.param(
            Standing(is_clear=False),
            READ_BY_AGENTS - {"explain", "follow", "logs", "status", "wait"},
            id="nobody-can-tell",
        ),
    ],
)
def test_of_every_operation_there_is_only_these_answer_who_is_no_owner(
    agents_house: House, standing: Standing, may_read: set[str]
) -> None:
    operations = _operations(agents_house)
    (web,) = [v for v in agents_house.service.known.values() if v.goal.id == "web"]
    agents_house.service.standing = replace(standing, agent=web.uid) if standing.agent else standing
    for operation, method, target, is_mutation in operations:
        answer = agents_house.call(method, target, {} if method in ("POST", "PUT") else None)
        is_denied = (answer.status, answer.json["type"] if answer.status == 403 else None) == (403, "denied")
        assert is_denied is (operation not in may_read), f"{operation}: {answer.status}"
        assert b"veiled" not in answer.body, f"{operation} tells what is held out"
        assert is_denied or not is_mutation
    asked = {verb for verb, _ in agents_house.service.asked}
    assert asked <= {"view", "views", "wait", "follow", "read_log"}, "nothing was changed"


def test_an_agent_of_a_forgotten_goal_reads_nothing(agents_house: House) -> None:
    agents_house.service.agent_of = GoalUid("gone")
    assert agents_house.get(WEB).status == 403
