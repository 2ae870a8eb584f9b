"""`sql`: one value of a query is as it should be, or the query finds a row, or finds none.

SQLite files are read in the core; PostgreSQL needs the extra `kazi[postgres]`. A query that says nothing (no row, NULL)
where a value is judged makes no claim: `unknown`, never green. `expect = "absent"` is for queries that list what may
not be: overdue jobs, orphans, failed payments.
"""

import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.blocking import THREADS_MAX, in_thread
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options
from kazid.providers.pass_when import PassWhen, parse_pass_when
from kazid.providers.sql_answer import Cell, Rows
from kazid.providers.sql_postgres import ask_postgres
from kazid.providers.sql_sqlite import ask_sqlite
from kazid.shim.redaction import redact

SCHEMES = ("postgresql", "postgres")
INTEGER_MAX = 2**63
"""Beyond it no JSON reader agrees on a number."""


class SqlOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    query: str
    database: str = ""
    url: str = ""
    pass_when: str = ""
    equals: str | int | float | None = None
    expect: Literal["present", "absent"] = "present"
    timeout_ms: int | None = None

    @property
    def judges_a_value(self) -> bool:
        """True when the value decides, and not whether there is a row."""
        return bool(self.pass_when) or self.equals is not None


class Sql:
    """The provider."""

    def __init__(self) -> None:
        self._threads = anyio.CapacityLimiter(THREADS_MAX)

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Put the query once."""
        read = read_options(options, SqlOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        deadline_s = max(0.0, allowed_s(read.timeout_ms, look))
        if read.url:
            where = public_url(read.url)
            answer = await ask_postgres(read.url, read.query, deadline_s=deadline_s)
        else:
            where = str(Path(look.workspace, read.database))
            work = partial(ask_sqlite, where, read.query)
            asked = await in_thread(work, deadline_s=deadline_s, limiter=self._threads)
            answer = asked or errored("timeout", "the query did not end in time")
        verdict = answer if isinstance(answer, Verdict) else interpret(answer, read)
        evidence: dict[str, Json] = {
            "database": shortened(redact(where)),
            "query": shortened(redact(" ".join(read.query.split()))),
            "expect": read.expect,
        }
        return msgspec.structs.replace(verdict, evidence={**evidence, **verdict.evidence})


def problem_of(options: SqlOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if not options.query.strip():
        return "query must not be empty"
    if bool(options.database) == bool(options.url):
        return "one of database (a SQLite file) and url (PostgreSQL) has to say which database"
    if options.url and (problem := problem_of_url(options.url)) is not None:
        return problem
    if options.pass_when and parse_pass_when(options.pass_when) is None:
        return f"pass_when is not a comparison: {shortened(options.pass_when)!r}"
    if options.pass_when and options.equals is not None:
        return "pass_when and equals exclude each other"
    if options.expect == "absent" and options.judges_a_value:
        return 'pass_when and equals mean nothing with expect = "absent"'
    return None


def problem_of_url(url: str) -> str | None:
    """Why this cannot be asked, or must not stand in a goal-file; None when it can."""
    try:
        parts = urlsplit(url)
        has_password = parts.password is not None or "password" in parse_qs(parts.query)
    except ValueError:
        return "url cannot be read"
    if parts.scheme not in SCHEMES:
        return "url must begin with postgresql://"
    if has_password:
        return "url must not hold a password: put it into ~/.pgpass of the daemon's user"
    return None


def public_url(url: str) -> str:
    """The address without the password that it should not have."""
    try:
        return urlsplit(url)._replace(query="").geturl()
    except ValueError:
        return "url"


def interpret(rows: Rows, options: SqlOptions) -> Verdict:
    """PASS iff the value, or whether there is a row, is as asked."""
    evidence: dict[str, Json] = {
        "row": None if rows.first is None else [_shown(cell) for cell in rows.first],
        "has_more_rows": rows.has_more,
    }
    if options.judges_a_value:
        return _by_value(rows, options, evidence)
    if options.expect == "absent":
        if rows.first is None:
            return Verdict(status=Status.PASS, evidence=evidence)
        found = ", ".join(str(_shown(cell)) for cell in rows.first)
        words = f"the query found {shortened(found)}{' and more' if rows.has_more else ''}"
        return Verdict(status=Status.FAIL, reason="row_found", detail=words, evidence=evidence)
    if rows.first is None:
        return Verdict(
            status=Status.FAIL, reason="no_rows", detail="the query found nothing", evidence=evidence
        )
    return Verdict(status=Status.PASS, evidence=evidence)


def _by_value(rows: Rows, options: SqlOptions, evidence: dict[str, Json]) -> Verdict:
    if rows.first is None or not rows.first or rows.first[0] is None:
        said = "no row" if rows.first is None else "NULL"
        return unknown("no_data", f"the query answered {said}: there is no value to judge", **evidence)
    if rows.has_more:
        return errored("not_a_scalar", "the query answered several rows: which value is meant?", **evidence)
    value = rows.first[0]
    evidence["value"] = _shown(value)
    number = _number(value)
    pass_when = parse_pass_when(options.pass_when) if options.pass_when else None
    if pass_when is not None:
        if number is None:
            return errored("not_a_number", f"{_shown(value)!r} is no number to compare", **evidence)
        return _verdict(pass_when.holds(number), number, f"not {_asked(pass_when)}", evidence)
    wanted = options.equals
    is_equal = (
        number == wanted
        if number is not None and not isinstance(wanted, str)
        else _text(value) == str(wanted)
    )
    return _verdict(is_equal, number, f"not {wanted!r}", evidence)


def _verdict(holds: bool, number: float | None, otherwise: str, evidence: dict[str, Json]) -> Verdict:
    if holds:
        return Verdict(status=Status.PASS, evidence=evidence, score=number)
    detail = f"the query answered {evidence['value']!r}, {shortened(otherwise)}"
    return Verdict(status=Status.FAIL, reason="pass_when", detail=detail, evidence=evidence, score=number)


def _asked(pass_when: PassWhen) -> str:
    return f"{pass_when.operator} {pass_when.bound:g}"


def _number(value: Cell) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _text(value: Cell) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _shown(value: Cell) -> Json:
    if isinstance(value, str):
        return shortened(redact(value))
    if isinstance(value, bool) or value is None:
        return value
    return value if math.isfinite(value) and abs(value) < INTEGER_MAX else str(value)[:40]
