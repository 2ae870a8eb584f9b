"""Couriers against real sockets and processes: what is sent, what counts as taken, and bad receivers."""

import base64
import hashlib
import hmac
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from kazid.adapters.memory.clock import MemoryClock
from kazid.adapters.notifying import webhook as webhook_module
from kazid.adapters.notifying.mail import Mail
from kazid.adapters.notifying.program import Apprise, Desktop, Program
from kazid.adapters.notifying.references import References, SecretMissing
from kazid.adapters.notifying.webhook import Webhook
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.core.receiver import Line, Message
from kazid.ports.notifying import Delivered, Undelivered

KEY = base64.b64encode(b"0123456789abcdef0123456789abcdef").decode()
MESSAGE = Message(
    id="msg_7",
    at_wall_s=1_700_000_000.0,
    lines=(Line(what="problem", uid="u", ref="ada/web", status="stuck", since_wall_s=1.7e9, offset=3),),
)

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@contextmanager
def listening(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[tuple[str, list[Any]]]:
    """A receiver on loopback and all that it was asked: (method, path, headers, body)."""
    asked: list[Any] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            asked.append((self.command, self.path, dict(self.headers), body))
            answer(self)

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def says(status: int, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if status >= 400:
            handler.wfile.write(b"went wrong")

    return answer


def a_webhook(url: str, *, secret: str | None = None, environ: dict[str, str] | None = None) -> Webhook:
    references = References(environ or {})
    return Webhook(url=url, secret=secret, source="/kazid/t", references=references, clock=MemoryClock())


async def test_a_webhook_gets_a_cloud_event_that_its_secret_verifies() -> None:
    with listening(says(204)) as (url, asked):
        courier = a_webhook(url, secret="env:HOOK", environ={"HOOK": f"whsec_{KEY}"})
        assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
        assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
    (_, _, headers, body), (_, _, _, again) = asked
    assert body == again
    assert json.loads(body)["id"] == headers["webhook-id"] == "msg_7"
    assert headers["content-type"].startswith("application/cloudevents+json")
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(base64.b64decode(KEY), signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert KEY not in str(asked)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(says(500), "500 went wrong", id="500"),
        pytest.param(says(410), "410 went wrong", id="gone"),
        pytest.param(says(302, location="http://127.0.0.1:1/admin"), "302: redirects", id="redirect-to-loopback"),
        pytest.param(says(307, location="http://10.0.0.1/"), "307: redirects", id="redirect-to-a-private-network"),
    ],
)  # fmt: skip
async def test_what_is_not_taken_says_why(
    answer: Callable[[BaseHTTPRequestHandler], None], reason: str
) -> None:
    with listening(answer) as (url, asked):
        delivery = await a_webhook(url).deliver(MESSAGE, receiver="ops")
        assert len(asked) == 1, "one request, whatever it answers"
    assert isinstance(delivery, Undelivered)
    assert delivery.reason.startswith(reason)


async def test_what_a_receiver_asks_to_wait_is_passed_on() -> None:
    with listening(says(429, retry_after="120")) as (url, _):
        delivery = await a_webhook(url).deliver(MESSAGE, receiver="ops")
    assert isinstance(delivery, Undelivered)
    assert delivery.retry_after_s == 120.0


async def test_a_receiver_that_hangs_or_never_ends_its_answer_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(webhook_module, "DEADLINE_S", 0.3)
    gone = threading.Event()

    def hangs(_: BaseHTTPRequestHandler) -> None:
        gone.wait(30)

    def floods(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(500)
        handler.end_headers()
        try:
            while not gone.is_set():
                handler.wfile.write(b"x" * 65536)
        except OSError:
            return

    try:
        for answer in (hangs, floods):
            with listening(answer) as (url, _):
                delivery = await a_webhook(url).deliver(MESSAGE, receiver="ops")
                assert isinstance(delivery, Undelivered)
                assert len(delivery.reason) <= 300
                gone.set()
            gone.clear()
    finally:
        gone.set()


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:1/", "http://nowhere.invalid/", "ftp://x/", "http://[::1", "http://127.0.0.1:99999/"]
)  # fmt: skip
async def test_an_address_that_nobody_answers_at_is_no_crash(url: str) -> None:
    assert isinstance(await a_webhook(url).deliver(MESSAGE, receiver="ops"), Undelivered)


async def test_the_heartbeat_is_a_get(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(says(200)) as (url, asked):
        assert isinstance(await a_webhook(f"{url}/ping/1").beat(), Delivered)
    assert asked[0][:2] == ("GET", "/ping/1")


def test_references_are_read_when_used_and_say_where_and_never_what(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n")
    references = References({"NAME": "x", "EMPTY": "", "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert references.value("env:NAME") == "x"
    assert references.value(f"file:{tmp_path}/token") == "s3cret"
    assert references.value("credential:token") == "s3cret"
    (tmp_path / "token").write_text("rotated")
    assert references.value("credential:token") == "rotated"
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    for missing in (
        "env:EMPTY",
        "env:OTHER",
        f"file:{tmp_path}/none",
        "credential:none",
        "credential:binary",
    ):
        with pytest.raises(SecretMissing, match=missing):
            references.value(missing)
    with pytest.raises(SecretMissing, match="LoadCredential"):
        References({}).value("credential:token")


class _Post(socketserver.StreamRequestHandler):
    """As little SMTP as one mail needs; the server's `refuses` says what it will not take."""

    def handle(self) -> None:
        server: Any = self.server
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            verb = line.split(" ")[0].upper()
            if verb == "DATA":
                self._say("354 go on")
                content = b""
                while (part := self.rfile.readline()) != b".\r\n":
                    content += part
                server.mails.append(content)
                self._say("250 taken")
            elif verb == server.refuses:
                self._say("550 not here")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            elif verb == "AUTH":
                server.logins.append(line)
                self._say("235 welcome")
            elif verb == "EHLO":
                self._say("250-here\r\n250 AUTH PLAIN")
            else:
                self._say("250 fine")

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())


@contextmanager
def a_post_office(*, refuses: str = "") -> Iterator[Any]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Post) as server:
        server.daemon_threads = True
        office: Any = server
        office.mails, office.logins, office.refuses = [], [], refuses
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield office
        finally:
            server.shutdown()
            thread.join()


def a_mail(port: int, *, environ: dict[str, str] | None = None, security: str = "none") -> Mail:
    return Mail(
        host="127.0.0.1",
        port=port,
        security=security,
        sender="kazid@example.org",
        recipients=["ada@example.org", "ops@example.org"],
        user="kazid" if environ else None,
        password="env:PASSWORD" if environ else None,
        host_name="host",
        references=References(environ or {}),
    )


async def test_a_mail_carries_the_words_and_an_id_that_stays() -> None:
    with a_post_office() as office:
        courier = a_mail(office.server_address[1], environ={"PASSWORD": "pw"})
        assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
        assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
    first, again = (message_from_bytes(content) for content in office.mails)
    assert first["Message-ID"] == again["Message-ID"] == "<msg_7@host>"
    assert first["Subject"] == "kazid: ada/web is stuck"
    assert first["To"] == "ada@example.org, ops@example.org"
    assert "kazictl ack REF" in str(first.get_payload())
    assert len(office.logins) == 2


@pytest.mark.parametrize("refuses", ["MAIL", "RCPT"])
async def test_a_mail_that_no_server_takes_says_why(refuses: str) -> None:
    with a_post_office(refuses=refuses) as office:
        delivery = await a_mail(office.server_address[1]).deliver(MESSAGE, receiver="ops")
    assert isinstance(delivery, Undelivered)
    assert "550" in delivery.reason


async def test_a_mail_is_not_sent_in_the_clear_when_that_was_not_asked_for() -> None:
    with a_post_office() as office:
        delivery = await a_mail(office.server_address[1], security="starttls").deliver(
            MESSAGE, receiver="ops"
        )
    assert isinstance(delivery, Undelivered)
    assert office.mails == []


async def test_a_mail_server_that_is_not_there_is_no_crash() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert isinstance(await a_mail(unused.getsockname()[1]).deliver(MESSAGE, receiver="ops"), Undelivered)


def a_runner(**environ: str) -> SystemCommandRunner:
    return SystemCommandRunner(state_id="t", environ={"PATH": "/usr/bin:/bin", **environ})


async def test_a_command_gets_the_event_on_standard_input_and_the_id_in_its_environment(
    tmp_path: Path,
) -> None:
    script = f'cat > {tmp_path}/event; echo "$KAZI_MESSAGE_ID $KAZI_RECEIVER" > {tmp_path}/id'
    courier = Program(("sh", "-c", script), source="/kazid/t", commands=a_runner())
    assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
    assert json.loads((tmp_path / "event").read_text())["id"] == "msg_7"
    assert (tmp_path / "id").read_text() == "msg_7 ops\n"


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        pytest.param(("sh", "-c", "echo no luck; exit 3"), "exit 3: no luck", id="exit"),
        pytest.param(("sh", "-c", "kill -9 $$"), "signal 9", id="signal"),
        pytest.param(("no-such-program-here",), "not found", id="not-there"),
    ],
)
async def test_a_command_that_fails_says_how(argv: tuple[str, ...], reason: str) -> None:
    delivery = await Program(argv, source="/kazid/t", commands=a_runner()).deliver(MESSAGE, receiver="ops")
    assert isinstance(delivery, Undelivered)
    assert delivery.reason.startswith(reason)


async def test_the_desktop_is_told_in_its_users_session(tmp_path: Path) -> None:
    fake = tmp_path / "notify-send"
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$DBUS_SESSION_BUS_ADDRESS" "$@" > {tmp_path}/shown\n')
    fake.chmod(0o755)
    environ = {"DBUS_SESSION_BUS_ADDRESS": "unix:path=/run/user/1/bus"}
    courier = Desktop(environ=environ, commands=a_runner(PATH=f"{tmp_path}:/usr/bin:/bin"))
    assert isinstance(await courier.deliver(MESSAGE, receiver="ops"), Delivered)
    shown = (tmp_path / "shown").read_text().splitlines()
    assert shown[0] == "unix:path=/run/user/1/bus"
    assert "kazid: ada/web is stuck" in shown


async def test_apprise_is_given_its_address_where_nobody_reads_it() -> None:
    pytest.importorskip("apprise", reason="apprise is an extra that this environment does not have")
    with listening(says(200)) as (url, asked):
        address = url.replace("http://", "json://")
        courier = Apprise("env:APPRISE", references=References({"APPRISE": address}), commands=a_runner())
        delivery = await courier.deliver(MESSAGE, receiver="ops")
    assert isinstance(delivery, Delivered), delivery
    assert json.loads(asked[0][3])["title"] == "kazid: ada/web is stuck"
