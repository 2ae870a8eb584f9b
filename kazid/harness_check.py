"""What an installed agent does where kazid depends on it. `kazictl harness check` runs `python -m kazid.harness_check`.

Each check starts the real program once, under the shim that dispatches use, in a HOME and folder of its own, without a
terminal; its model is a server on loopback that refuses, fails or says nothing, and every proxy variable points there,
so that no real model is asked. Prints one JSON object; what an agent cannot be pointed at is skipped, and said.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import anyio
import msgspec
from typing_extensions import override

from kazid.adapters.system.clock import SystemClock
from kazid.adapters.system.programs import SystemPrograms
from kazid.adapters.system.runner import SystemRunner
from kazid.core.errors import StartRefused
from kazid.core.goal import HarnessChoice
from kazid.core.ids import AttemptId, GoalUid
from kazid.harnesses.pointing import CONFIGURE, MODELS
from kazid.harnesses.profile import NETWORK_NAMES, Profile
from kazid.ports.harness import Report, TroubleKind
from kazid.ports.runner import AttemptOrder, AttemptResult
from kazid.registry import Harnesses
from kazid.settings import load_settings

OK, WARN, FAIL, SKIPPED = "ok", "warn", "fail", "skipped"
DEADLINE_S = 30.0
SILENCE_S = 12.0
VERSION_S = 20.0
LOG_BYTES_MAX = 1024 * 1024
SAID_CHARS_MAX = 200
PROMPT = "Say that you are done. Change nothing.\n"
UID = GoalUid("check")
STATUSES = {"401": TroubleKind.AUTH, "429": TroubleKind.QUOTA, "500": None}
_WORDS = {401: "authentication_error", 429: "rate_limit_error", 500: "api_error", 502: "api_error"}


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One outcome. `warn`: kazid works with it, at the price that is named."""

    name: str
    outcome: str
    detail: str
    took_s: float = 0.0


class _Model(BaseHTTPRequestHandler):
    """Answers every request with the status that its path begins with; `silence` with nothing at all."""

    protocol_version = "HTTP/1.1"
    ended = threading.Event()

    def _answer(self) -> None:
        word = self.path.lstrip("/").split("/")[0]
        if word == "silence":
            self.ended.wait()
            self.close_connection = True
            return
        status = int(word) if word in STATUSES else 502
        error = {"type": _WORDS[status], "message": f"scripted failure {status}", "code": status}
        body = json.dumps({"type": "error", "error": error}).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_CONNECT = do_HEAD = _answer  # noqa: N815 - the names are the library's

    @override
    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: stdout is the result."""


class _Server(ThreadingHTTPServer):
    """Agents leave as they like, in the middle of an answer too."""

    daemon_threads = True

    @override
    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a torn connection is the agent's business."""


@contextmanager
def _model() -> Generator[str]:
    server = _Server(("127.0.0.1", 0), _Model)
    _Model.ended.clear()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        _Model.ended.set()
        server.shutdown()
        server.server_close()


class _Ran(msgspec.Struct, frozen=True, kw_only=True):
    """One start of the program."""

    result: AttemptResult
    stdout: str
    report: Report
    took_s: float

    @property
    def said(self) -> str:
        """What went wrong, in its words."""
        return " ".join((self.report.error or "").split())[:SAID_CHARS_MAX]


class _Suite:
    """All checks of one agent, below one temporary folder."""

    def __init__(self, profile: Profile, command: str, folder: Path, url: str) -> None:
        self._profile, self._command, self._folder, self._url = profile, command, folder, url
        self._number = 0

    async def run(self) -> list[Check]:
        """One after the other; a program that is not there has no further checks."""
        found = await SystemPrograms().installed(self._command, cwd="/", path=os.environ.get("PATH", ""))
        if found.path is None:
            return [Check(name="installed", outcome=FAIL, detail=f"{self._command} is not on your PATH")]
        detail = found.path if found.version is None else f"{found.path}, package version {found.version}"
        checks = [Check(name="installed", outcome=OK, detail=detail), await self._version()]
        checks += [await self._no_credential(), await self._closed_stdin()]
        for status, trouble in STATUSES.items():
            checks.append(await self._failing_model(status, trouble))
        return [*checks, *await self._silence_and_kill()]

    async def _version(self) -> Check:
        argv = (self._command, *self._profile.version_args)
        ran = await self._start(argv, total_s=VERSION_S, mode=None)
        line = next((w for w in reversed(ran.stdout.splitlines()) if w.strip()), "").strip()[:80]
        is_fit = ran.result.ending == "exited" and ran.result.exit_code == 0 and line != ""
        detail = line if is_fit else f"no version: {_ending(ran.result)}"
        outcome = OK if is_fit else WARN if ran.result.ending == "exited" else FAIL
        return _check("answers without a terminal", outcome, detail, ran)

    async def _no_credential(self) -> Check:
        """Nothing is configured at all: no variable, no login, an empty HOME."""
        ran = await self._dispatch(mode=None)
        return self._named("no credential", ran, wanted=TroubleKind.AUTH)

    async def _closed_stdin(self) -> Check:
        name = "closed stdin"
        if self._profile.id not in CONFIGURE:
            return self._skipped(name)
        ran = await self._dispatch(mode="401", stdin=None)
        if ran.result.ending == "exited":
            return _check(name, OK, f"ends by itself: {_ending(ran.result)}", ran)
        return _check(
            name, WARN, f"waits for more than {DEADLINE_S:g} s; kazid always gives it its prompt", ran
        )

    async def _failing_model(self, status: str, trouble: TroubleKind | None) -> Check:
        name = f"model answers {status}"
        if self._profile.id not in CONFIGURE:
            return self._skipped(name)
        return self._named(name, await self._dispatch(mode=status), wanted=trouble)

    async def _silence_and_kill(self) -> list[Check]:
        names = ("model is silent", "kill leaves nothing")
        if self._profile.id not in CONFIGURE:
            return [self._skipped(name) for name in names]
        ran = await self._dispatch(mode="silence", total_s=SILENCE_S)
        if ran.result.ending == "exited":
            silent = self._named(names[0], ran, wanted=None)
            return [silent, _check(names[1], SKIPPED, "it had ended by itself", ran)]
        left = ran.result.survivors
        detail = f"ended at its deadline of {SILENCE_S:g} s, every process gone"
        killed = _check(names[1], FAIL, f"still running: {list(left)}", ran) if left else None
        return [
            _check(names[0], OK, f"waits; idle_timeout ends it ({SILENCE_S:g} s here)", ran),
            killed or _check(names[1], OK, detail, ran),
        ]

    def _named(self, name: str, ran: _Ran, *, wanted: TroubleKind | None) -> Check:
        """Whether the end of a dispatch that cannot succeed says so."""
        report, ended = ran.report, _ending(ran.result)
        if ran.result.ending != "exited":
            return _check(name, WARN, f"retries without a word; only idle_timeout ends it: {ended}", ran)
        kind = None if report.trouble is None else report.trouble.kind
        if wanted is not None and kind is wanted:
            return _check(name, OK, f"says so, {wanted.value}: {ran.said or ended}", ran)
        if report.is_error or kind is not None:
            outcome = OK if wanted is None else WARN
            return _check(name, outcome, f"says an error: {ran.said or ended}", ran)
        if report.text:
            return _check(name, WARN, f"says a result, and no error; kazid believes neither: {ended}", ran)
        return _check(name, WARN, f"ends without a word that can be read: {ended}", ran)

    def _skipped(self, name: str) -> Check:
        detail = f"kazid does not know how {self._profile.id} is pointed at another model"
        return Check(name=name, outcome=SKIPPED, detail=detail)

    async def _dispatch(
        self, *, mode: str | None, stdin: str | None = PROMPT, total_s: float = DEADLINE_S
    ) -> _Ran:
        choice = HarnessChoice(id=self._profile.id, command=self._command, model=MODELS.get(self._profile.id))
        invocation = self._profile.build(choice, prompt=PROMPT)
        text = None if stdin is None else invocation.stdin_text
        return await self._start(
            invocation.argv, total_s=total_s, mode=mode, stdin=text, env=dict(invocation.env)
        )

    async def _start(
        self,
        argv: Sequence[str],
        *,
        total_s: float,
        mode: str | None,
        stdin: str | None = None,
        env: dict[str, str] | None = None,
    ) -> _Ran:
        self._number += 1
        home = self._folder / f"home-{self._number}"
        tree = self._folder / f"tree-{self._number}"
        for folder in (home, tree):
            folder.mkdir()
        configured: dict[str, str] = {}
        if mode is not None:
            configured = dict(CONFIGURE[self._profile.id](home, f"{self._url}/{mode}"))
        proxies = {
            n: self._url for n in NETWORK_NAMES if n.lower().endswith("_proxy") and n.lower() != "no_proxy"
        }
        base = {"PATH": os.environ.get("PATH", ""), "HOME": str(home), **proxies}
        base |= {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        runner = SystemRunner(state_dir=str(self._folder), clock=SystemClock(), base_environment=base)
        runner.write_identity()
        attempt_id = AttemptId(f"check-{self._number}")
        order = AttemptOrder(
            uid=UID,
            attempt_id=attempt_id,
            argv=tuple(argv),
            cwd=str(tree),
            path=base["PATH"],
            env={**(env or {}), **configured},
            env_names=NETWORK_NAMES,
            stdin_text=stdin,
            total_timeout_s=total_s,
        )
        result = await (await runner.start(order)).wait()
        data, _, _ = await runner.read_log(UID, attempt_id, stream="stdout", offset=0)
        stdout = data[:LOG_BYTES_MAX].decode(errors="replace")
        return _Ran(
            result=result,
            stdout=stdout,
            report=self._profile.parse(stdout),
            took_s=round(result.duration_s, 1),
        )


def _check(name: str, outcome: str, detail: str, ran: _Ran) -> Check:
    """A check of a program that was started; processes that outlived it fail every one."""
    if ran.result.survivors:
        outcome, detail = FAIL, f"{detail}; still running: {list(ran.result.survivors)}"
    return Check(name=name, outcome=outcome, detail=detail, took_s=ran.took_s)


def _ending(result: AttemptResult) -> str:
    if result.ending == "exited":
        return f"exit {result.exit_code}"
    return result.ending if result.reason is None else f"{result.ending}: {result.reason}"


def main(argv: Sequence[str]) -> int:
    """Run the suite; 0 where nothing failed."""
    parser = argparse.ArgumentParser(prog="kazid.harness_check", allow_abbrev=False)
    parser.add_argument("id")
    parser.add_argument("--command", help="its program, when not the usual one")
    parser.add_argument("--config", help="the daemon's settings, for agents that they declare")
    arguments = parser.parse_args(argv)
    try:
        profile = Harnesses(load_settings(arguments.config)).profiles.get(arguments.id)
    except StartRefused as refused:
        parser.error(str(refused))
    command = arguments.command or (profile.command if profile is not None else "")
    if profile is None or not command:
        parser.error(
            f"there is no harness {arguments.id!r} with a program of its own; name one with --command"
        )
    with tempfile.TemporaryDirectory(prefix="kzc", ignore_cleanup_errors=True) as folder, _model() as url:
        checks = anyio.run(_Suite(profile, command, Path(folder), url).run)
    sys.stdout.buffer.write(msgspec.json.encode({"harness": arguments.id, "checks": checks}) + b"\n")
    return 1 if any(check.outcome == FAIL for check in checks) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
