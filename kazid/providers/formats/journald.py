"""journald's JSON (`journalctl --output=json`): one object for each entry, its time in microseconds, its message.

A message that is no text comes as a list of bytes, one with several lines as one text, a field that was set twice as a
list of texts. What is no entry makes the whole output unreadable: half a log proves nothing.
"""

import json
from collections.abc import Iterator, Mapping

import msgspec

from kazid.core.json import Json
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry as a line of a log."""

    at_s: float
    text: str
    cursor: str


def read_entries(text: str) -> Iterator[Entry]:
    """The entries of an output, each once. Raises NotJson."""
    seen: set[str] = set()
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            fields: Json = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise NotJson(f"line {number}: {shortened(str(error))}") from None
        entry = _entry(fields, number)
        if entry.cursor not in seen:
            seen.add(entry.cursor)
            yield entry


def _entry(fields: Json, number: int) -> Entry:
    if not isinstance(fields, Mapping):
        raise NotJson(f"line {number} is no entry of a journal")
    cursor, at = fields.get("__CURSOR"), fields.get("__REALTIME_TIMESTAMP")
    try:
        at_s = int(str(at)) / 1e6
    except (ValueError, OverflowError):
        raise NotJson(f"line {number} is no entry of a journal: it has no time") from None
    return Entry(
        at_s=at_s,
        text=_text(fields.get("MESSAGE")),
        cursor=cursor if isinstance(cursor, str) else str(number),
    )


def _text(message: Json) -> str:
    match message:
        case str():
            text = message
        case list() if message and all(isinstance(each, int) and 0 <= each < 256 for each in message):
            text = bytes(each for each in message if isinstance(each, int)).decode("utf-8", errors="replace")
        case list():
            text = " ".join(_text(each) for each in message if isinstance(each, (str, list)))
        case _:
            text = ""
    return " ".join(text.split("\n"))
