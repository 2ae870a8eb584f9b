"""`http_probe`: a dead service is FAIL, what we could not see is ERROR, and nothing outlives its deadline."""

import errno
import gc
import os
import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec
import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored, passed
from kazid.providers.http_exchange import (
    BODY_BYTES_KEPT,
    BODY_BYTES_READ_MAX,
    Answer,
    BadAnswer,
    Request,
    Tls,
)
from kazid.providers.http_failure import NoAnswer, no_answer
from kazid.providers.http_fetch import public_url, redirected
from kazid.providers.http_probe import (
    HttpProbe,
    HttpProbeOptions,
    interpret,
    request_for,
    summarize,
)
from kazid.providers.http_trust import TrustStores, build_context, trust_store
from tests.providers.loopback import Loopback, serving
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio

NO_ROUTE, REFUSED = errno.ENETUNREACH, errno.ECONNREFUSED
COMMANDS = ScriptedCommandRunner()
SLACK_S = 20.0
"""What a loaded machine may add; whatever does not end at its deadline takes longer still."""


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


@pytest.fixture(scope="module")
def probe() -> HttpProbe:
    return HttpProbe()


async def look(probe: HttpProbe, url: str, *, deadline_s: float = 60.0, **options: Json) -> Verdict:
    return await probe.evaluate({"url": url, **options}, a_look(Path("/"), deadline_s=deadline_s), COMMANDS)


class TestContract(ProviderContract):
    erring: Mapping[str, Json] = {"url": "http://nope.invalid/"}
    keys = tuple(HttpProbeOptions.__struct_fields__)

    @pytest.fixture(autouse=True)
    def _made(self, server: Loopback, probe: HttpProbe) -> None:
        self.provider = probe
        self.commands = COMMANDS
        self.passing = {"url": server.url("/ok"), "expect_body": "ok"}
        self.failing = {"url": server.url("/status/500"), "expect_status": 200, "expect_body": "fine"}
        self.hanging = {"url": server.url("/blackhole")}


@pytest.mark.parametrize(
    ("path", "deadline_s", "detail"),
    [
        pytest.param(
            "/blackhole", 0.3, "accepted the connection and has not answered", id="accepts-and-never-answers"
        ),
        pytest.param("/drip", 0.3, "no complete answer", id="drips-its-body"),
        pytest.param("/drip-head", 0.3, "no complete answer", id="drips-its-head"),
        pytest.param("/reset", 5, "Connection reset by peer", id="reset"),
        pytest.param("/early-close", 5, "received 7 bytes, expected 100", id="closed-in-the-middle"),
        pytest.param("/silent-close", 5, "without sending a response", id="closed-without-a-word"),
        pytest.param("/garbage", 5, "illegal status line", id="not-http"),
        pytest.param("/redirect/refused", 5, "Connection refused", id="redirects-to-a-dead-one"),
    ],
)
async def test_what_a_dead_service_does_is_fail_unreachable(
    server: Loopback, probe: HttpProbe, path: str, deadline_s: float, detail: str
) -> None:
    started = time.monotonic()
    verdict = await look(probe, server.url(path), deadline_s=deadline_s)
    assert time.monotonic() - started < deadline_s + SLACK_S
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")
    assert detail in (verdict.detail or "")


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
async def test_a_refused_connection_is_fail_unreachable(probe: HttpProbe, host: str) -> None:
    verdict = await look(probe, f"http://{host}:1/")
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")
    assert "refused" in (verdict.detail or "").lower()


async def test_a_server_that_does_not_accept_is_fail_unreachable(probe: HttpProbe) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        port = listener.getsockname()[1]
        filling = [socket.socket() for _ in range(4)]
        for connection in filling:
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", port))
        verdict = await look(probe, f"http://127.0.0.1:{port}/", deadline_s=0.3)
        for connection in filling:
            connection.close()
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")


async def test_a_name_that_does_not_exist_is_an_error(probe: HttpProbe) -> None:
    verdict = await look(probe, "http://nope.invalid/")
    assert (verdict.status, verdict.reason) == (Status.ERROR, "dns_failed")


async def test_a_name_server_that_does_not_answer_is_an_error_and_delays_nobody(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    released = False

    def hang(*_: object, **__: object) -> list[Any]:
        while not released:
            time.sleep(0.01)
        raise socket.gaierror(socket.EAI_AGAIN, "again")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    probe = HttpProbe()
    assert (await look(probe, server.url("/ok"))).is_green
    verdicts: list[Verdict] = []

    async def one() -> None:
        verdicts.append(await look(probe, "http://name.invalid/", deadline_s=30.0))

    try:
        async with anyio.create_task_group() as tasks:
            for _ in range(20):
                tasks.start_soon(one)
            await anyio.sleep(0.05)
            started = time.monotonic()
            assert (await look(probe, server.url("/ok"))).is_green
            assert time.monotonic() - started < 20.0, "a healthy service waited for a dead name server"
            released = True
    finally:
        released = True
    assert {(verdict.status, verdict.reason) for verdict in verdicts} == {(Status.ERROR, "dns_failed")}


def _refusal(number: int) -> OSError:
    return OSError(number, "x")


@pytest.mark.parametrize(
    ("errors", "expected"),
    [
        pytest.param([_refusal(errno.ECONNREFUSED)], "fail unreachable", id="refused"),
        pytest.param([_refusal(errno.ECONNRESET)], "fail unreachable", id="reset"),
        pytest.param([_refusal(errno.ETIMEDOUT)], "fail unreachable", id="the-kernel-gave-up"),
        pytest.param([_refusal(errno.EHOSTUNREACH)], "error no_route", id="no-route-to-host"),
        pytest.param([_refusal(errno.ENETUNREACH)], "error no_route", id="no-network"),
        pytest.param([_refusal(errno.EMFILE)], "error transient", id="out-of-descriptors"),
        pytest.param([_refusal(errno.EADDRNOTAVAIL)], "error transient", id="out-of-ports"),
        pytest.param([_refusal(NO_ROUTE), _refusal(REFUSED)], "fail unreachable", id="no-v6-and-refused"),
        pytest.param([BadAnswer("closed")], "fail unreachable", id="closed"),
    ],
)  # fmt: skip
def test_an_error_of_the_network_means(errors: list[Exception], expected: str) -> None:
    found = no_answer(errors, stage="connecting")
    assert f"{'fail' if found.is_unreachable else 'error'} {found.reason}" == expected
    assert found.detail


@pytest.mark.parametrize(("code", "expected"), [(20, "error"), (18, "error"), (10, "fail"), (62, "fail")])
def test_an_unknown_issuer_is_ours_and_any_other_bad_certificate_the_servers(
    code: int, expected: str
) -> None:
    cause = ssl.SSLCertVerificationError(1, "certificate verify failed")
    cause.verify_code, cause.verify_message = code, "as it says"
    found = no_answer([cause], stage="connecting")
    assert ("fail" if found.is_unreachable else "error") == expected
    assert "as it says" in found.detail


async def test_no_route_and_no_descriptors_are_errors_when_they_really_happen(
    server: Loopback, probe: HttpProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, reason in ((errno.ENETUNREACH, "no_route"), (errno.EMFILE, "transient")):

        def refuse(*_: object, number: int = number, **__: object) -> None:
            raise OSError(number, os.strerror(number))

        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", refuse)
            verdict = await look(probe, server.url("/ok"))
        assert (verdict.status, verdict.reason) == (Status.ERROR, reason)


@pytest.mark.parametrize(
    "options",
    [
        {"url": "not a url"}, {"url": "http://"}, {"url": "ftp://127.0.0.1/"}, {"url": "unix:/" + "x" * 108},
        {"body": "x", "json": 1},
        {"url": "http://127.0.0.1:99999/"}, {"url": "http://127.0.0.1:0/"},
        {"url": "http://[::1/"}, {"url": 5}, {"url": ["x"]}, {"method": "frob"}, {"method": 5},
        {"expect_status": "200"}, {"expect_body": 5}, {"headers": {"X": "ü"}},
        {"headers": {"X": "a\nb"}}, {"headers": {"bad name": "x"}}, {"headers": ["X"]}, {"timeout_ms": "1s"},
    ],
)  # fmt: skip
async def test_what_cannot_be_asked_is_invalid_config(
    server: Loopback, probe: HttpProbe, options: Mapping[str, Json]
) -> None:
    verdict = await probe.evaluate({"url": server.url("/ok"), **options}, a_look(Path("/")), COMMANDS)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "invalid_config")
    assert verdict.detail


@pytest.mark.parametrize("url", [None, ""])
async def test_no_url_is_missing_url(probe: HttpProbe, url: str | None) -> None:
    verdict = await probe.evaluate({"url": url}, a_look(Path("/")), COMMANDS)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "missing_url")


OK = Answer(status_code=200, body=b"ok", bytes_read=2)
BROKEN = Answer(status_code=500, body=b"boom", bytes_read=4)
BROKEN_BUT_AS_SAID = msgspec.structs.replace(BROKEN, body_matches=True)
OTHER_BODY = msgspec.structs.replace(OK, body_matches=False)
DEAD = NoAnswer(is_unreachable=True, reason="unreachable", detail="refused")
UNSEEN = NoAnswer(is_unreachable=False, reason="dns_failed", detail="no name")


@pytest.mark.parametrize(
    ("options", "answer", "expected"),
    [
        pytest.param({}, OK, "pass", id="no-assertion-2xx"),
        pytest.param({}, Answer(status_code=204), "pass", id="no-assertion-no-content"),
        pytest.param({}, BROKEN, "fail unexpected_status", id="no-assertion-500"),
        pytest.param({}, Answer(status_code=304), "fail unexpected_status", id="no-assertion-304"),
        pytest.param({"expect_status": 500}, BROKEN, "pass", id="the-status-asked-for"),
        pytest.param({"expect_status": 200}, BROKEN, "fail unexpected_status", id="another-status"),
        pytest.param({"expect_body": "boom"}, BROKEN_BUT_AS_SAID, "pass", id="a-body-alone-does-not-ask-for-2xx"),
        pytest.param({"expect_body": "x"}, OTHER_BODY, "fail unexpected_body", id="another-body"),
        pytest.param({"expect_status": 201, "expect_body": "x"}, OTHER_BODY, "fail unexpected_status", id="both"),
        pytest.param({}, DEAD, "fail unreachable", id="unreachable"),
        pytest.param({}, UNSEEN, "error dns_failed", id="could-not-look"),
    ],
)  # fmt: skip
def test_an_answer_means(options: Mapping[str, Any], answer: Answer | NoAnswer, expected: str) -> None:
    read = HttpProbeOptions(url="http://host.invalid/", **options)
    request = request_for(read)
    assert isinstance(request, Request)
    verdict = interpret(answer, read, request)
    assert " ".join(filter(None, (verdict.status.value, verdict.reason))) == expected
    assert verdict.status is Status.PASS or verdict.detail


def test_every_failed_assertion_is_listed_with_both_sides() -> None:
    read = HttpProbeOptions(
        url="http://host.invalid/", expect_status=201, expect_body="x", body_match="exact"
    )
    request = request_for(read)
    assert isinstance(request, Request)
    verdict = interpret(msgspec.structs.replace(OK, body_matches=False), read, request)
    assert verdict.evidence["assertion_failures"] == [
        {"assertion": "status", "expected": 201, "actual": 200},
        {"assertion": "body", "expected": "x", "actual": "ok", "match": "exact"},
    ]


@pytest.mark.parametrize(
    ("path", "body", "body_match", "status"),
    [
        pytest.param("/ok", "ok", "exact", Status.PASS, id="exact"),
        pytest.param("/ok-newline", "ok", "exact", Status.FAIL, id="exact-is-the-whole-body"),
        pytest.param("/ok", "o", "exact", Status.FAIL, id="exact-is-no-prefix"),
        pytest.param("/ok", "o", "contains", Status.PASS, id="contains"),
        pytest.param("/ok", "o", "anything else", Status.PASS, id="any-other-word-is-contains"),
        pytest.param("/ok", "", "contains", Status.PASS, id="contains-nothing"),
        pytest.param("/ok", "", "exact", Status.FAIL, id="exactly-nothing"),
        pytest.param("/needle", "needle", "contains", Status.PASS, id="far-behind-what-is-kept"),
        pytest.param("/needle", "haystack", "contains", Status.FAIL, id="nowhere"),
        pytest.param("/huge", "needle", "contains", Status.FAIL, id="not-in-what-is-read"),
        pytest.param("/binary", "abc", "contains", Status.PASS, id="bytes-that-are-no-text"),
    ],
)
async def test_a_body_is_matched(
    server: Loopback, probe: HttpProbe, path: str, body: str, body_match: str, status: Status
) -> None:
    verdict = await look(probe, server.url(path), expect_body=body, body_match=body_match)
    assert verdict.status is status
    msgspec.json.encode(verdict)


async def test_white_space_that_decides_is_pointed_out(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(probe, server.url("/ok-newline"), expect_body="ok", body_match="exact")
    assert "white space" in (verdict.detail or "")


@pytest.mark.parametrize("path", ["/huge", "/endless"])
async def test_a_body_without_end_is_read_up_to_its_bound(
    server: Loopback, probe: HttpProbe, path: str
) -> None:
    answer = await probe._fetcher.fetch(Request(method="GET", url=httpx.URL(server.url(path))), deadline_s=5)
    assert isinstance(answer, Answer)
    assert answer.is_cut
    assert BODY_BYTES_READ_MAX < answer.bytes_read <= BODY_BYTES_READ_MAX + 1024 * 1024
    assert len(answer.body) == BODY_BYTES_KEPT


@pytest.mark.parametrize("method", ["GET", "head", "Options", "POST", "put", "PATCH", "delete"])
async def test_a_method_is_sent_as_authored_in_capitals(
    server: Loopback, probe: HttpProbe, method: str
) -> None:
    server.requests.clear()
    await look(probe, server.url("/status/200"), method=method)
    assert server.requests[0].startswith(f"{method.upper()} /status/200 HTTP/1.1\r\n")


async def test_headers_are_sent_and_what_the_server_echoes_of_them_is_hidden(
    server: Loopback, probe: HttpProbe
) -> None:
    headers = {"X-Api-Key": "correct-horse-battery", "Host": "other.example"}
    verdict = await look(probe, server.url("/echo"), headers=headers, expect_body="correct-horse-battery")
    assert verdict.is_green
    assert "Host: other.example" in str(verdict.evidence["body"])
    assert "correct-horse-battery" not in str(verdict)


async def test_credentials_in_the_address_are_used_and_hidden(server: Loopback, probe: HttpProbe) -> None:
    url = server.url("/echo").replace("http://", "http://ada:correct-horse@")
    verdict = await look(probe, url, expect_body="Authorization: Basic")
    assert verdict.is_green
    assert "correct-horse" not in str(verdict)
    assert "ada" not in str(verdict.evidence["url"])


async def test_a_proxy_in_the_environment_is_not_used(
    server: Loopback, probe: HttpProbe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert (await look(probe, server.url("/ok"))).is_green


async def test_redirects_are_followed_and_told(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(probe, server.url("/redirect/3"), expect_status=200)
    assert verdict.is_green
    assert verdict.evidence["redirects"] == [server.url(p) for p in ("/redirect/2", "/redirect/1", "/echo")]


@pytest.mark.parametrize("path", ["/redirect/loop", "/redirect/ftp"])
async def test_a_redirect_that_leads_nowhere_fails(server: Loopback, probe: HttpProbe, path: str) -> None:
    verdict = await look(probe, server.url(path))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "bad_redirect")


async def test_authored_headers_do_not_follow_to_another_origin(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(
        probe, server.url("/redirect/other"), headers={"X-Api-Key": "secret"}, expect_body="X-Api-Key"
    )
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unexpected_body")
    stayed = await look(
        probe, server.url("/redirect/1"), headers={"X-Api-Key": "secret"}, expect_body="X-Api-Key"
    )
    assert stayed.is_green


@pytest.mark.parametrize(
    ("method", "status_code", "expected"),
    [
        ("POST", 302, "GET"),
        ("POST", 307, "POST"),
        ("PUT", 303, "GET"),
        ("HEAD", 303, "HEAD"),
        ("PUT", 301, "PUT"),
    ],
)
def test_a_redirect_changes_the_method_as_browsers_do(method: str, status_code: int, expected: str) -> None:
    request = Request(method=method, url=httpx.URL("http://a.invalid/x"))
    followed = redirected(request, status_code, "/y")
    assert followed is not None
    assert (followed.method, str(followed.url)) == (expected, "http://a.invalid/y")


def test_an_address_shown_has_no_password() -> None:
    request = Request(method="GET", url=httpx.URL("https://ada:pw@host.invalid:1/x?q=1"))
    assert public_url(request) == "https://host.invalid:1/x?q=1"


async def test_samples_pass_only_together(server: Loopback, probe: HttpProbe) -> None:
    server.requests.clear()
    verdict = await look(probe, server.url("/ok"), samples=3, interval_ms=20)
    assert verdict.is_green
    assert (verdict.score, verdict.direction) == (3.0, Direction.HIGHER_BETTER)
    assert (verdict.evidence["samples_required"], verdict.evidence["healthy_count"]) == (3, 3)
    assert len(server.requests) == 3


async def test_the_first_sample_that_does_not_pass_ends_the_look(server: Loopback, probe: HttpProbe) -> None:
    server.requests.clear()
    verdict = await look(probe, server.url("/flaky"), samples=5)
    assert (verdict.status, verdict.score) == (Status.FAIL, 2.0)
    assert len(server.requests) == 3
    assert verdict.evidence["assertion_failures"]


@pytest.mark.parametrize("samples", [0, -1, 1])
async def test_fewer_than_one_sample_is_one(server: Loopback, probe: HttpProbe, samples: int) -> None:
    verdict = await look(probe, server.url("/ok"), samples=samples)
    assert (verdict.is_green, verdict.score) == (True, None)


async def test_samples_that_do_not_fit_are_an_error_and_no_dead_service(
    server: Loopback, probe: HttpProbe
) -> None:
    started = time.monotonic()
    verdict = await look(probe, server.url("/ok"), samples=1000, interval_ms=200, deadline_s=0.5)
    assert time.monotonic() - started < 0.5 + SLACK_S
    assert (verdict.status, verdict.reason) == (Status.ERROR, "timeout")


async def test_a_first_sample_without_an_answer_is_a_dead_service(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(probe, server.url("/blackhole"), samples=3, timeout_ms=200)
    assert (verdict.status, verdict.reason, verdict.score) == (Status.FAIL, "unreachable", 0.0)


def test_an_error_among_samples_is_an_error() -> None:
    options = HttpProbeOptions(url="http://x.invalid/", samples=3)
    verdict = summarize([passed(http_status=200), errored("dns_failed", "no name")], options)
    assert (verdict.status, verdict.reason, verdict.score) == (Status.ERROR, "dns_failed", 1.0)


@pytest.mark.parametrize(("timeout_ms", "deadline_s"), [(200, 60.0), (60_000, 0.2)])
async def test_the_shorter_of_timeout_and_deadline_counts(
    server: Loopback, probe: HttpProbe, timeout_ms: int, deadline_s: float
) -> None:
    started = time.monotonic()
    await look(probe, server.url("/blackhole"), timeout_ms=timeout_ms, deadline_s=deadline_s)
    assert 0.15 < time.monotonic() - started < 0.2 + SLACK_S


async def test_black_holes_delay_nobody(server: Loopback, probe: HttpProbe) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(25):
            tasks.start_soon(lambda: look(probe, server.url("/blackhole"), deadline_s=200.0))
        await anyio.sleep(0.1)
        started = time.monotonic()
        assert (await look(probe, server.url("/ok"))).is_green
        assert time.monotonic() - started < 100, "not after the black holes, which take 200 s"
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_probe_that_runs_out_of_time_leaves_no_connection_open(
    server: Loopback, probe: HttpProbe, scheme: str
) -> None:
    url = server.url("/blackhole").replace("http", scheme, 1)
    gc.disable()
    try:
        before = client_connections(server.port)
        for _ in range(5):
            await look(probe, url, deadline_s=0.1)
        assert client_connections(server.port) == before
    finally:
        gc.enable()


def client_connections(port: int) -> int:
    """Established connections of this process to that port, as the kernel counts them."""
    names = [f"/proc/self/fd/{name}" for name in os.listdir("/proc/self/fd")]
    ours = {os.readlink(name) for name in names if os.path.lexists(name)}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(1 for row in rows if row[2].endswith(f":{port:04X}") and f"socket:[{row[9]}]" in ours)


async def test_probes_that_trust_the_same_share_one_trust_store() -> None:
    built: list[Tls] = []

    def count(tls: Tls) -> ssl.SSLContext:
        built.append(tls)
        return build_context(tls)

    stores = TrustStores(count)
    contexts = {await stores.context(Tls()) for _ in range(3)} | {await stores.context(Tls(verifies=False))}
    assert (len(built), len(contexts)) == (2, 2)


def test_a_machine_without_a_trust_store_still_trusts_somebody(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nowhere = ssl.DefaultVerifyPaths(None, str(tmp_path), "", "", "", "")
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nowhere)
    assert trust_store().cert_store_stats()["x509_ca"] > 0
