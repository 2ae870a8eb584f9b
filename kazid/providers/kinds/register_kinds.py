"""Kinds that read what people and tools keep lists in: registers whose failing items are the finding list.

Keys and load checks only; the providers are elsewhere.
"""

from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import ARGS, CMD, ENV, TIMEOUT_MS
from kazid.providers.record_rules import condition_of

SOURCES: Final = ("file", "url", "cmd", "database")
FORMATS: Final = ("csv", "json", "jsonl", "yaml")


def _check_records(options: JsonObject) -> Iterator[KeyProblem]:
    named = [name for name in SOURCES if options.get(name)]
    if len(named) != 1:
        key = named[1] if named else "file"
        yield KeyProblem(key=key, message=f"one of {', '.join(SOURCES)} says where the register is")
    if ("query" in options) != ("database" in options):
        yield KeyProblem(key="query", message="database and query belong together")
    for key in ("max_age", "date"):
        if key not in options and ({"max_age", "date"} & options.keys()):
            yield KeyProblem(key=key, message="date and max_age belong together")
    where = options.get("where", ())
    for number, text in enumerate(where if isinstance(where, list | tuple) else (), start=1):
        if isinstance(text, str) and condition_of(text) is None:
            yield KeyProblem(
                key=f"where[{number}]",
                message=f"where[{number}] must be a condition, not {text[:40]!r}",
                hint='e.g. "status != closed", "severity in high|critical", "owner is empty", "score >= 7"',
            )


RECORDS = KindSpec(
    name="records",
    summary="a register in which no more items are open, overdue or too old than allowed",
    verdicts="pass: at most max records fail; fail: more, each a finding; error: the register cannot be read whole, "
    "lacks a column, or has fewer than min_records",
    live=True,
    built=True,
    keys={
        "file": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="the register: a file below the workspace, or absolute"
        ),
        "url": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="or what this http:// or https:// address answers"
        ),
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help=f"or what this prints; {CMD.help}"),
        "database": KeySpec(type=KeyType.NON_EMPTY_STRING, help="or the rows of query in this SQLite file"),
        "query": KeySpec(type=KeyType.NON_EMPTY_STRING, help="one SQL query that reads"),
        "args": ARGS,
        "env": ENV,
        "headers": KeySpec(type=KeyType.STRING_TABLE, help="request headers of url"),
        "format": KeySpec(
            type=KeyType.STRING, choices=FORMATS, help="by the file's ending when absent, else json"
        ),
        "rows": KeySpec(
            type=KeyType.NON_EMPTY_STRING, default="$", help="JSONPath to the list, in JSON and YAML"
        ),
        "delimiter": KeySpec(type=KeyType.NON_EMPTY_STRING, default=",", help="of CSV"),
        "key": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the column that names a record"),
        "where": KeySpec(
            type=KeyType.STRING_LIST,
            help="which records count, all of: column == != < <= > >= value, in a|b, not in a|b, is empty, is set",
        ),
        "date": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="the column max_age counts from (ISO date or epoch)"
        ),
        "max_age": KeySpec(type=KeyType.DURATION, help="a counted record older than this fails"),
        "due": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="a counted record whose day in this column is over fails"
        ),
        "max": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, default=0, help="how many may fail"),
        "min_records": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, default=1, help="a register with fewer is an error"
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_records,
)

KINDS = (RECORDS,)
