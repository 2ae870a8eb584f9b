"""`records`: a register (CSV, JSON, YAML, SQL, HTTP) in which no more items are open, overdue or too old than allowed.

`where` says which records count; with `max_age` or `due` only those whose date is too long ago fail, without them all
of those do. The failing items are the finding list. A register that cannot be read whole, that lacks a column, or that
is emptier than it may be, is an error: never green.
"""

import os
import stat
import sys
from collections.abc import Mapping, Sequence

import anyio
import anyio.to_thread
import httpx
import msgspec

from kazid.core.duration import duration_s
from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import sqlite_rows
from kazid.providers.evidence import shortened
from kazid.providers.http_exchange import Request
from kazid.providers.http_failure import NoAnswer
from kazid.providers.http_fetch import Fetcher, is_askable, public_url
from kazid.providers.http_trust import TrustStores
from kazid.providers.options import allowed_s, read_options
from kazid.providers.ran import path_below
from kazid.providers.record_rules import Condition, condition_of, date_s, text_of
from kazid.providers.record_source import RECORDS_MAX, Format, Record, Unreadable, format_of, read_records
from kazid.shim.redaction import redact

BYTES_MAX = 8 * 1024 * 1024
FINDINGS_MAX = 50
SOURCES = ("file", "url", "cmd", "database")
DAY_S = 86_400.0


class RecordsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    key: str
    file: str = ""
    url: str = ""
    cmd: str = ""
    database: str = ""
    query: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    headers: Mapping[str, str] = {}
    format: Format | None = None
    rows: str = "$"
    delimiter: str = ","
    where: Sequence[str] = ()
    date: str = ""
    max_age: str | float | None = None
    due: str = ""
    max: int = 0
    min_records: int = 1
    timeout_ms: int | None = None

    @property
    def source(self) -> str:
        """What the register is, in a word and a name."""
        return next(f"{name} {text}" for name in SOURCES if (text := getattr(self, name)))


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What was authored, read."""

    conditions: Sequence[Condition]
    age_s_max: float | None

    def columns(self, options: RecordsOptions) -> list[str]:
        """Every column that has to be there."""
        named = (options.key, options.date, options.due, *(c.column for c in self.conditions))
        return [column for column in dict.fromkeys(named) if column]


class Records:
    """The provider."""

    def __init__(self) -> None:
        self._fetcher = Fetcher(trust=TrustStores())

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read the register once and count."""
        read = read_options(options, RecordsOptions)
        if isinstance(read, Verdict):
            return read
        rules = rules_of(read)
        if isinstance(rules, Verdict):
            return rules
        found: Sequence[Record] | Unreadable | None = None
        allowed = allowed_s(read.timeout_ms, look)
        with anyio.move_on_after(allowed):
            text = await self._text(read, look, commands)
            if isinstance(text, Unreadable):
                found = text
            else:
                found = await anyio.to_thread.run_sync(lambda: _records(text, read), abandon_on_cancel=True)
        if found is None:
            return errored("timeout", f"the register could not be read within {allowed:g} s")
        return interpret(found, read, rules, wall_s=look.wall_s)

    async def _text(self, options: RecordsOptions, look: Look, commands: CommandRunner) -> str | Unreadable:
        if options.url:
            return await self._fetched(options, look)
        if options.cmd:
            return _printed(
                await commands.run(
                    Command(
                        argv=(options.cmd, *options.args),
                        cwd=look.workspace,
                        deadline_s=allowed_s(options.timeout_ms, look),
                        path=look.path,
                        env=options.env,
                        output_bytes_max=BYTES_MAX,
                    )
                )
            )
        name = options.database or options.file
        path = name if name.startswith("/") else path_below(look.workspace, name)
        if not isinstance(path, str):
            return Unreadable(path.reason, path.detail)
        if options.file:
            return await anyio.to_thread.run_sync(_read, path, abandon_on_cancel=True)
        asked = {"database": path, "query": options.query, "rows_max": RECORDS_MAX}
        return _printed(
            await commands.run(
                Command(
                    argv=(sys.executable, "-I", "-S", sqlite_rows.__file__),
                    cwd=look.workspace,
                    deadline_s=allowed_s(options.timeout_ms, look),
                    path=look.path,
                    stdin_text=msgspec.json.encode(asked).decode(),
                    output_bytes_max=BYTES_MAX,
                )
            )
        )

    async def _fetched(self, options: RecordsOptions, look: Look) -> str | Unreadable:
        try:
            request = Request(
                method="GET", url=httpx.URL(options.url), headers=options.headers, bytes_kept=BYTES_MAX + 1
            )
        except (httpx.InvalidURL, ValueError) as error:
            return Unreadable("invalid_config", f"cannot be asked: {shortened(str(error))}")
        if not is_askable(request.url):
            return Unreadable("invalid_config", f"not an http:// or https:// address: {redact(options.url)}")
        answer = await self._fetcher.fetch(request, deadline_s=allowed_s(options.timeout_ms, look))
        if isinstance(answer, NoAnswer):
            return Unreadable(answer.reason, redact(answer.detail))
        if not 200 <= answer.status_code < 300:
            return Unreadable(
                "unexpected_status", f"{redact(public_url(request))}: status {answer.status_code}"
            )
        return _decoded(answer.body)


def rules_of(options: RecordsOptions) -> Rules | Verdict:
    """What is asked of the records, or the ERROR that says why it cannot be asked."""
    named = [name for name in SOURCES if getattr(options, name)]
    if len(named) != 1:
        return errored("invalid_config", f"one of {', '.join(SOURCES)} says where the register is")
    conditions: list[Condition] = []
    for text in options.where:
        condition = condition_of(text)
        if condition is None:
            return errored("invalid_config", f"where: not a condition: {shortened(text)}")
        conditions.append(condition)
    age_s_max = None if options.max_age is None else duration_s(options.max_age)
    if options.max_age is not None and (age_s_max is None or not options.date):
        return errored(
            "invalid_config", "max_age needs a duration such as 30d, and date, the column it counts from"
        )
    if len(options.delimiter) != 1 or options.delimiter in '\r\n\0"':
        return errored("invalid_config", "delimiter is one character")
    if not options.key:
        return errored("invalid_config", "key is the column that names a record")
    return Rules(conditions=conditions, age_s_max=age_s_max)


def interpret(
    found: Sequence[Record] | Unreadable, options: RecordsOptions, rules: Rules, *, wall_s: float
) -> Verdict:
    """PASS iff no more records fail than allowed; the failing ones are the findings."""
    evidence: dict[str, Json] = {"source": shortened(redact(options.source))}
    if isinstance(found, Unreadable):
        return errored(found.reason, found.detail, **evidence)
    evidence["records"] = len(found)
    if len(found) < options.min_records:
        detail = f"the register has {len(found)} records, at least {options.min_records} are expected"
        return errored("too_few_records", detail, **evidence)
    for column in rules.columns(options):
        if found and not any(column in record.values for record in found):
            return errored("column_missing", f"no record has {shortened(column)!r}", **evidence)
    counted = [r for r in found if all(c.holds(r.values) for c in rules.conditions)]
    failing = [(r, why) for r in counted if (why := _why(r, options, rules, wall_s=wall_s)) is not None]
    file = options.file or None
    verdict = Verdict(
        status=Status.PASS if len(failing) <= options.max else Status.FAIL,
        evidence={**evidence, "counted": len(counted), "failing": len(failing), "max": options.max},
        findings=[
            Finding(
                message=shortened(redact(f"{_name(record, options)}: {why}")), file=file, line=record.line
            )
            for record, why in failing[:FINDINGS_MAX]
        ],
        score=float(len(failing)),
        direction=Direction.LOWER_BETTER,
    )
    if verdict.is_green:
        return verdict
    detail = f"{len(failing)} failing, {options.max} allowed; first: {verdict.findings[0].message}"
    return msgspec.structs.replace(verdict, reason="records", detail=shortened(detail))


def _why(record: Record, options: RecordsOptions, rules: Rules, *, wall_s: float) -> str | None:
    """Why this record fails; None when it does not. A date that cannot be read is no excuse."""
    reasons: list[str] = []
    if rules.age_s_max is not None:
        at_s = date_s(record.values.get(options.date))
        if at_s is None:
            reasons.append(f"{options.date} is no date: {text_of(record.values.get(options.date))!r}")
        elif wall_s - at_s > rules.age_s_max:
            age, allowed = _days(wall_s - at_s), _days(rules.age_s_max)
            reasons.append(f"{options.date} is {age} ago, {allowed} allowed")
    if options.due:
        due_s = date_s(record.values.get(options.due), ends_day=True)
        if due_s is None:
            reasons.append(f"{options.due} is no date: {text_of(record.values.get(options.due))!r}")
        elif wall_s > due_s:
            reasons.append(f"{options.due} was {_days(wall_s - due_s)} ago")
    if rules.age_s_max is None and not options.due:
        return ", ".join(options.where) or "is in the register"
    return "; ".join(reasons) or None


def _name(record: Record, options: RecordsOptions) -> str:
    return text_of(record.values.get(options.key)) or f"(no {options.key})"


def _days(seconds: float) -> str:
    return f"{seconds / DAY_S:.0f} d" if seconds >= DAY_S else f"{seconds / 3600:.1f} h"


def _records(text: str, options: RecordsOptions) -> Sequence[Record] | Unreadable:
    written = Format.JSON if options.database else options.format or format_of(options.file)
    rows = "$" if options.database else options.rows
    return read_records(text, written=written, rows=rows, delimiter=options.delimiter)


def _printed(result: CommandResult) -> str | Unreadable:
    if result.ending is Ending.NOT_STARTED:
        return Unreadable(result.reason_code or "transient", result.reason or "it did not start")
    if result.ending is Ending.TIMED_OUT:
        return Unreadable("timeout", "the register's command did not come to its end")
    if result.ending is not Ending.EXITED or result.exit_code != 0:
        said = shortened(result.stderr.text.strip()) or f"exit {result.exit_code}, signal {result.signal}"
        return Unreadable("register_failed", said)
    if result.stdout.truncated:
        return Unreadable("register_too_large", f"{result.stdout.bytes_total} bytes are too many to read")
    return result.stdout.text


def _read(path: str) -> str | Unreadable:
    try:
        # A pipe without a writer would keep us for ever.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return Unreadable("register_unreadable", f"not a file: {path}")
            return _decoded(file.read(BYTES_MAX + 1))
    except FileNotFoundError:
        return Unreadable("register_missing", f"no such file: {path}")
    except (OSError, ValueError) as error:
        return Unreadable("register_unreadable", f"{path}: {error}")


def _decoded(content: bytes) -> str | Unreadable:
    if len(content) > BYTES_MAX:
        return Unreadable("register_too_large", f"the register has more than {BYTES_MAX} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return Unreadable("register_not_utf8", f"byte {error.start} is not UTF-8")
