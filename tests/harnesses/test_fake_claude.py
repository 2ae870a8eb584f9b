"""The fake claude speaks as the real one: the profile starts it and reads it, under the real runner."""

import json
import os
import secrets
import shutil
import threading
import time
from collections.abc import AsyncIterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.runner import SystemRunner
from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.ids import AttemptId, GoalUid
from kazid.harnesses.claude import CLAUDE
from kazid.ports.harness import Report
from kazid.ports.runner import AttemptOrder, AttemptResult
from kazid.shim import proctree, protocol

pytestmark = pytest.mark.anyio

FAKE = Path(__file__).parents[1] / "fixtures" / "fake_claude.py"
UID = GoalUid("uid-1")
FIXED = "Fixed what the failing check asks for; it passes now."
API_KEY = "sk-" + "q8Zr3mWv0pLk7TyXabcd"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Bench:
    """One workspace, one fake agent, the real runner."""

    def __init__(self, home: Path, *, environment: Mapping[str, str] | None = None) -> None:
        self.workspace = home / "workspace"
        self.workspace.mkdir()
        self.log = home / "calls"
        base = {**os.environ, "ANTHROPIC_API_KEY": API_KEY, **(environment or {})}
        self.runner = SystemRunner(
            state_dir=str(home / "state"), clock=SystemClock(), base_environment=base, kill_grace_s=0.3
        )
        (home / "state").mkdir()
        self.runner.write_identity()
        self.attempt_id = AttemptId("")

    async def dispatch(
        self,
        behaviour: str,
        *,
        timeout_s: float = 20.0,
        idle_s: float | None = None,
        prompt: str = "mend it",
        command: str = str(FAKE),
    ) -> tuple[AttemptResult, Report]:
        self.attempt_id = AttemptId(secrets.token_hex(8))
        invocation = CLAUDE.build(HarnessChoice(id="claude", command=command), prompt=prompt)
        told = {
            "FAKE_CLAUDE": behaviour,
            "FAKE_CLAUDE_LOG": str(self.log),
            "FAKE_CLAUDE_FIX": "echo done > fixed",
            "FAKE_CLAUDE_CHEAT": "echo cheat > cheated",
        }
        attempt = await self.runner.start(
            AttemptOrder(
                uid=UID,
                attempt_id=self.attempt_id,
                argv=invocation.argv,
                cwd=str(self.workspace),
                path=os.environ["PATH"],
                env={**invocation.env, **told},
                env_names=invocation.env_names,
                stdin_text=invocation.stdin_text,
                idle_timeout_s=idle_s,
                total_timeout_s=timeout_s,
            )
        )
        with anyio.fail_after(40):
            result = await attempt.wait()
        return result, CLAUDE.parse(await self.output("stdout"))

    async def output(self, stream: str) -> str:
        pieces, offset = [], 0
        while True:
            data, offset, _ = await self.runner.read_log(UID, self.attempt_id, stream=stream, offset=offset)
            if not data:
                return b"".join(pieces).decode(errors="replace")
            pieces.append(data)

    def calls(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def names(self) -> set[str]:
        return {path.name for path in self.workspace.iterdir()}


def _left(attempt_id: str) -> list[int]:
    """What is left once the shim had a moment to leave."""
    deadline_s = time.monotonic() + 3.0
    while (left := proctree.marked(protocol.MARKER, attempt_id)) and time.monotonic() < deadline_s:
        time.sleep(0.01)
    return left


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    left = _left(bench.attempt_id)
    proctree.kill_tree(lambda: proctree.marked(protocol.MARKER, bench.attempt_id), grace_s=0.0)
    bench.runner.reap()
    assert left == [], "an agent leaves nothing running"


async def test_a_fix_changes_the_workspace_and_reports_its_usage(bench: Bench) -> None:
    result, report = await bench.dispatch("fix", prompt="mend it\nünïcode")
    assert (result.ending, result.exit_code, bench.names()) == ("exited", 0, {"fixed"}), result.reason
    assert (report.text, report.is_error, report.turns) == (FIXED, False, 2)
    assert report.usage == Usage(
        input_tokens=2000,
        cached_input_tokens=400,
        cache_write_tokens=0,
        output_tokens=68,
        cost_usd=pytest.approx(0.00714),
    )
    (call,) = bench.calls()
    assert (call["prompt"], call["cwd"]) == ("mend it\nünïcode", str(bench.workspace))
    assert "mend it" not in str(call["argv"])
    assert {"ANTHROPIC_API_KEY", "CLAUDE_CODE_MAX_RETRIES", "DISABLE_AUTOUPDATER"} <= set(call["env"])  # type: ignore[call-overload]


async def test_a_list_of_behaviours_is_played_in_turn(bench: Bench) -> None:
    for expected in (set[str](), {"fixed"}, {"fixed"}):
        await bench.dispatch("nothing,fix")
        assert bench.names() == expected


@pytest.mark.parametrize(
    ("behaviour", "exit_code", "text", "error"),
    [
        ("nothing", 0, "Nothing to do.", None),
        ("say_done", 0, FIXED, None),
        ("deny", 0, "I was not allowed to.", None),
        ("api_error", 1, None, "API Error: 529 Overloaded"),
        ("crash", 1, None, None),
    ],
)
async def test_what_changes_nothing_is_told_apart_by_the_report(
    bench: Bench, behaviour: str, exit_code: int, text: str | None, error: str | None
) -> None:
    result, report = await bench.dispatch(behaviour)
    assert (result.ending, result.exit_code, bench.names()) == ("exited", exit_code, set())
    assert (report.text, report.error, report.is_error) == (text, error, error is not None)
    assert report.denials == (("Bash: make fix",) if behaviour == "deny" else ())
    assert (report.usage is None) == (behaviour == "crash")


async def test_spending_is_reported(bench: Bench) -> None:
    _, report = await bench.dispatch("spend")
    assert report.usage is not None
    assert report.usage.output_tokens == 1_000_000


@pytest.mark.parametrize("behaviour", ["hang", "stubborn"])
async def test_a_hanging_agent_ends_at_its_idle_deadline_with_its_tools(bench: Bench, behaviour: str) -> None:
    result, report = await bench.dispatch(behaviour, idle_s=2.0)
    assert (result.ending, tuple(result.survivors)) == ("idle_timeout", ())
    assert report.session_id is not None
    assert report.usage is None


async def test_what_an_agent_forks_is_gone_when_it_ended(bench: Bench) -> None:
    result, _ = await bench.dispatch("fork")
    assert (result.ending, result.exit_code, tuple(result.survivors)) == ("exited", 0, ())


async def test_an_agent_that_dies_is_signaled(bench: Bench) -> None:
    result, report = await bench.dispatch("die")
    assert (result.ending, result.signal, report.usage) == ("signaled", 9, None)


async def test_secrets_an_agent_prints_are_not_kept(bench: Bench) -> None:
    _, report = await bench.dispatch("secret")
    kept = await bench.output("stdout") + await bench.output("stderr")
    assert [secret for secret in (API_KEY, "q8Zr3mWv0pLk7TyX", "hunter2hunter2") if secret in kept] == []
    assert report.text == "Printed secrets."


async def test_the_report_of_a_flood_is_still_read(bench: Bench) -> None:
    result, report = await bench.dispatch("flood")
    assert (result.ending, report.text) == ("exited", FIXED)
    assert report.usage is not None


async def test_cheating_changes_what_it_was_told_to(bench: Bench) -> None:
    _, report = await bench.dispatch("edit_checks")
    assert (bench.names(), report.text) == ({"cheated"}, FIXED)


class _Refusing(BaseHTTPRequestHandler):
    """A model that refuses every key."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length", 0)))
        body = b'{"type":"error","error":{"type":"authentication_error","message":"scripted refusal"}}'
        self.send_response(401)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.mark.agent
@pytest.mark.skipif(shutil.which("claude") is None, reason="no claude installed")
async def test_the_real_claude_takes_the_command_line_and_the_prompt(tmp_path: Path) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    environment = {
        "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{server.server_port}",
        "ANTHROPIC_API_KEY": "refused",
        "HOME": str(tmp_path),
    }
    try:
        bench = Bench(tmp_path, environment=environment)
        result, report = await bench.dispatch("", command="claude", timeout_s=35.0)
    finally:
        server.shutdown()
        server.server_close()
    assert (result.ending, result.exit_code) == ("exited", 1), await bench.output("stderr")
    assert report.is_error
    assert "401" in (report.error or "")
