"""A register's text as records: CSV, JSON, JSON Lines or YAML, read whole or not at all.

Pure, but for the YAML library. A row that does not fit its header, a text that is cut or no UTF-8, a path that leads to
no list: the register cannot be read, and nothing is said of the rows before it.
"""

import csv
import datetime as dt
import enum
import importlib
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kazid.core.json import Json
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json, parse_stream
from kazid.providers.json_path import PathProblem, value_at

RECORDS_MAX = 100_000
YAML_DEPTH_MAX = 100
YAML_CHARS_MAX = 2_000_000
"""Reading takes about a second for each."""


class Format(enum.Enum):
    """How a register is written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"


ENDINGS: Mapping[str, Format] = {
    "csv": Format.CSV,
    "json": Format.JSON,
    "jsonl": Format.JSONL,
    "ndjson": Format.JSONL,
    "yaml": Format.YAML,
    "yml": Format.YAML,
}


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One entry, with the line it begins on where there is one."""

    values: Mapping[str, Json]
    line: int | None = None


class Unreadable(msgspec.Struct, frozen=True):
    """Why there are no records: a reason for rules, a sentence for people."""

    reason: str
    detail: str


def format_of(name: str) -> Format:
    """The format a file's ending tells; JSON where it tells none."""
    return ENDINGS.get(name.rpartition(".")[2].lower(), Format.JSON)


def read_records(text: str, *, written: Format, rows: str, delimiter: str) -> Sequence[Record] | Unreadable:
    """Every record of the text, or why it cannot be read."""
    try:
        found = _found(text, written, rows, delimiter)
    except _NoRecords as error:
        return error.why
    except NotJson as error:
        return Unreadable("invalid_json", str(error))
    if len(found) > RECORDS_MAX:
        return Unreadable("too_many_records", f"more than {RECORDS_MAX} records")
    return found


def _found(text: str, written: Format, rows: str, delimiter: str) -> list[Record]:
    match written:
        case Format.CSV:
            return list(_csv(text, delimiter))
        case Format.JSON:
            return _objects(parse_json(text), rows)
        case Format.JSONL:
            return _objects(parse_stream(text), "$")
        case Format.YAML:
            return _objects(_yaml(text), rows)


class _NoRecords(Exception):
    """The text holds no register."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.why = Unreadable(reason, shortened(detail))


def _csv(text: str, delimiter: str) -> Iterator[Record]:
    reader = csv.reader(
        io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, strict=True
    )
    try:
        nothing: list[str] = []
        first = next(reader, nothing)
        header = [name.strip() for name in first]
        if not any(header):
            raise _NoRecords("invalid_csv", "there is no header line")
        if len(set(header)) < len(header):
            raise _NoRecords("invalid_csv", f"a column is there twice: {', '.join(header)}")
        line = reader.line_num
        for number, row in enumerate(reader):
            begins, line = line + 1, reader.line_num
            if not row:
                continue
            if len(row) != len(header):
                raise _NoRecords(
                    "invalid_csv", f"line {begins} has {len(row)} fields, the header {len(header)}"
                )
            if number > RECORDS_MAX:
                return
            yield Record(values=dict(zip(header, (cell.strip() for cell in row), strict=True)), line=begins)
    except csv.Error as error:
        raise _NoRecords("invalid_csv", f"line {reader.line_num}: {error}") from None


def _yaml(text: str) -> Json:
    if len(text) > YAML_CHARS_MAX:
        raise _NoRecords("invalid_yaml", f"{len(text)} characters of YAML are more than {YAML_CHARS_MAX}")
    try:
        yaml: Any = importlib.import_module("yaml")
    except ModuleNotFoundError:
        raise _NoRecords("unsupported_format", "YAML needs PyYAML: pip install 'kazi[yaml]'") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _check_depth(
            yaml.parse(text, Loader=loader),
            opening=(yaml.MappingStartEvent, yaml.SequenceStartEvent),
            closing=(yaml.MappingEndEvent, yaml.SequenceEndEvent),
        )
        document: Json = yaml.load(text, Loader=loader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise _NoRecords("invalid_yaml", " ".join(str(error).split())) from None
    return document


def _check_depth(events: Iterable[object], *, opening: tuple[type, ...], closing: tuple[type, ...]) -> None:
    """Raises _NoRecords where a value lies deeper than any register's.

    The C loader recurses without a bound: a megabyte of brackets ended the whole process with a segmentation fault.
    """
    depth = 0
    for event in events:
        depth += isinstance(event, opening) - isinstance(event, closing)
        if depth > YAML_DEPTH_MAX:
            raise _NoRecords("invalid_yaml", f"its values are more than {YAML_DEPTH_MAX} deep")


def _objects(document: Json, rows: str) -> list[Record]:
    found = value_at(document, rows)
    if isinstance(found, PathProblem):
        raise _NoRecords(found.reason, found.detail)
    if not isinstance(found, list):
        raise _NoRecords("invalid_register", f"{rows} is no list of records")
    for number, each in enumerate(found):
        if not isinstance(each, Mapping):
            raise _NoRecords("invalid_register", f"{rows}[{number}] is no record with named fields")
    return [
        Record(values={str(k): _scalar(v) for k, v in each.items()})
        for each in found
        if isinstance(each, Mapping)
    ]


def _scalar(value: object) -> Json:
    """Dates as ISO text. What is nested is only said to be there: no register is judged by it."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case dt.date():
            return value.isoformat()
        case _:
            return f"({type(value).__name__})"
