"""Kinds that put a query to a database. Keys and load checks only."""

from collections.abc import Iterator

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import TIMEOUT_MS, bad_pass_when
from kazid.providers.sql import problem_of_url


def _check_sql(options: JsonObject) -> Iterator[KeyProblem]:
    if ("database" in options) == ("url" in options):
        yield KeyProblem(
            key="database", message="either database (a SQLite file) or url (PostgreSQL) is needed"
        )
    if "url" in options and (problem := problem_of_url(str(options["url"]))) is not None:
        yield KeyProblem(key="url", message=problem)
    if not str(options.get("query", "")).strip():
        yield KeyProblem(key="query", message="query must not be empty")
    yield from bad_pass_when(options)
    if options.get("pass_when") == "":
        yield KeyProblem(key="pass_when", message='pass_when must be a comparison such as "== 0"')
    if "pass_when" in options and "equals" in options:
        yield KeyProblem(key="equals", message="pass_when and equals exclude each other")
    if options.get("expect") == "absent":
        for key in ("pass_when", "equals"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')


SQL = KindSpec(
    name="sql",
    summary="one value of a query is as it should be, or the query finds a row, or none",
    verdicts="pass: the value compares as asked, or there is a row (absent: there is none); fail: otherwise, or the "
    "database is not there; error: a query that is refused, too slow or no scalar; unknown no_data: no row or NULL",
    live=True,
    built=True,
    keys={
        "query": KeySpec(
            type=KeyType.NON_EMPTY_STRING, required=True, help="one SELECT; it is put read-only"
        ),
        "database": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="a SQLite file, absolute or below the workspace"
        ),
        "url": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="postgresql://USER@HOST/NAME, without a password; needs kazi[postgres]",
        ),
        "pass_when": KeySpec(type=KeyType.STRING, help='a comparison of its first value, e.g. "== 0"'),
        "equals": KeySpec(type=KeyType.NUMBER_OR_STRING, help="what its first value has to be"),
        "expect": KeySpec(
            type=KeyType.STRING,
            choices=("present", "absent"),
            default="present",
            help="without pass_when and equals: whether there has to be a row, or may be none",
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_sql,
)

KINDS = (SQL,)
