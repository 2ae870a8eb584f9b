"""`browser`: walks a journey through a page in a real browser, as a person would. `visual`: the picture of a page.

One Chromium for all journeys, a context for each; every window and every sample walks the whole journey anew. Without
assertions a page that loads passes. A runner of one's own (`cmd`) gets the journey as its last argument and answers
with one line of JSON. That no browser is here is UNKNOWN, with the line that installs it.
"""

import json
from collections.abc import Mapping, Sequence

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored, unknown
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.browser_host import BrowserHost, BrowserMissing
from kazid.providers.browser_options import SEEDED, BrowserOptions, Record, Step, Stopped, Walk, viewports_of
from kazid.providers.browser_walk import walk_in
from kazid.providers.evidence import command_evidence, shortened
from kazid.providers.options import allowed_s, read_options
from kazid.providers.search import is_found
from kazid.shim.redaction import redact

RECORDS_SHOWN_MAX = 50
SAMPLES_MAX = 20
RAN = frozenset({"pass", "fail", "error"})


class Browser:
    """The provider."""

    def __init__(self, host: BrowserHost | None = None) -> None:
        self._host = BrowserHost() if host is None else host

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Walk the journey in every window, `samples` times in a row."""
        if not options.get("url"):
            return errored("missing_url", "the predicate has no url")
        read = read_options(options, BrowserOptions)
        if isinstance(read, Verdict):
            return read
        ends_s = anyio.current_time() + allowed_s(None, look)
        runs: list[Verdict] = []
        while len(runs) < max(1, min(read.samples, SAMPLES_MAX)):
            left_s = ends_s - anyio.current_time()
            verdict: Verdict | None = None
            with anyio.move_on_after(left_s):
                verdict = await self._run(read, options, look, commands, ends_s=ends_s)
            if verdict is None:
                verdict = errored(
                    "timeout", f"the journey is longer than {look.deadline_s:g} s", url=_url(read)
                )
            runs.append(verdict)
            if not verdict.is_green:
                break
        return runs[0] if read.samples <= 1 else summarize(runs, read)

    async def _run(
        self,
        read: BrowserOptions,
        options: Mapping[str, Json],
        look: Look,
        commands: CommandRunner,
        *,
        ends_s: float,
    ) -> Verdict:
        if read.cmd:
            result = await commands.run(runner_command(read, options, look, ends_s - anyio.current_time()))
            return interpret_runner(result, read, workspace=look.workspace)
        try:
            viewports = viewports_of(read.viewport)
        except ValueError as error:
            return errored("invalid_config", str(error))
        walks: list[Walk] = []
        for name, viewport in viewports:
            try:
                walks.append(
                    await self._walk(read, look, commands, name=name, viewport=viewport, ends_s=ends_s)
                )
            except BrowserMissing as error:
                return unknown("browser_missing", str(error), url=_url(read))
            if (stopped := walks[-1].stopped) is not None and stopped.reason != SEEDED:
                break  # a first look makes the pictures of all windows, so that they are looked at once
        return interpret(walks, read)

    async def _walk(
        self,
        read: BrowserOptions,
        look: Look,
        commands: CommandRunner,
        *,
        name: str,
        viewport: Mapping[str, int] | None,
        ends_s: float,
    ) -> Walk:
        async def matches(pattern: str, text: str) -> bool:
            return await is_found(pattern, text, look=look, commands=commands)

        try:
            async with self._host.context(path=look.path, viewport=viewport) as context:
                return await walk_in(
                    context, read, name=name, workspace=look.workspace, ends_s=ends_s, matches=matches
                )
        except self._host.errors() as error:
            said = shortened(redact(str(error).strip().split("\n")[0]))
            return Walk(stopped=Stopped(is_page=False, reason="browser_failed", detail=said))


class VisualOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    url: str
    name: str
    steps: Sequence[Step] = ()
    selector: str = ""
    threshold: float = 0.01
    viewport: Json = None
    timeout_ms: int | None = None


class Visual:
    """A page, or one element of it, looks as its baseline does: a `browser` journey with one assertion."""

    def __init__(self, host: BrowserHost | None = None) -> None:
        self._browser = Browser(host)

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Walk there, take the picture, compare."""
        if not options.get("url"):
            return errored("missing_url", "the predicate has no url")
        read = read_options(options, VisualOptions)
        if isinstance(read, Verdict):
            return read
        compared: dict[str, Json] = {
            "type": "visual", "name": read.name, "selector": read.selector, "threshold": read.threshold,
        }  # fmt: skip
        journey: dict[str, Json] = {
            "url": read.url,
            "steps": options.get("steps", []),
            "assertions": [compared],
            "viewport": "desktop" if read.viewport is None else read.viewport,
        }
        if read.timeout_ms is not None:
            journey["timeout_ms"] = read.timeout_ms
        return await self._browser.evaluate(journey, look, commands)


def interpret(walks: Sequence[Walk], options: BrowserOptions) -> Verdict:
    """ERROR where our instruments failed, else FAIL where the page did or an assertion does not hold, else PASS."""
    records = [record for walk in walks for record in walk.records]
    evidence: dict[str, Json] = {
        "url": _url(options),
        "final_url": walks[-1].url,
        "assertions": [msgspec.to_builtins(record) for record in records[:RECORDS_SHOWN_MAX]],
    }
    if shots := [walk.screenshot for walk in walks if walk.screenshot]:
        evidence["screenshot"] = shots[0] if len(shots) == 1 else list(shots)
    broken = [record for record in records if not record.ok]
    ends = [walk.stopped for walk in walks if walk.stopped is not None]
    stopped = ends[-1] if ends else None
    if stopped is not None and stopped.reason == SEEDED:
        stopped = msgspec.structs.replace(stopped, detail="; ".join(end.detail for end in ends))
    if broken or stopped is not None:
        evidence["snapshot"] = walks[-1].snapshot
    violations = [walk.violations for walk in walks if walk.violations is not None]
    verdict = Verdict(
        status=Status.PASS,
        evidence=evidence,
        score=float(sum(violations)) if violations else None,
        direction=Direction.LOWER_BETTER if violations else None,
    )
    if stopped is not None:
        status = Status.FAIL if stopped.is_page else Status.ERROR
        return msgspec.structs.replace(verdict, status=status, reason=stopped.reason, detail=stopped.detail)
    if broken:
        detail = "; ".join(_sentence(record) for record in broken[:5])
        return msgspec.structs.replace(verdict, status=Status.FAIL, reason="assertion_failed", detail=detail)
    if len(records) < len(options.assertions) * len(walks):
        return msgspec.structs.replace(
            verdict, status=Status.ERROR, reason="browser_failed", detail="not all assertions were made"
        )
    return verdict


def summarize(runs: Sequence[Verdict], options: BrowserOptions) -> Verdict:
    """One verdict for samples in a row: the last one's, and how many passed."""
    passing = sum(1 for run in runs if run.is_green)
    shown: list[Json] = [{"status": run.status.value} for run in runs]
    evidence = {
        **runs[-1].evidence,
        "samples_required": options.samples,
        "passing_count": passing,
        "runs": shown,
    }
    return msgspec.structs.replace(
        runs[-1], evidence=evidence, score=float(passing), direction=Direction.HIGHER_BETTER
    )


def runner_command(
    read: BrowserOptions, options: Mapping[str, Json], look: Look, deadline_s: float
) -> Command:
    """Return what runs a journey by a program of one's own: it gets all of it as its last argument."""
    payload = {key: options.get(key) for key in ("url", "steps", "assertions", "screenshot", "viewport")}
    payload["timeout_ms"] = read.timeout_ms
    return Command(
        argv=(read.cmd, *read.args, json.dumps(payload)),
        cwd=look.workspace,
        deadline_s=max(0.1, deadline_s),
        path=look.path,
        env=read.env,
        merge_stderr=True,
    )


def interpret_runner(result: CommandResult, options: BrowserOptions, *, workspace: str) -> Verdict:
    """Return what a runner said in the last line of its output that is a JSON object."""
    evidence = {**command_evidence(result, args=options.args, workspace=workspace), "url": _url(options)}
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "cmd_unrunnable", result.reason, **evidence)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "the runner did not end in time", **evidence)
    if result.ending is Ending.SIGNALED or result.exit_code != 0:
        return errored(
            "runner_failed", f"the runner ended with {result.exit_code or result.signal}", **evidence
        )
    said = _last_object(result.stdout.text)
    if said is None:
        return errored(
            "unparseable_runner_output", "no line of the runner's output is a JSON object", **evidence
        )
    status, records = said.get("status"), said.get("assertions", [])
    if not isinstance(status, str) or status not in RAN or not isinstance(records, list):
        return errored(
            "invalid_runner_result", "the runner's answer has no status and list of assertions", **evidence
        )
    if status == "error":
        text = shortened(redact(str(said.get("error") or "the runner says error and not why")))
        return errored("runner_reported_error", text, **evidence)
    evidence["assertions"] = [shortened(redact(json.dumps(record))) for record in records[:RECORDS_SHOWN_MAX]]
    failed = [record for record in records if not (isinstance(record, Mapping) and record.get("ok") is True)]
    if status == "pass" and (failed or len(records) < len(options.assertions)):
        detail = "the runner says pass, and not of all assertions"
        return errored("invalid_runner_result", detail, **evidence)
    if status == "pass":
        return Verdict(status=Status.PASS, evidence=evidence)
    detail = f"{len(failed)} of {len(records)} assertions do not hold"
    return Verdict(status=Status.FAIL, reason="assertion_failed", detail=detail, evidence=evidence)


def _last_object(text: str) -> Mapping[str, Json] | None:
    for line in reversed(text.splitlines()):
        if line.lstrip().startswith("{"):
            try:
                found: Json = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(found, Mapping):
                return found
    return None


def _sentence(record: Record) -> str:
    where = " ".join(filter(None, (record.type, record.selector)))
    window = f" ({record.viewport})" if record.viewport else ""
    found = shortened(json.dumps(record.found, ensure_ascii=False), 200)
    return f"{where}{window}: found {found}"


def _url(options: BrowserOptions) -> str:
    return shortened(redact(options.url))
