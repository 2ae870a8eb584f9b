"""`tcp` and `port_closed`: a listener, its words, and the proof that nobody listens."""

import errno
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.connect import Attempt, Outcome, Target, is_its_own_peer
from kazid.providers.tcp import ANSWER_BYTES_MAX, Answer, Tcp, TcpOptions, interpret, port_closed
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()


class Listener:
    """Accepts on loopback and does with each connection what `behave` says."""

    def __init__(self, behaviour: str, family: socket.AddressFamily, where: Any) -> None:
        self.behaviour = behaviour
        self.sock = socket.socket(family, socket.SOCK_STREAM)
        self.sock.bind(where)
        self.sock.listen(16)
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    @property
    def port(self) -> int:
        return int(self.sock.getsockname()[1])

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.behave, args=(connection,), daemon=True).start()

    def behave(self, connection: socket.socket) -> None:
        with connection:
            try:
                match self.behaviour:
                    case "redis":
                        if b"PING" in connection.recv(1024):
                            connection.sendall(b"+PO")
                            connection.sendall(b"NG\r\n")
                    case "ssh":
                        connection.sendall(b"SSH-2.0-OpenSSH_9.2\xff\r\n")
                    case "drip":
                        while not self.closing.wait(0.01):
                            connection.sendall(b".")
                    case "flood":
                        while not self.closing.is_set():
                            connection.sendall(b"z" * 65536)
                    case _:
                        self.closing.wait(10)
            except OSError:
                pass

    def close(self) -> None:
        self.closing.set()
        self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(5)


@pytest.fixture(scope="module")
def ports() -> Iterator[Mapping[str, int]]:
    """A port for each behaviour, one nobody listens on, and one whose queue is full."""
    listeners = {
        name: Listener(name, socket.AF_INET, ("127.0.0.1", 0))
        for name in ("silent", "redis", "ssh", "drip", "flood")
    }
    # Bound and not listening: refused for as long as the test runs, by nobody else's luck.
    with socket.socket() as closed, socket.socket() as full:
        closed.bind(("127.0.0.1", 0))
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            sock = socket.socket()
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
            waiting.append(sock)
        yield {
            **{name: listener.port for name, listener in listeners.items()},
            "closed": closed.getsockname()[1],
            "full": full.getsockname()[1],
        }
        for sock in waiting:
            sock.close()
    for listener in listeners.values():
        listener.close()


async def look(provider: Tcp, *, deadline_s: float = 60.0, **options: Json) -> Verdict:
    return await provider.evaluate(options, a_look(Path("/"), deadline_s=deadline_s), COMMANDS)


class TestContract(ProviderContract):
    erring: Mapping[str, Json] = {"host": "nope.invalid", "port": 1}
    keys = tuple(TcpOptions.__struct_fields__)
    kind = KINDS["tcp"]

    @pytest.fixture(autouse=True)
    def _made(self, ports: Mapping[str, int]) -> None:
        self.provider = Tcp()
        self.commands = COMMANDS
        self.passing = {
            "host": "127.0.0.1",
            "port": ports["redis"],
            "send": "PING\r\n",
            "expect_text": "+PONG",
        }
        self.failing = {"port": ports["closed"]}
        self.hanging = {"port": ports["silent"], "expect_text": "never"}


class TestClosedContract(ProviderContract):
    erring: Mapping[str, Json] = {"host": "nope.invalid", "port": 1}
    keys = ("host", "port", "unix", "ip_version", "silence_is_closed", "timeout_ms")
    kind = KINDS["port_closed"]

    @pytest.fixture(autouse=True)
    def _made(self, ports: Mapping[str, int]) -> None:
        self.provider = port_closed()
        self.commands = COMMANDS
        self.passing = {"port": ports["closed"]}
        self.failing = {"port": ports["silent"]}
        self.hanging = {"port": ports["full"]}

    async def test_expect_is_no_key_of_it(self, ports: Mapping[str, int]) -> None:
        verdict = await look(port_closed(), port=ports["silent"], expect="present")
        assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")


@pytest.mark.parametrize(
    ("port", "options", "status", "reason"),
    [
        pytest.param("silent", {}, "pass", None, id="open-is-enough"),
        pytest.param("silent", {"host": "localhost"}, "pass", None, id="localhost-needs-no-name-server"),
        pytest.param("closed", {}, "fail", "unreachable", id="refused"),
        pytest.param("full", {"timeout_ms": 200}, "fail", "unreachable", id="a-full-queue-serves-nobody"),
        pytest.param("ssh", {"expect_text": "SSH-2.0-"}, "pass", None, id="a-banner"),
        pytest.param(
            "redis", {"send": "PING\r\n", "expect_text": "+PONG"}, "pass", None, id="an-answer-in-pieces"
        ),
        pytest.param(
            "redis", {"send": "QUIT\r\n", "expect_text": "+PONG"}, "fail", "no_answer", id="closed-on-us"
        ),
        pytest.param("ssh", {"expect_text": "220 "}, "fail", "unexpected_answer", id="another-service"),
        pytest.param(
            "silent",
            {"expect_text": "220 ", "timeout_ms": 150},
            "fail",
            "no_answer",
            id="accepts-and-is-silent",
        ),
        pytest.param(
            "drip",
            {"expect_text": "220 ", "timeout_ms": 1_000},
            "fail",
            "unexpected_answer",
            id="one-byte-at-a-time",
        ),
        pytest.param(
            "flood", {"expect_text": "220 "}, "fail", "unexpected_answer", id="an-answer-without-end"
        ),
        pytest.param("silent", {"connect_ms_max": 1e-9}, "fail", "slow", id="too-slow"),
        pytest.param("silent", {"connect_ms_max": 4000}, "pass", None, id="fast-enough"),
        pytest.param("closed", {"expect": "absent"}, "pass", None, id="nobody-listens"),
        pytest.param("silent", {"expect": "absent"}, "fail", "open", id="somebody-listens"),
        pytest.param(
            "full", {"expect": "absent", "timeout_ms": 150}, "error", "silent", id="silence-is-no-proof"
        ),
        pytest.param(
            "full",
            {"expect": "absent", "timeout_ms": 150, "silence_is_closed": True},
            "pass",
            None,
            id="unless-the-author-says-so",
        ),
        pytest.param("silent", {"host": "no such host"}, "error", "dns_failed", id="no-name"),
        pytest.param("silent", {"host": "x" * 80}, "error", "invalid_config", id="no-name-at-all"),
        pytest.param("silent", {"ip_version": 5}, "error", "invalid_config", id="no-such-ip-version"),
    ],
)
async def test_a_real_port(
    ports: Mapping[str, int], port: str, options: dict[str, Json], status: str, reason: str | None
) -> None:
    verdict = await look(Tcp(), port=ports[port], **options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


async def test_an_answer_without_end_is_read_to_its_bound(ports: Mapping[str, int]) -> None:
    verdict = await look(Tcp(), port=ports["flood"], expect_text="never")
    assert verdict.evidence["answer_bytes"] == ANSWER_BYTES_MAX


@pytest.mark.parametrize("expect", ["present", "absent"])
async def test_a_unix_socket(tmp_path: Path, expect: str) -> None:
    listener = Listener("silent", socket.AF_UNIX, str(tmp_path / "s"))
    (tmp_path / "file").write_text("")
    green, red = ("pass", "fail") if expect == "present" else ("fail", "pass")
    try:
        assert (await look(Tcp(), unix=str(tmp_path / "s"), expect=expect)).status.value == green
    finally:
        listener.close()
    for name in ("s", "none", "file", "file/below"):
        verdict = await look(Tcp(), unix=str(tmp_path / name), expect=expect)
        assert verdict.status.value == red, (name, verdict)


async def test_a_path_too_long_for_a_socket_is_the_authors_mistake() -> None:
    verdict = await look(Tcp(), unix="/" + "x" * 200)
    assert verdict.status is Status.ERROR


def test_a_connection_to_itself_is_nobody() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.connect(sock.getsockname())
        assert is_its_own_peer(sock)


def test_a_connection_to_somebody_is_somebody(ports: Mapping[str, int]) -> None:
    with socket.create_connection(("127.0.0.1", ports["silent"])) as sock:
        assert not is_its_own_peer(sock)


async def test_no_look_leaves_a_descriptor(ports: Mapping[str, int]) -> None:
    provider = Tcp()
    await look(provider, port=ports["ssh"])
    before = len(os.listdir("/proc/self/fd"))
    for port in ("ssh", "closed", "full"):
        for _ in range(5):
            await look(provider, port=ports[port], expect_text="x", timeout_ms=20)
    assert len(os.listdir("/proc/self/fd")) <= before


async def test_many_looks_at_once_do_not_wait_for_each_other(ports: Mapping[str, int]) -> None:
    started_s = anyio.current_time()
    async with anyio.create_task_group() as group:
        for _ in range(50):
            group.start_soon(lambda: look(Tcp(), port=ports["full"], timeout_ms=300))
    assert anyio.current_time() - started_s < 12.0, "one after the other they take 15 s"


def an_attempt(outcome: Outcome, address: str = "10.0.0.1:80") -> Attempt:
    return Attempt(address=address, outcome=outcome, detail=os.strerror(errno.ECONNREFUSED), elapsed_s=0.01)


Out = Outcome


@pytest.mark.parametrize(
    ("outcomes", "present", "absent"),
    [
        pytest.param([Out.OPEN], "pass", "fail", id="open"),
        pytest.param([Out.REFUSED, Out.OPEN], "pass", "fail", id="the-second-address-is-open"),
        pytest.param([Out.REFUSED, Out.REFUSED], "fail", "pass", id="all-refuse"),
        pytest.param([Out.REFUSED, Out.SILENT], "fail", "error", id="one-is-silent"),
        pytest.param([Out.REFUSED, Out.NO_ROUTE], "fail", "error", id="one-has-no-route"),
        pytest.param([Out.SILENT], "fail", "error", id="silent"),
        pytest.param([Out.NO_ROUTE], "error", "error", id="no-route"),
        pytest.param([Out.NO_NAME], "error", "error", id="no-name"),
        pytest.param([Out.DENIED], "error", "error", id="denied"),
        pytest.param([Out.TRANSIENT], "error", "error", id="out-of-descriptors"),
        pytest.param([Out.NOT_ASKABLE], "error", "error", id="no-address"),
    ],
)
def test_what_the_addresses_say_is_judged_as_one(outcomes: list[Outcome], present: str, absent: str) -> None:
    attempts = [an_attempt(outcome, f"10.0.0.{n}:80") for n, outcome in enumerate(outcomes)]
    target = Target(host="h", port=80)
    assert interpret(attempts, None, TcpOptions(port=80), target).status.value == present
    verdict = interpret(attempts, None, TcpOptions(port=80, expect="absent"), target)
    assert verdict.status.value == absent
    assert verdict.is_green or verdict.detail


@given(st.binary(max_size=300), st.sampled_from(["closed", "full", "silent", "broken"]))
def test_whatever_was_answered_without_the_text_is_red_and_encodes(text: bytes, ended: Any) -> None:
    answer = Answer(text=text, ended=ended)
    verdict = interpret(
        [an_attempt(Out.OPEN)], answer, TcpOptions(port=1, expect_text="x"), Target(host="h", port=1)
    )
    assert verdict.status is Status.FAIL
    assert verdict.detail
