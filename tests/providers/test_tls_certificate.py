"""`tls_certificate`: certificates that openssl made, shown by real TLS servers."""

import os
import shutil
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.certificate import Certificate, Unreadable, is_for, read_certificate
from kazid.providers.tls_certificate import Seen, TlsCertificate, TlsCertificateOptions, interpret
from tests.providers.authority import DAY_S, HOUR_S, Authority
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
COMMANDS = ScriptedCommandRunner()
NOW_S = 1_800_000_000.0


class Server:
    """Accepts on loopback, talks before TLS as `begin` does, and shakes hands with this certificate."""

    def __init__(self, certificate: Path | None, key: Path, begin: Callable[[socket.socket], bool]) -> None:
        self.begin = begin
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate, key)
        self.sock = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.sock.getsockname()[1])
        self.closing = threading.Event()
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self.greet, args=(connection,), daemon=True).start()

    def greet(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(5)
            try:
                if not self.begin(connection):
                    return
                if self.context is None:
                    self.closing.wait(5)
                    return
                with self.context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(1)
            except (OSError, ValueError):
                pass

    def close(self) -> None:
        self.closing.set()
        self.sock.close()


def at_once(connection: socket.socket) -> bool:
    return True


def says(*lines: tuple[bytes, bytes]) -> Callable[[socket.socket], bool]:
    """Waits for each text and answers it."""

    def begin(connection: socket.socket) -> bool:
        for wanted, answer in lines:
            seen = b""
            while wanted not in seen:
                piece = connection.recv(100)
                if not piece:
                    return False
                seen += piece
            connection.sendall(answer)
        return True

    return begin


SMTP = says(
    (b"", b"220-mail.example.org\r\n220 ready\r\n"),
    (b"EHLO kazid\r\n", b"250-mail.example.org\r\n250-SIZE 1000\r\n250 STARTTLS\r\n"),
    (b"STARTTLS\r\n", b"220 go ahead\r\n"),
)
SMTP_WITHOUT = says(
    (b"", b"220 ready\r\n"),
    (b"EHLO kazid\r\n", b"250 SIZE\r\n"),
    (b"STARTTLS\r\n", b"502 no such command\r\n"),
)
IMAP = says((b"", b"* OK ready\r\n"), (b"k1 STARTTLS\r\n", b"* CAPABILITY X\r\nk1 OK go\r\n"))
POP3 = says((b"", b"+OK ready\r\n"), (b"STLS\r\n", b"+OK go\r\n"))
POSTGRES = says((b"\x04\xd2\x16\x2f", b"S"))
POSTGRES_WITHOUT = says((b"\x04\xd2\x16\x2f", b"N"))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def servers(authority: Authority) -> Iterator[Mapping[str, int]]:
    ca = authority.ca
    good = authority.issue("good", by=ca)
    certificates = {
        "good": (good, at_once),
        "soon": (authority.issue("soon", by=ca, until_s=5 * DAY_S), at_once),
        "expired-today": (authority.issue("expired-today", by=ca, until_s=-3 * HOUR_S), at_once),
        "tomorrow": (
            authority.issue("tomorrow", by=ca, from_s=DAY_S, until_s=30 * DAY_S), at_once,
        ),
        "elsewhere": (
            authority.issue("elsewhere", by=ca, alternative="DNS:www.example.org,DNS:*.example.net"), at_once,
        ),
        "nameless": (authority.issue("localhost", by=ca, alternative=""), at_once),
        "self-signed": (authority.issue("self-signed"), at_once),
        "smtp": (good, SMTP),
        "smtp-without": (good, SMTP_WITHOUT),
        "imap": (good, IMAP),
        "pop3": (good, POP3),
        "postgres": (good, POSTGRES),
        "postgres-without": (good, POSTGRES_WITHOUT),
        "silent": (None, at_once),
        "plain": (None, says((b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"))),
        "closes": (None, lambda connection: False),
    }  # fmt: skip
    running = {name: Server(made, authority.key, begin) for name, (made, begin) in certificates.items()}
    yield {name: server.port for name, server in running.items()}
    for server in running.values():
        server.close()


async def look(authority: Authority, port: int, *, wall_s: float | None = None, **options: Json) -> Verdict:
    asked: dict[str, Json] = {"host": "localhost", "port": port, "ca_file": str(authority.ca), **options}
    if asked.get("chain") == "ignore":
        del asked["ca_file"]
    return await TlsCertificate().evaluate(asked, a_look(Path("/"), wall_s=wall_s), COMMANDS)


class TestContract(ProviderContract):
    erring: Mapping[str, Json] = {"host": "nope.invalid"}
    keys = tuple(TlsCertificateOptions.__struct_fields__)
    kind = KINDS["tls_certificate"]

    @pytest.fixture(autouse=True)
    def _made(self, authority: Authority, servers: Mapping[str, int]) -> None:
        self.provider = TlsCertificate()
        self.commands = COMMANDS
        ca_file = str(authority.ca)
        self.passing = {"host": "localhost", "port": servers["good"], "ca_file": ca_file}
        self.failing = {"host": "localhost", "port": servers["self-signed"], "ca_file": ca_file}
        self.hanging = {"host": "localhost", "port": servers["silent"], "ca_file": ca_file}


@pytest.mark.parametrize(
    ("server", "options", "status", "reason"),
    [
        pytest.param("good", {}, "pass", None, id="valid-trusted-and-for-the-name"),
        pytest.param("good", {"host": "127.0.0.1"}, "pass", None, id="by-address"),
        pytest.param("good", {"days_left_min": 91}, "fail", "expires_soon", id="more-days-expected"),
        pytest.param("soon", {}, "fail", "expires_soon", id="five-days-left"),
        pytest.param("soon", {"days_left_min": 4}, "pass", None, id="five-days-are-enough"),
        pytest.param("expired-today", {}, "fail", "expired", id="expired-today"),
        pytest.param("expired-today", {"chain": "ignore"}, "fail", "expired", id="expired-whoever-signed-it"),
        pytest.param("tomorrow", {}, "fail", "not_yet_valid", id="begins-tomorrow"),
        pytest.param("self-signed", {}, "fail", "self_signed", id="self-signed"),
        pytest.param("self-signed", {"chain": "ignore"}, "pass", None, id="self-signed-and-that-is-fine"),
        pytest.param("elsewhere", {}, "fail", "wrong_name", id="for-another-name"),
        pytest.param(
            "elsewhere", {"server_name": "www.example.org"}, "pass", None, id="the-name-that-is-asked-for"
        ),
        pytest.param("elsewhere", {"server_name": "a.example.net"}, "pass", None, id="a-wildcard"),
        pytest.param(
            "elsewhere", {"server_name": "a.b.example.net"}, "fail", "wrong_name", id="of-one-label-only"
        ),
        pytest.param("elsewhere", {"name": "ignore"}, "pass", None, id="any-name"),
        pytest.param("nameless", {}, "fail", "wrong_name", id="a-common-name-is-no-name"),
        pytest.param("good", {"sha256": "ab" * 32}, "fail", "another_certificate", id="another-fingerprint"),
        pytest.param("smtp", {"starttls": "smtp"}, "pass", None, id="smtp"),
        pytest.param("imap", {"starttls": "imap"}, "pass", None, id="imap"),
        pytest.param("pop3", {"starttls": "pop3"}, "pass", None, id="pop3"),
        pytest.param("postgres", {"starttls": "postgres"}, "pass", None, id="postgres"),
        pytest.param("smtp-without", {"starttls": "smtp"}, "fail", "no_tls", id="smtp-without-starttls"),
        pytest.param("postgres-without", {"starttls": "postgres"}, "fail", "no_tls", id="postgres-without"),
        pytest.param("plain", {}, "fail", "no_tls", id="speaks-no-tls"),
        pytest.param("closes", {}, "fail", None, id="closes-on-us"),
        pytest.param("silent", {"timeout_ms": 200}, "fail", "unreachable", id="never-shakes-hands"),
        pytest.param("good", {"ca_file": "/no/such/file"}, "error", "no_trust_store", id="no-trust-store"),
    ],
)
async def test_a_real_server(
    authority: Authority,
    servers: Mapping[str, int],
    server: str,
    options: dict[str, Json],
    status: str,
    reason: str | None,
) -> None:
    verdict = await look(authority, servers[server], **options)
    assert verdict.status.value == status, verdict
    assert reason is None or verdict.reason == reason, verdict
    assert verdict.is_green or verdict.detail


async def test_what_the_machine_trusts_is_the_default(servers: Mapping[str, int]) -> None:
    options: dict[str, Json] = {"host": "localhost", "port": servers["good"]}
    verdict = await TlsCertificate().evaluate(options, a_look(Path("/")), COMMANDS)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "untrusted"), verdict


async def test_a_closed_port_is_red() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        options: dict[str, Json] = {"host": "127.0.0.1", "port": sock.getsockname()[1]}
        verdict = await TlsCertificate().evaluate(options, a_look(Path("/")), COMMANDS)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")


async def test_expired_today_is_told_in_hours_with_its_date(
    authority: Authority, servers: Mapping[str, int]
) -> None:
    verdict = await look(authority, servers["expired-today"])
    assert "hours ago" in (verdict.detail or "")
    assert verdict.score is not None
    assert -0.2 < verdict.score < 0


async def test_a_clock_that_was_never_set_counts_no_days(
    authority: Authority, servers: Mapping[str, int]
) -> None:
    verdict = await look(authority, servers["good"], wall_s=86_400.0)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "clock_wrong")
    assert "1970" in (verdict.detail or "")


@pytest.mark.parametrize(
    ("days", "reason"), [(-2, "not_yet_valid"), (0, None), (70, None), (77, "expires_soon"), (91, "expired")]
)
async def test_days_go_by(
    authority: Authority, servers: Mapping[str, int], days: float, reason: str | None
) -> None:
    verdict = await look(authority, servers["good"], wall_s=time.time() + days * DAY_S)
    assert verdict.reason == reason, verdict


async def test_a_certificate_in_a_file(authority: Authority, tmp_path: Path) -> None:
    async def at(name: str, **others: Json) -> Verdict:
        return await TlsCertificate().evaluate({"file": name, **others}, a_look(tmp_path), COMMANDS)

    good = authority.folder / "good.pem"
    assert (await at(str(good))).is_green
    assert (await at(str(good), server_name="other.example.org")).reason == "wrong_name"
    assert (await at(str(authority.folder / "soon.pem"))).reason == "expires_soon"
    assert (await at("none.pem")).reason == "absent"
    (tmp_path / "not.pem").write_bytes(b"\xff" * 1000)
    os.mkfifo(tmp_path / "fifo")
    for name in ("not.pem", "fifo", "."):
        assert (await at(name)).status is Status.ERROR, name


def a_certificate(**others: Any) -> Certificate:
    fields: dict[str, Any] = {
        "subject": "CN=x", "issuer": "CN=y", "names": ["x"], "not_before_s": NOW_S - DAY_S, "serial": "1",
        "not_after_s": NOW_S + 30 * DAY_S, "sha256": "ab" * 32,
    }  # fmt: skip
    return Certificate(**{**fields, **others})


@pytest.mark.parametrize(
    ("certificate", "code", "reason"),
    [
        pytest.param(a_certificate(), 0, None, id="trusted"),
        pytest.param(a_certificate(not_after_s=NOW_S - 1), 10, "expired", id="expired-is-told-once"),
        pytest.param(a_certificate(), 10, "untrusted", id="an-expired-link-of-the-chain"),
        pytest.param(a_certificate(), 20, "untrusted", id="an-issuer-that-is-not-sent"),
        pytest.param(a_certificate(), 19, "self_signed", id="an-unknown-root"),
        pytest.param(a_certificate(not_after_s=NOW_S + 14 * DAY_S), 0, None, id="fourteen-days-are-enough"),
        pytest.param(a_certificate(not_after_s=NOW_S + 13.9 * DAY_S), 0, "expires_soon", id="less-are-not"),
    ],
)
def test_what_was_seen_is_judged(certificate: Certificate, code: int, reason: str | None) -> None:
    seen = Seen(certificate=certificate, where="x:443", chain_code=code, chain_words="words" if code else "")
    assert interpret(seen, TlsCertificateOptions(host="x"), wall_s=NOW_S).reason == reason


def test_everything_that_is_wrong_is_told_at_once() -> None:
    seen = Seen(
        certificate=a_certificate(not_after_s=NOW_S - DAY_S), where="x", chain_code=18, chain_words="self"
    )
    verdict = interpret(seen, TlsCertificateOptions(host="other"), wall_s=NOW_S)
    assert all(words in (verdict.detail or "") for words in ("expired", "self-signed", "not for other"))


@pytest.mark.parametrize(
    ("names", "host", "covers"),
    [
        (["example.org"], "EXAMPLE.org.", True),
        (["*.example.org"], "example.org", False),
        (["*.example.org"], "a.example.org", True),
        (["*.org"], "example.org", False),
        (["*"], "localhost", False),
        (["a*.example.org"], "ab.example.org", False),
        (["::1"], "0:0:0:0:0:0:0:1", True),
        (["127.0.0.1"], "127.0.0.2", False),
        ([], "x", False),
    ],
)
def test_names_are_compared_as_clients_do(names: list[str], host: str, covers: bool) -> None:
    assert is_for(names, host) is covers


@given(st.binary(max_size=300))
def test_no_bytes_raise(encoded: bytes) -> None:
    assert isinstance(read_certificate(encoded), Unreadable)
    assert isinstance(read_certificate(b"-----BEGIN CERTIFICATE-----\n" + encoded), Unreadable)


@given(st.data())
def test_no_damaged_certificate_raises(authority: Authority, data: st.DataObject) -> None:
    der = bytearray(ssl.PEM_cert_to_DER_cert(authority.ca.read_text()))
    for _ in range(data.draw(st.integers(1, 4))):
        der[data.draw(st.integers(0, len(der) - 1))] = data.draw(st.integers(0, 255))
    read_certificate(bytes(der))
