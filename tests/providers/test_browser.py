"""`browser` and `visual` against a real Chromium, and what a runner of one's own may say."""

import json
import os
import shutil
import socketserver
import struct
import threading
import time
import zlib
from collections.abc import AsyncIterator, Iterator, Mapping
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import anyio
import pytest
from msgspec.structs import replace

from kazid.adapters.memory.commands import ScriptedCommandRunner, exited
from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict
from kazid.ports.commands import Command, CommandResult
from kazid.providers.browser import Browser, Visual
from kazid.providers.browser_host import PROGRAMS, BrowserHost
from kazid.providers.kinds.browser_kinds import BROWSER, VISUAL
from kazid.providers.picture import PictureProblem, compare_with_baseline, is_picture_name, place_in
from kazid.shim.proctree import descendants
from kazid.testing import real_commands
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio

PATH = "/usr/local/bin:/usr/bin:/bin"
NEEDS_CHROMIUM = pytest.mark.skipif(
    not any(shutil.which(name, path=PATH) for name in PROGRAMS),
    reason="no Chromium is installed (Debian: apt-get install chromium)",
)

PAGE = """<!doctype html><html lang=en><title>Shop</title><body><main>
<h1>Shop</h1><p id=price>  12 EUR </p><p id=gone style="display:none">x</p>
<ul><li>a<li>b<li>c</ul><a id=link href="/other" data-kind=plain>go</a> <a id=file href="/file">get</a>
<label>Name <input id=name value=ada></label> <button id=off disabled>off</button>
<button id=late onclick="setTimeout(() => document.querySelector('h1').textContent = 'Thanks', 300)">buy</button>
</main></body></html>"""
FORM = """<!doctype html><html lang=en><title>Form</title><body><main><h1>Form</h1>
<form action="/thanks"><label>Mail <input id=mail></label><p id=bad hidden>no mail</p>
<button id=send disabled>send</button></form></main><script>
const mail = document.querySelector('#mail');
mail.addEventListener('input', () => { const ok = mail.value.includes('@');
document.querySelector('#send').disabled = !ok; document.querySelector('#bad').hidden = ok; });
</script></body></html>"""
PAGES: Mapping[str, tuple[int, str]] = {
    "/": (200, PAGE),
    "/form": (200, FORM),
    "/thanks": (200, "<title>Thanks</title><h1 id=ok>Thanks</h1>"),
    "/other": (200, "<title>Other</title><h1>Other</h1>"),
    "/noisy": (200, "<title>N</title><h1>N</h1><script>console.error('on fire'); fetch('/missing')</script>"),
    "/bad": (
        200,
        "<html><body><img src=/x.png><button></button><p style='color:#eee;background:#fff'>pale</p>",
    ),
    "/red": (200, "<!doctype html><body style='margin:0;background:#f00'>"),
    "/green": (200, "<!doctype html><body style='margin:0;background:#0f0'>"),
    "/file": (200, "replaced by a download"),
    "/500": (500, "<h1>sorry</h1>"),
    "/loop": (200, "<h1>busy</h1><script>for (;;) {}</script>"),
}


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/blackhole":
            time.sleep(20)
            return
        status, text = PAGES.get(self.path.split("?")[0], (404, "nothing here"))
        self.send_response(status)
        if self.path == "/file":
            self.send_header("Content-Disposition", 'attachment; filename="report-7.csv"')
            text = "a,b\n1,2\n"
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        pass


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    block_on_close = False


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with _Server(("127.0.0.1", 0), _Pages) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
async def host(anyio_backend: str) -> AsyncIterator[BrowserHost]:
    made = BrowserHost()
    async with made.context(path=PATH, viewport=None):
        pass
    yield made
    await made.close()


async def look(
    host: BrowserHost, url: str, folder: Path = Path("/"), *, deadline_s: float = 60.0, **options: Json
) -> Verdict:
    return await Browser(host).evaluate(
        {"url": url, **options}, a_look(folder, deadline_s=deadline_s), real_commands()
    )


def said(verdict: Verdict) -> str:
    return " ".join(filter(None, (verdict.status.value, verdict.reason)))


HOLDS: list[Any] = [
    {"type": "visible", "selector": "h1"},
    {"type": "hidden", "selector": "#gone"},
    {"type": "hidden", "selector": "#never"},
    {"type": "text", "selector": "#price", "exact": "12 EUR"},
    {"type": "text", "selector": "#price", "contains": "EUR"},
    {"type": "url", "contains": "127.0.0.1"},
    {"type": "attr", "selector": "#link", "name": "data-kind", "expected": "plain"},
    {"type": "count", "selector": "li", "expected": 3},
    {"type": "enabled", "selector": "#late"},
    {"type": "enabled", "selector": "#off", "expected": False},
    {"type": "field_value", "selector": "#name", "expected": "ada"},
    {"type": "console_clean", "network": True},
    {"type": "download", "trigger_selector": "#file", "filename_pattern": r"report-\d+\.csv"},
    {"type": "a11y"},
]


@NEEDS_CHROMIUM
async def test_an_idle_browser_ends_and_comes_back_when_it_is_needed() -> None:
    host, others = BrowserHost(), set(descendants(os.getpid()))
    assert not await host.end_when_idle(0), "there is none yet"
    try:
        async with host.context(path=PATH, viewport=None):
            assert not await host.end_when_idle(0), "somebody looks through it"
        assert not await host.end_when_idle(), "it was just used"
        own = set(descendants(os.getpid())) - others
        assert own
        assert await host.end_when_idle(0)
        with anyio.fail_after(120):
            while own.intersection(descendants(os.getpid())):
                await anyio.sleep(0.02)
        async with host.context(path=PATH, viewport=None):
            assert set(descendants(os.getpid())) - others
    finally:
        await host.close()


@NEEDS_CHROMIUM
async def test_what_a_page_shows_holds(host: BrowserHost, site: str) -> None:
    verdict = await look(host, f"{site}/", assertions=HOLDS)
    assert verdict.is_green, verdict
    shown: Any = verdict.evidence["assertions"]
    assert [record["ok"] for record in shown] == [True] * len(HOLDS)
    assert next(r["found"] for r in shown if r["type"] == "download")["filename"] == "report-7.csv"
    assert (verdict.score, verdict.direction) == (0.0, Direction.LOWER_BETTER)


@NEEDS_CHROMIUM
@pytest.mark.parametrize(
    ("path", "assertion", "found"),
    [
        ("/", {"type": "visible", "selector": "#gone"}, "Timeout"),
        ("/", {"type": "hidden", "selector": "h1"}, "Timeout"),
        ("/", {"type": "text", "selector": "#price", "exact": "12"}, "12 EUR"),
        ("/", {"type": "url", "exact": "http://elsewhere.invalid/"}, "127.0.0.1"),
        ("/", {"type": "attr", "selector": "#link", "name": "none", "expected": "x"}, "null"),
        ("/", {"type": "count", "selector": "li", "expected": 2}, "3"),
        ("/", {"type": "enabled", "selector": "#off"}, "false"),
        ("/", {"type": "field_value", "selector": "#name", "expected": "bob"}, "ada"),
        ("/", {"type": "download", "filename_pattern": "x"}, "no download began"),
        (
            "/",
            {
                "type": "download",
                "trigger_selector": "#file",
                "filename_pattern": "(z+)+$",
                "timeout_ms": 10_000,
            },
            "report-7.csv",
        ),
        ("/noisy", {"type": "console_clean"}, "on fire"),
        ("/noisy", {"type": "console_clean", "network": True}, "404"),
        ("/bad", {"type": "a11y", "severity": "critical"}, "image-alt"),
    ],
    ids=lambda value: value if isinstance(value, str) else value["type"],
)
async def test_what_a_page_does_not_show_fails_with_what_it_does(
    host: BrowserHost, site: str, path: str, assertion: dict[str, Json], found: str
) -> None:
    verdict = await look(host, f"{site}{path}", assertions=[{"timeout_ms": 600, **assertion}])
    assert said(verdict) == "fail assertion_failed", verdict
    assert found in json.dumps(verdict.evidence["assertions"])
    assert "heading" in str(verdict.evidence["snapshot"]) or path == "/bad"


@NEEDS_CHROMIUM
async def test_steps_are_walked_before_anything_is_asserted(host: BrowserHost, site: str) -> None:
    steps = [
        {"action": "fill", "selector": "#name", "value": "bob"},
        {"action": "press", "selector": "#name", "key": "X"},
        {"action": "click", "selector": "#late"},
        {"action": "wait_for", "selector": "text=Thanks"},
    ]
    verdict = await look(
        host,
        f"{site}/",
        steps=steps,
        assertions=[{"type": "field_value", "selector": "#name", "expected": "bobX"}],
    )
    assert verdict.is_green, verdict
    moved = await look(
        host,
        f"{site}/",
        steps=[{"action": "goto", "url": f"{site}/other"}],
        assertions=[{"type": "url", "contains": "/other"}],
    )
    assert moved.is_green, moved


@NEEDS_CHROMIUM
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"submit_selector": "#send"}, {"submit_disabled_until_valid": True}),
        ({"error_selector": "#bad", "error_text": "no mail"}, {"error_shown": True}),
        (
            {"submit_selector": "#send", "success_selector": "#ok", "success_url": "/thanks"},
            {"submission_persisted": True},
        ),
        ({"error_selector": "#bad", "error_text": "another text"}, {"error_shown": False}),
    ],
    ids=["waits", "says", "arrives", "says-nothing"],
)  # fmt: skip
async def test_a_form_is_validated(
    host: BrowserHost, site: str, asked: dict[str, Json], found: dict[str, bool]
) -> None:
    form = {
        "type": "form_validation", "timeout_ms": 10_000 if all(found.values()) else 800,
        "invalid": [{"selector": "#mail", "value": "ada"}], "valid": [{"selector": "#mail", "value": "ada@x.invalid"}],
        **asked,
    }  # fmt: skip
    verdict = await look(host, f"{site}/form", assertions=[form])
    assert verdict.is_green is all(found.values()), verdict
    shown: Any = verdict.evidence["assertions"]
    assert {key: shown[0]["found"][key] for key in found} == found


@NEEDS_CHROMIUM
@pytest.mark.parametrize(
    ("path", "options", "expected"),
    [
        pytest.param("/", {}, "pass", id="a-page-that-loads"),
        pytest.param("/500", {}, "fail unexpected_status", id="an-error-page"),
        pytest.param("/500", {"assertions": [{"type": "visible", "selector": "h1"}]}, "pass", id="one-that-is-meant"),
        pytest.param(
            "/", {"steps": [{"action": "click", "selector": "#no"}], "timeout_ms": 200}, "fail step_failed",
            id="no-button",
        ),
        pytest.param("/", {"steps": [{"action": "dance"}]}, "error invalid_config", id="no-such-action"),
        pytest.param(
            "/", {"steps": [{"action": "goto", "url": "file:///etc/passwd"}]}, "error invalid_config", id="a-file"
        ),
        pytest.param("/", {"viewport": "watch"}, "error invalid_config", id="no-such-window"),
        pytest.param("/", {"viewport": {"width": 100000, "height": 1}}, "error invalid_config", id="too-big-a-window"),
        pytest.param("/", {"assertions": [{"type": "dance"}]}, "fail assertion_failed", id="no-such-assertion"),
    ],
)  # fmt: skip
async def test_a_journey_means(
    host: BrowserHost, site: str, path: str, options: dict[str, Json], expected: str
) -> None:
    verdict = await look(host, f"{site}{path}", **options)
    assert said(verdict) == expected, verdict
    assert verdict.is_green or verdict.detail


@NEEDS_CHROMIUM
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:1/", "fail unreachable"),
        ("http://nope.invalid/", "error dns_failed"),
        ("file:///", "error invalid_config"),
    ],
)
async def test_what_cannot_be_reached_means(host: BrowserHost, url: str, expected: str) -> None:
    assert said(await look(host, url)) == expected


@NEEDS_CHROMIUM
@pytest.mark.parametrize("path", ["/blackhole", "/loop"])
async def test_a_page_that_never_comes_to_rest_ends_in_time(host: BrowserHost, site: str, path: str) -> None:
    began_s = time.monotonic()
    verdict = await look(
        host, f"{site}{path}", deadline_s=2.0, assertions=[{"type": "count", "selector": "p", "expected": 1}]
    )
    assert time.monotonic() - began_s < 25, "the browser's own patience is 30 s"
    assert verdict.status in (Status.FAIL, Status.ERROR), verdict
    assert (await look(host, f"{site}/")).is_green, "the next journey is not disturbed"


@NEEDS_CHROMIUM
async def test_every_window_is_walked_and_pictured(host: BrowserHost, site: str, tmp_path: Path) -> None:
    verdict = await look(
        host, f"{site}/", tmp_path, viewport=["mobile", {"width": 500, "height": 400}], screenshot="shots/page.png",
        assertions=[{"type": "visible", "selector": "h1"}],
    )  # fmt: skip
    assert verdict.is_green, verdict
    shown: Any = verdict.evidence["assertions"]
    assert [record["viewport"] for record in shown] == ["mobile", "500x400"]
    sizes = {
        path.name: struct.unpack(">II", path.read_bytes()[16:24]) for path in (tmp_path / "shots").iterdir()
    }
    assert sizes == {"page-mobile.png": (390, 844), "page-500x400.png": (500, 400)}


@NEEDS_CHROMIUM
async def test_samples_pass_only_together(host: BrowserHost, site: str) -> None:
    verdict = await look(host, f"{site}/", samples=2)
    assert (verdict.is_green, verdict.score, verdict.evidence["passing_count"]) == (True, 2.0, 2)
    failing = await look(host, f"{site}/500", samples=3)
    assert (failing.status, failing.score) == (Status.FAIL, 0.0)


@NEEDS_CHROMIUM
async def test_journeys_share_one_browser_and_nothing_else(host: BrowserHost, site: str) -> None:
    before = host._browser
    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(look, host, f"{site}/")
    assert host._browser is before


@NEEDS_CHROMIUM
async def test_a_browser_that_died_is_started_again(host: BrowserHost, site: str) -> None:
    assert host._browser is not None
    await host._browser.close()
    assert (await look(host, f"{site}/")).is_green


@NEEDS_CHROMIUM
async def test_a_picture_is_compared_with_its_baseline(host: BrowserHost, site: str, tmp_path: Path) -> None:
    async def picture(path: str, **options: Json) -> Verdict:
        asked = {"url": f"{site}{path}", "name": "home", "viewport": {"width": 200, "height": 100}, **options}
        return await Visual(host).evaluate(asked, a_look(tmp_path, deadline_s=60), real_commands())

    assert said(await picture("/red")) == "error baseline_seeded"
    assert (tmp_path / ".kazi/visual-baselines/home-200x100.png").exists()
    assert said(await picture("/red")) == "pass"
    other = await picture("/green")
    assert said(other) == "fail assertion_failed"
    assert (tmp_path / ".kazi/visual-diffs/home-200x100.png").exists()
    assert said(await picture("/green", threshold=1.0)) == "pass"
    (tmp_path / ".kazi/visual-baselines/home-200x100.png").write_bytes(a_png(5, 5))
    assert said(await picture("/red")) == "fail assertion_failed"
    (tmp_path / ".kazi/visual-baselines/home-200x100.png").write_text("no picture")
    assert said(await picture("/red")) == "error baseline_unreadable"


def a_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress(bytes((3 * width + 1) * height))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_picture_stays_below_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to("/tmp")
    for name in ("../x.png", "/etc/x.png", "out/x.png"):
        with pytest.raises(PictureProblem, match="not below"):
            place_in(str(tmp_path), name)
    assert [is_picture_name(name) for name in ("home", "a-b.1", "../x", "a/b", "", ".x")] == [
        True,
        True,
        *[False] * 4,
    ]


def test_a_baseline_that_is_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    bomb = bytearray(a_png(10, 10))
    bomb[16:24] = struct.pack(">II", 60_000, 60_000)
    (tmp_path / "b.png").write_bytes(bytes(bomb))
    with pytest.raises(PictureProblem, match=r"pixels|no picture"):
        compare_with_baseline(a_png(10, 10), workspace=str(tmp_path), baseline="b.png", diff="d.png")


async def test_no_browser_is_unknown_with_the_line_that_installs_it() -> None:
    nowhere = Browser(BrowserHost())
    bare = replace(a_look(Path("/")), path="/nowhere")
    verdict = await nowhere.evaluate({"url": "http://127.0.0.1:1/"}, bare, ScriptedCommandRunner())
    assert said(verdict) == "unknown browser_missing"
    assert "install" in (verdict.detail or "")


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        pytest.param('noise\n{"status": "pass", "assertions": [{"ok": true}]}\n', "pass", id="pass"),
        pytest.param('{"status": "fail", "assertions": [{"ok": false}]}', "fail assertion_failed", id="fail"),
        pytest.param('{"status": "error", "error": "no page"}', "error runner_reported_error", id="error"),
        pytest.param(
            '{"status": "pass", "assertions": [{"ok": false}]}', "error invalid_runner_result", id="both"
        ),
        pytest.param(
            '{"status": "pass", "assertions": []}', "error invalid_runner_result", id="pass-of-nothing"
        ),
        pytest.param('{"status": "fine"}', "error invalid_runner_result", id="another-word"),
        pytest.param("all is well", "error unparseable_runner_output", id="no-json"),
        pytest.param("", "error unparseable_runner_output", id="nothing"),
        pytest.param("{" * 100_000, "error unparseable_runner_output", id="a-bomb"),
    ],
)
async def test_a_runner_of_ones_own_says(output: str, expected: str) -> None:
    runner = Scripted(output)
    verdict = await Browser().evaluate(
        {"url": "http://x.invalid/", "cmd": "runner", "assertions": [{"type": "visible", "selector": "a"}]},
        a_look(Path("/")), runner,
    )  # fmt: skip
    assert said(verdict) == expected, verdict


class TestContract(ProviderContract):
    """By a runner of one's own, so that it holds without a browser."""

    kind = BROWSER
    provider = Browser()
    keys = ("steps", "assertions", "viewport", "screenshot", "cmd", "args", "env", "timeout_ms", "samples")
    passing: Mapping[str, Json] = {
        "url": "http://x.invalid/", "cmd": "sh", "args": ["-c", 'echo \'{"status": "pass"}\'', "x"],
    }  # fmt: skip
    failing: Mapping[str, Json] = {
        "url": "http://x.invalid/", "cmd": "sh", "args": ["-c", 'echo \'{"status": "fail"}\'', "x"],
    }  # fmt: skip
    erring: Mapping[str, Json] = {"url": "http://x.invalid/", "cmd": "false"}
    hanging: Mapping[str, Json] = {"url": "http://x.invalid/", "cmd": "sh", "args": ["-c", "sleep 300", "x"]}


class Scripted:
    """Runs nothing, and has printed this."""

    def __init__(self, output: str) -> None:
        self._output = output

    async def run(self, command: Command) -> CommandResult:
        assert json.loads(command.argv[-1])["url"] == "http://x.invalid/"
        return exited(0, stdout=self._output)


def test_visual_asks_for_a_name_of_a_file() -> None:
    assert VISUAL.check is not None
    assert [p.key for p in VISUAL.check({"name": "../x"})] == ["name"]
