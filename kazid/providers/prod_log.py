"""`prod_log`: server errors and panics in what a service logged: files, journald, or the output of a query.

Files and journald are judged over the last minutes. Files are read on from where the last look ended; where that was,
and what still counts, comes in with the look and goes out with the verdict (`Look.carry`, `Verdict.carry`), so a
restart counts no line twice and misses none. journald is asked for the window each time, and a query decides by itself
what it covers.
"""

import json
import posixpath
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.core.watch import FileSource, Source, below
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import log_matcher
from kazid.providers.evidence import command_evidence, excerpt, exit_code_of, shortened
from kazid.providers.formats.journald import read_entries
from kazid.providers.formats.json_text import NotJson
from kazid.providers.kinds.live_kinds import PANIC_REGEX, SERVER_ERROR_REGEX, WINDOW_MINUTES_MAX
from kazid.providers.line_matcher import lines_of
from kazid.providers.log_files import LogUnreadable, Reading, read_new
from kazid.providers.log_time import time_of
from kazid.providers.log_window import LINES_KEPT_MAX, Hit, Kept, advanced, line_time_s
from kazid.providers.options import allowed_s, read_options
from kazid.shim.redaction import redact

WINDOW_MINUTES = 5.0

REREAD_BYTES_MAX = 64 * 1024
"""As much that is new and says nothing is read again rather than journalled as read."""

MATCHED_ON_LOOP_CHARS_MAX = 256 * 1024
_EARLIER_LINES_MAX = 50
"""How far above a line without a time the one that it belongs to may be: a stack trace."""

_PATTERN = re.compile(r"[*?\[]")
_LITERAL = re.compile(r"[\w \-:=/]*")
JOURNALCTL = "journalctl"


class Correlate(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Lines of one route, told apart in the evidence; they change no verdict."""

    route: str
    window: float | None = None


class ProdLogOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    files: Sequence[str] | str = ()
    unit: Sequence[str] | str = ()
    journal_dir: str = ""
    cmd: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    window_minutes: float | None = None
    max_5xx: int = 0
    server_error_regex: str = SERVER_ERROR_REGEX
    panic_regex: str = PANIC_REGEX
    correlate: Correlate | None = None
    timeout_ms: int | None = None

    @property
    def window_s(self) -> float:
        """What files and journald are judged over."""
        return 60 * (self.window_minutes or WINDOW_MINUTES)

    @property
    def patterns(self) -> Sequence[str]:
        """What server errors and panics look like, in this order."""
        return (self.server_error_regex, self.panic_regex)


class ProdLog:
    """The provider."""

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """The log files; of a pattern the folder, where that is none itself."""
        files = options.get("files")
        names = [files] if isinstance(files, str) else files if isinstance(files, list | tuple) else []
        paths = [below(folder, name) for name in names if isinstance(name, str) and name]
        found = [posixpath.dirname(p) if _PATTERN.search(posixpath.basename(p)) else p for p in paths]
        return [FileSource(path) for path in found if not _PATTERN.search(path)]

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read what is new, match it, and judge what counts."""
        if not any(options.get(key) for key in ("cmd", "files", "unit", "journal_dir")):
            return errored("missing_cmd", "the predicate has no cmd, no files and no unit")
        read = read_options(options, ProdLogOptions)
        if isinstance(read, Verdict):
            return read
        if (wrong := _objection(read)) is not None:
            return wrong
        if read.files:
            return await self._files(read, look, commands)
        if read.cmd:
            return await self._query(read, look, commands)
        return await self._journal(read, look, commands)

    async def _files(self, options: ProdLogOptions, look: Look, commands: CommandRunner) -> Verdict:
        kept = kept_of(look.carry)
        patterns = [posixpath.join(look.workspace, name) for name in _several(options.files)]
        try:
            reading = await anyio.to_thread.run_sync(
                lambda: read_new(patterns, None if kept is None else kept.cursors), abandon_on_cancel=True
            )
        except LogUnreadable as error:
            return errored(error.reason, error.detail, **_asked(options))
        lines = [line for chunk in reading.chunks for line in (*chunk.lines, chunk.partial)]
        found = await _hits(lines, options, look, commands)
        if isinstance(found, Verdict):
            return found
        return interpret_files(reading, found, options, kept=kept, now_s=look.wall_s, carry=look.carry)

    async def _journal(self, options: ProdLogOptions, look: Look, commands: CommandRunner) -> Verdict:
        result = await commands.run(journal_command(options, look))
        entries: list[Any] = []
        if (broken := _broken_query(result, options, look)) is not None:
            return broken
        try:
            entries = await anyio.to_thread.run_sync(
                lambda: list(read_entries(result.stdout.text)), abandon_on_cancel=True
            )
        except NotJson as error:
            return errored(
                "unreadable_journal", f"what journalctl said cannot be read: {error}", **_asked(options)
            )
        if not entries:
            last = await commands.run(journal_command(options, look, is_any=True))
            if last.ending is not Ending.EXITED or last.exit_code != 0 or not last.stdout.text.strip():
                what = ", ".join(_several(options.unit)) or options.journal_dir
                detail = f"the journal has no entry of {what} at all: misspelt, or not readable by the daemon"
                return errored("log_missing", detail, **_asked(options))
        entries = [entry for entry in entries if entry.at_s > look.wall_s - options.window_s]
        found = await _hits([entry.text for entry in entries], options, look, commands)
        if isinstance(found, Verdict):
            return found
        hits = [_hit(entries[i].at_s, entries[i].text, which, options) for i, which in found]
        return judged(hits, options, _asked(options))

    async def _query(self, options: ProdLogOptions, look: Look, commands: CommandRunner) -> Verdict:
        command = Command(
            argv=(options.cmd, *options.args),
            cwd=look.workspace,
            deadline_s=allowed_s(options.timeout_ms, look),
            path=look.path,
            env=options.env,
            merge_stderr=True,
        )
        result = await commands.run(command)
        if (broken := _broken_query(result, options, look)) is not None:
            return broken
        lines = list(lines_of(result.stdout.text))
        found = await _hits(lines, options, look, commands)
        if isinstance(found, Verdict):
            return found
        evidence = {
            **_asked(options),
            **command_evidence(result, args=options.args, workspace=look.workspace),
        }
        evidence.pop("stdout", None)
        return judged([_hit(0.0, lines[i], which, options) for i, which in found], options, evidence)


def interpret_files(
    reading: Reading,
    found: Sequence[tuple[int, Sequence[bool]]],
    options: ProdLogOptions,
    *,
    kept: Kept | None,
    now_s: float,
    carry: Json = None,
) -> Verdict:
    """Judge the window with what is new in it. `found` numbers the lines of all chunks, partial ones included.

    What is new and says nothing leaves the carry as it was, unless it is much, or long ago: then it is read again,
    which is cheaper than to journal that it was read.
    """
    hits, unfinished, timeless = _placed(reading, found, options, kept=kept, now_s=now_s)
    window_s = options.window_s
    after = advanced(kept, hits, cursors=reading.cursors, now_s=now_s, window_s=window_s)
    is_idle = (
        kept is not None
        and not hits
        and not reading.bytes_behind
        and reading.bytes_read <= REREAD_BYTES_MAX
        and (after.slots, after.lines) == (list(kept.slots), list(kept.lines))
        and not reading.is_anew
        and _same_files(kept, after)
        and 0 <= now_s - kept.wall_s < window_s / 2
    )
    evidence = {**_asked(options), "files": [chunk.path for chunk in reading.chunks][:LINES_KEPT_MAX]}
    if timeless:
        evidence["history"] = f"{timeless} lines of before the first look say no time and do not count"
    if reading.lost_files:
        evidence["lost_files"] = reading.lost_files
    lines = [Hit(*line) for line in after.lines]
    verdict = _judged(
        lines + unfinished,
        options,
        evidence,
        errors=after.errors + sum(hit.is_error for hit in unfinished),
        panics=after.panics + sum(hit.is_panic for hit in unfinished),
    )
    if reading.bytes_behind and verdict.is_green:
        detail = (
            f"{reading.bytes_behind} bytes of the log are not read yet: it grows faster than a look can read"
        )
        verdict = errored("log_too_fast", detail, **verdict.evidence)
    return msgspec.structs.replace(verdict, carry=carry if is_idle else msgspec.to_builtins(after))


def _placed(
    reading: Reading,
    found: Sequence[tuple[int, Sequence[bool]]],
    options: ProdLogOptions,
    *,
    kept: Kept | None,
    now_s: float,
) -> tuple[list[Hit], list[Hit], int]:
    """Return what was found with its time: whole lines, unfinished ones, and how many have no time."""
    hits: list[Hit] = []
    unfinished: list[Hit] = []
    timeless, base = 0, 0
    which_of = dict(found)
    for chunk in reading.chunks:
        for number in sorted(n for n in which_of if base <= n < base + len(chunk.lines)):
            own_s = _own_time(chunk.lines, number - base, now_s)
            at_s = line_time_s(own_s, kept, now_s=now_s)
            if at_s is None:
                timeless += 1
            else:
                hits.append(_hit(at_s, chunk.lines[number - base], which_of[number], options))
        base += len(chunk.lines)
        if base in which_of and not (kept is None and time_of(chunk.partial, now_s=now_s) is None):
            unfinished.append(_hit(now_s, chunk.partial, which_of[base], options))
        base += 1
    return hits, unfinished, timeless


def _same_files(before: Kept, after: Kept) -> bool:
    return {(c.device, c.inode) for c in before.cursors} == {(c.device, c.inode) for c in after.cursors}


def judged(hits: Sequence[Hit], options: ProdLogOptions, evidence: Mapping[str, Json]) -> Verdict:
    """Return FAIL for any panic, or for more server errors than allowed."""
    errors, panics = sum(hit.is_error for hit in hits), sum(hit.is_panic for hit in hits)
    return _judged(hits, options, evidence, errors=errors, panics=panics)


def kept_of(carry: Json) -> Kept | None:
    """What the last look left; nothing where that cannot be read."""
    if carry is None:
        return None
    try:
        return msgspec.convert(carry, Kept)
    except msgspec.ValidationError:
        return None


def journal_command(options: ProdLogOptions, look: Look, *, is_any: bool = False) -> Command:
    """Return what asks journald for the window, or for any entry at all."""
    what = [f"--unit={unit}" for unit in _several(options.unit)]
    if options.journal_dir:
        what.append(f"--directory={posixpath.join(look.workspace, options.journal_dir)}")
    since = ("--lines=1",) if is_any else (f"--since=@{int(look.wall_s - options.window_s)}", "--all")
    return Command(
        argv=(JOURNALCTL, "--output=json", "--no-pager", "--quiet", *since, *what),
        cwd=look.workspace,
        deadline_s=allowed_s(options.timeout_ms, look) / 2,
        path=look.path,
        env=options.env,
    )


async def _hits(
    lines: Sequence[str], options: ProdLogOptions, look: Look, commands: CommandRunner
) -> Sequence[tuple[int, Sequence[bool]]] | Verdict:
    """Match here where the expressions are known to be linear and the text is short, else in a process."""
    is_linear = options.server_error_regex == SERVER_ERROR_REGEX and _LITERAL.fullmatch(options.panic_regex)
    if not lines or (is_linear and sum(map(len, lines)) <= MATCHED_ON_LOOP_CHARS_MAX):
        return log_matcher.hits(options.patterns, lines)
    request = await anyio.to_thread.run_sync(
        lambda: json.dumps({"patterns": options.patterns, "lines": lines}, ensure_ascii=False),
        abandon_on_cancel=True,
    )
    result = await commands.run(
        Command(
            argv=(sys.executable, "-I", "-S", log_matcher.__file__),
            cwd=look.workspace,
            deadline_s=max(1.0, allowed_s(options.timeout_ms, look) / 2),
            path=look.path,
            stdin_text=request,
        )
    )
    if result.ending is Ending.TIMED_OUT:
        return errored("match_timeout", "the expressions did not come to an end on the log")
    if result.ending is not Ending.EXITED or result.exit_code != 0:
        why = result.reason or shortened(result.stderr.text) or f"the matcher {result.ending.value}"
        return errored(result.reason_code or "transient", f"the lines could not be matched: {why}")
    if result.stdout.truncated:
        return errored("log_too_fast", "more lines match than a look can take")
    return msgspec.json.decode(result.stdout.text, type=list[tuple[int, list[bool]]])


def _judged(
    hits: Sequence[Hit], options: ProdLogOptions, evidence: Mapping[str, Json], *, errors: int, panics: int
) -> Verdict:
    shown = [*(hit for hit in hits if hit.is_panic), *(hit for hit in hits if not hit.is_panic)]
    evidence = {
        **evidence,
        "server_error_count": errors,
        "panic_count": panics,
        "matched_lines": [hit.text for hit in shown[:LINES_KEPT_MAX]],
    }
    if options.correlate is not None:
        correlated: list[Json] = [hit.text for hit in hits if hit.is_correlated]
        evidence |= {
            "correlate": options.correlate.route,
            "correlated_prod_error": bool(correlated),
            "correlated_lines": correlated[:LINES_KEPT_MAX],
        }
    if not panics and errors <= options.max_5xx:
        return Verdict(status=Status.PASS, evidence=evidence)
    allowed = f", {options.max_5xx} allowed" if options.max_5xx else ""
    detail = "; ".join(
        said
        for count, said in ((panics, f"{panics} panics"), (errors, f"{errors} server errors{allowed}"))
        if count
    )
    return Verdict(
        status=Status.FAIL, reason="panic" if panics else "server_errors", detail=detail, evidence=evidence
    )


def _broken_query(result: CommandResult, options: ProdLogOptions, look: Look) -> Verdict | None:
    """The ERROR of a query that did not end well: its output is no log."""
    evidence = {**_asked(options), **command_evidence(result, args=options.args, workspace=look.workspace)}
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "cmd_unrunnable", result.reason, **evidence)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "the log query did not end in time", **evidence)
    if (exit_code := exit_code_of(result)) != 0:
        said = excerpt(result.stderr.text or result.stdout.text, 300)
        return errored("query_failed", f"the log query ended with {exit_code}: {said}", **evidence)
    if result.stdout.truncated:
        detail = f"the log query said {result.stdout.bytes_total} bytes, too many to be read whole"
        return errored("log_too_long", detail, **_asked(options))
    return None


def _objection(options: ProdLogOptions) -> Verdict | None:
    sources = sum(map(bool, (options.cmd, options.files, options.unit or options.journal_dir)))
    if sources != 1:
        return errored("invalid_config", "cmd, files and unit are three sources; a predicate has one")
    if options.window_minutes is not None and not 0 < options.window_minutes <= WINDOW_MINUTES_MAX:
        return errored("invalid_config", "window_minutes must be more than 0 and at most a week")
    for key, pattern in zip(("server_error_regex", "panic_regex"), options.patterns, strict=True):
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            return errored("invalid_config", f"{key} is not a regular expression: {error}")
    return None


def _hit(at_s: float, text: str, which: Sequence[bool], options: ProdLogOptions) -> Hit:
    is_correlated = options.correlate is not None and options.correlate.route in text
    return Hit(round(at_s, 3), shortened(redact(text)), which[0], which[1], is_correlated)


def _own_time(lines: Sequence[str], number: int, now_s: float) -> float | None:
    """The time of a line, or of the one above that it goes on from."""
    for index in range(number, max(-1, number - _EARLIER_LINES_MAX), -1):
        if (at_s := time_of(lines[index], now_s=now_s)) is not None:
            return at_s
    return None


def _several(names: Sequence[str] | str) -> Sequence[str]:
    return (names,) if isinstance(names, str) and names else [*names]


def _asked(options: ProdLogOptions) -> dict[str, Json]:
    window = options.window_minutes if options.cmd else options.window_s / 60
    return {"window_minutes": window, "max_5xx": options.max_5xx}
