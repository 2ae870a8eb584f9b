"""`http_probe` against servers that mean harm, and certificates that do not hold: in words, in time, in bounds."""

import resource
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import anyio
import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.http_probe import HttpProbe
from tests.providers.loopback import Loopback, serving
from tests.providers.provider_contract import a_look

pytestmark = pytest.mark.anyio

SLACK_S = 20.0
"""What a busy machine may take beyond a deadline; without the bound these answers take many times that."""
GROWTH_KB_MAX = 100_000


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


@pytest.fixture(scope="module")
def probe() -> HttpProbe:
    return HttpProbe()


async def look(
    probe: HttpProbe, url: str, *, folder: Path = Path("/"), deadline_s: float = 60.0, **options: Json
) -> Verdict:
    return await probe.evaluate(
        {"url": url, **options}, a_look(folder, deadline_s=deadline_s), ScriptedCommandRunner()
    )


@pytest.mark.parametrize(
    ("path", "reason", "detail"),
    [
        pytest.param("/redirect/loop", "bad_redirect", "more than 5 redirects", id="redirects-in-a-loop"),
        pytest.param("/interim", "unreachable", "interim answers", id="interim-answers-without-end"),
        pytest.param("/big-head", "unreachable", "too long", id="a-head-without-end"),
        pytest.param("/gzip-not", "unreachable", "not compressed as it says", id="not-compressed"),
        pytest.param("/json-deep", "unexpected_json", "the body is no JSON", id="deep-json"),
        pytest.param("/json-wide", "unexpected_json", "more than 1048576 bytes", id="wide-json"),
        pytest.param(
            "/json-number", "unexpected_json", "the body is no JSON", id="a-number-of-100000-digits"
        ),
        pytest.param("/json-bytes", "unexpected_json", "the body is no JSON", id="no-utf-8"),
        pytest.param("/gzip-bomb", "unexpected_json", "more than 1048576 bytes", id="a-compressed-bomb"),
        pytest.param("/endless", "unexpected_json", "more than 1048576 bytes", id="a-body-without-end"),
        pytest.param("/status/204", "unexpected_json", "the body is no JSON", id="nothing"),
    ],
)
async def test_a_hostile_answer_fails_in_words_in_time_and_in_bounds(
    server: Loopback, probe: HttpProbe, path: str, reason: str, detail: str
) -> None:
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict = await look(probe, server.url(path), deadline_s=30.0, expect_json={"$.n": 1})
    assert (verdict.status, verdict.reason) == (Status.FAIL, reason), verdict
    assert detail in (verdict.detail or "")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < GROWTH_KB_MAX


async def test_an_answer_of_a_byte_a_second_ends_in_time(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(probe, server.url("/slow-drip"), deadline_s=1.5, expect_json={"$.n": 1})
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable"), verdict
    assert "no complete answer within" in (verdict.detail or "")


async def test_a_flood_of_tiny_chunks_ends_in_time_and_holds_up_nobody(
    server: Loopback, probe: HttpProbe
) -> None:
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            await anyio.sleep(0.005)
            turns += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        started = time.monotonic()
        verdict = await look(probe, server.url("/tiny-chunks"), deadline_s=0.5, expect_body="y")
        tasks.cancel_scope.cancel()
    assert time.monotonic() - started < 0.5 + SLACK_S
    assert verdict.status is Status.FAIL
    assert turns >= 5, "everybody else waited for a flood"


async def test_an_answer_that_is_compressed_unasked_is_read(server: Loopback, probe: HttpProbe) -> None:
    assert (await look(probe, server.url("/gzip"), expect_body="squeezed", body_match="exact")).is_green


class Certificates:
    """Made with openssl in a folder: an authority, and what it issued."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority", "-days", "2")  # fmt: skip

    def issue(self, name: str, *, alt: str, days: int = 2) -> None:
        self._run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                  "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")  # fmt: skip
        (self.folder / f"{name}.ext").write_text(f"subjectAltName={alt}")
        self._run("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                  "-out", f"{name}.pem", "-days", str(days), "-extfile", f"{name}.ext")  # fmt: skip

    def _run(self, *args: str) -> None:
        subprocess.run(["openssl", *args], cwd=self.folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    made.issue("good", alt="DNS:localhost,IP:127.0.0.1")
    made.issue("expired", alt="DNS:localhost,IP:127.0.0.1", days=-1)
    made.issue("other", alt="DNS:elsewhere.example")
    made.issue("client", alt="DNS:client.example")
    return made


class TlsServer:
    """Answers everybody who gets through the handshake with 200."""

    def __init__(self, certificates: Certificates, name: str, *, asks_for_client: bool = False) -> None:
        folder = certificates.folder
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
        if asks_for_client:
            self._context.load_verify_locations(folder / "ca.pem")
            self._context.verify_mode = ssl.CERT_REQUIRED
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}/"
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listener.accept()
            except OSError:
                return
            plain.settimeout(5)
            try:
                with self._context.wrap_socket(plain, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            except OSError:
                plain.close()


@pytest.mark.parametrize(
    ("name", "options", "expected", "detail"),
    [
        pytest.param("good", {"tls_ca": "ca.pem"}, "pass", "", id="an-issuer-of-our-own"),
        pytest.param("good", {}, "error tls_untrusted", "unable to get", id="an-issuer-nobody-knows"),
        pytest.param("expired", {"tls_ca": "ca.pem"}, "fail unreachable", "expired", id="expired"),
        pytest.param("other", {"tls_ca": "ca.pem"}, "fail unreachable", "IP address mismatch", id="another-name"),
        pytest.param(
            "other", {"tls_ca": "ca.pem", "tls_server_name": "elsewhere.example"}, "pass", "", id="the-name-as-said"
        ),
        pytest.param("expired", {"tls_verify": False}, "pass", "", id="not-verified"),
        pytest.param("good", {"tls_ca": "gone.pem"}, "error invalid_config", "No such file", id="no-such-ca"),
        pytest.param("good", {"tls_ca": "ca.key"}, "error invalid_config", "ca.key", id="a-ca-that-is-none"),
        pytest.param("good", {"tls_ca": "."}, "error invalid_config", "no PEM file", id="a-folder"),
        pytest.param(
            "good", {"tls_ca": "ca.pem", "tls_cert": "client.pem", "tls_key": "good.key"},
            "error invalid_config", "KEY_VALUES_MISMATCH", id="another-key",
        ),
    ],
)  # fmt: skip
async def test_a_certificate_means(
    certificates: Certificates,
    probe: HttpProbe,
    name: str,
    options: dict[str, Json],
    expected: str,
    detail: str,
) -> None:
    with TlsServer(certificates, name) as server:
        verdict = await look(probe, server.url, folder=certificates.folder, **options)
    assert " ".join(filter(None, (verdict.status.value, verdict.reason))) == expected, verdict
    assert detail in (verdict.detail or "")


@pytest.mark.parametrize(
    ("options", "passes"),
    [({"tls_cert": "client.pem", "tls_key": "client.key"}, True), ({}, False)],
    ids=["shown", "not-shown"],
)
async def test_a_client_shows_its_certificate(
    certificates: Certificates, probe: HttpProbe, options: dict[str, Json], passes: bool
) -> None:
    with TlsServer(certificates, "good", asks_for_client=True) as server:
        verdict = await look(probe, server.url, folder=certificates.folder, tls_ca="ca.pem", **options)
    assert verdict.status is (Status.PASS if passes else Status.FAIL), verdict


async def test_a_plain_server_behind_https_fails_in_words(server: Loopback, probe: HttpProbe) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        verdict = await look(probe, f"https://127.0.0.1:{listener.getsockname()[1]}/")
        thread.join(5)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")
    assert "WRONG_VERSION_NUMBER" in (verdict.detail or "")
