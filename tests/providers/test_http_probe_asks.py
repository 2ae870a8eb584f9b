"""`http_probe`: what is sent and what may be asserted: bodies, JSON, headers, redirects, sockets, kept connections."""

import socketserver
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.expectation import objection
from kazid.providers.http_probe import HttpProbe
from kazid.providers.kinds.live_kinds import HTTP_PROBE
from kazid.testing import objections
from tests.providers.loopback import Loopback, _Handler, serving
from tests.providers.provider_contract import a_look

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


@pytest.fixture(scope="module")
def probe() -> Iterator[HttpProbe]:
    probe = HttpProbe()
    yield probe
    for _, line in probe._fetcher._kept._lines.values():
        line.wire.close()


async def look(probe: HttpProbe, url: str, *, folder: str = "/", **options: Json) -> Verdict:
    return await probe.evaluate({"url": url, **options}, a_look(Path(folder)), ScriptedCommandRunner())


async def test_a_json_body_is_sent_with_its_type(server: Loopback, probe: HttpProbe) -> None:
    body = {"name": "ü", "n": [1, 2.5, True, None]}
    verdict = await look(
        probe, server.url("/mirror"), method="post", json=body, expect_json={"$": {"equals": body}}
    )
    assert verdict.is_green, verdict
    assert "content-type: application/json" in server.requests[-1].lower()


async def test_a_text_body_is_sent_as_it_is(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(
        probe, server.url("/mirror"), method="put", body="grün", body_match="exact", expect_body="grün"
    )
    assert verdict.is_green, verdict


@pytest.mark.parametrize(
    ("expect_json", "expected"),
    [
        pytest.param({"$.status": "ok"}, "", id="equal"),
        pytest.param({"$.load": {"pass_when": "< 1"}, "$.queue": {"pass_when": "== 3"}}, "", id="compared"),
        pytest.param({"$.queue": {"contains": 2}, "$.status": {"contains": "o"}}, "", id="contained"),
        pytest.param({"$.parts.db": {"equals": {"state": "on"}}}, "", id="an-object"),
        pytest.param({"$.gone": {"exists": False}, "$.none": {"exists": True}}, "", id="there-and-not-there"),
        pytest.param({"$.status": "on"}, "$.status is another value", id="another-value"),
        pytest.param({"$.up": 1}, "$.up is another value", id="true-is-not-one"),
        pytest.param({"$.load": {"pass_when": "> 1"}}, "$.load is not > 1", id="beyond"),
        pytest.param({"$.status": {"pass_when": "> 1"}}, "$.status is no number", id="no-number"),
        pytest.param({"$.gone": "x"}, "$.gone: no key 'gone'", id="no-such-key"),
        pytest.param({"$.queue[7]": 1}, "3 items, no [7]", id="no-such-item"),
        pytest.param({"$.none": {"exists": False}}, "is there and should not be", id="null-is-there"),
    ],
)
async def test_json_is_asserted_on_by_path(
    server: Loopback, probe: HttpProbe, expect_json: Mapping[str, Json], expected: str
) -> None:
    verdict = await look(probe, server.url("/json"), expect_json=expect_json)
    assert verdict.reason == ("unexpected_json" if expected else None)
    assert expected in (verdict.detail or "")


@pytest.mark.parametrize(
    ("expect_headers", "holds"),
    [
        pytest.param({"content-type": "application/json"}, True, id="any-case"),
        pytest.param({"X-Count": {"pass_when": ">= 3"}}, True, id="a-number"),
        pytest.param({"Set-Cookie": {"contains": "b=2"}}, True, id="several-of-one-name"),
        pytest.param({"X-Powered-By": {"exists": False}}, True, id="not-there"),
        pytest.param({"Strict-Transport-Security": {"exists": True}}, False, id="should-be-there"),
        pytest.param({"Content-Type": "text/html"}, False, id="another"),
    ],
)
async def test_headers_are_asserted_on(
    server: Loopback, probe: HttpProbe, expect_headers: Mapping[str, Json], holds: bool
) -> None:
    verdict = await look(probe, server.url("/json"), expect_headers=expect_headers)
    assert (verdict.is_green, verdict.reason) == (holds, None if holds else "unexpected_header")


async def test_a_redirect_can_be_the_answer(server: Loopback, probe: HttpProbe) -> None:
    asked: Mapping[str, Json] = {
        "follow_redirects": False, "expect_status": 302, "expect_headers": {"Location": "/redirect/1"},
    }  # fmt: skip
    assert (await look(probe, server.url("/redirect/2"), **asked)).is_green
    assert (await look(probe, server.url("/redirect/3"), **asked)).reason == "unexpected_header"
    assert (
        await look(probe, server.url("/redirect/3"), follow_redirects=False)
    ).reason == "unexpected_status"


async def test_where_redirects_end_is_asserted_on(server: Loopback, probe: HttpProbe) -> None:
    assert (await look(probe, server.url("/redirect/2"), expect_url=server.url("/echo"))).is_green
    verdict = await look(probe, server.url("/redirect/2"), expect_url=server.url("/login"))
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unexpected_url")


async def test_a_body_does_not_follow_to_another_origin(server: Loopback, probe: HttpProbe) -> None:
    verdict = await look(probe, server.url("/redirect/to/307"), method="post", json={"secret": 1})
    assert (verdict.status, verdict.reason) == (Status.FAIL, "bad_redirect")
    assert (await look(probe, server.url("/redirect/to/303"), method="post", json={"secret": 1})).is_green
    assert "secret" not in server.requests[-1]


class _OnSocket(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: str) -> None:
        super().__init__(path, _Handler)
        self.requests: list[str] = []
        self.closing = threading.Event()


@pytest.fixture
def unix_server(tmp_path: Path) -> Iterator[_OnSocket]:
    with _OnSocket(str(tmp_path / "app.sock")) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)


@pytest.mark.parametrize("form", ["unix:{folder}/app.sock:{path}", "unix:app.sock:{path}"])
async def test_a_unix_socket_is_asked(
    unix_server: _OnSocket, probe: HttpProbe, tmp_path: Path, form: str
) -> None:
    url = form.format(folder=tmp_path, path="/json?a=1")
    verdict = await look(probe, url, folder=str(tmp_path), expect_json={"$.status": "ok"})
    assert verdict.is_green, verdict
    assert unix_server.requests[-1].startswith("GET /json?a=1 HTTP/1.1\r\nHost: localhost\r\n")
    assert verdict.evidence["url"] == f"unix:{tmp_path}/app.sock:/json?a=1"


@pytest.mark.usefixtures("unix_server")
@pytest.mark.parametrize(
    ("name", "expected"),
    [("gone.sock", "No such file"), ("file", "Connection refused")],
)
async def test_a_socket_nobody_answers_on_is_fail_unreachable(
    probe: HttpProbe, tmp_path: Path, name: str, expected: str
) -> None:
    (tmp_path / "file").write_text("")
    verdict = await look(probe, f"unix:{tmp_path}/{name}")
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable")
    assert expected in (verdict.detail or "")


async def test_a_kept_connection_is_used_again_and_a_fresh_one_by_default(
    server: Loopback, probe: HttpProbe
) -> None:
    before = server.connections
    for _ in range(3):
        assert (await look(probe, server.url("/kept"), keep_alive=True)).is_green
    assert server.connections == before + 1
    for _ in range(3):
        assert (await look(probe, server.url("/kept"))).is_green
    assert server.connections == before + 4


async def test_a_kept_connection_that_was_closed_meanwhile_is_no_failure(
    server: Loopback, probe: HttpProbe
) -> None:
    before = server.connections
    for _ in range(3):
        assert (await look(probe, server.url("/kept-once"), keep_alive=True)).is_green
    assert server.connections >= before + 2


@pytest.mark.parametrize(
    ("expected", "actual", "holds"),
    [
        (1, 1.0, True), (1, True, False), (None, None, True), ([1, {"a": []}], [1.0, {"a": []}], True),
        ({"contains": "x"}, {"x": 1}, True), ({"contains": True}, [1], False), ({"pass_when": "> 1"}, "2.5", True),
        ({"pass_when": "> 1"}, "nan", False), ({"pass_when": "> 1"}, True, False), ({"frob": 1}, 1, False),
    ],
)  # fmt: skip
def test_an_expectation_holds(expected: Json, actual: Json, holds: bool) -> None:
    assert (objection(expected, actual) is None) is holds


@pytest.mark.parametrize(
    ("options", "key"),
    [
        ({"body": "x", "json": 1}, "json"),
        ({"expect_json": {"status": "ok"}}, "expect_json"),
        ({"expect_json": {"$.a": {}}}, "expect_json"),
        ({"expect_json": {"$.a": {"pass_when": "many"}}}, "expect_json"),
        ({"expect_json": {"$.a": {"exists": 1}}}, "expect_json"),
        ({"expect_json": {"$.a": {"equal": 1}}}, "expect_json"),
        ({"expect_headers": {"A": 1}}, "expect_headers"),
        ({"tls_key": "k.pem"}, "tls_key"),
    ],
)
def test_what_can_never_hold_is_refused_at_load(options: Mapping[str, Json], key: str) -> None:
    assert [p.key for p in objections(HTTP_PROBE, {"url": "http://x.invalid/", **options})] == [key]
