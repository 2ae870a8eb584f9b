"""JSON in a tool's output: parsed whole, bounded, also where it stands between log lines.

A document of many tiny values takes a hundred times its length in memory, so how many it may have is bounded before it
is parsed. Deep nesting and numbers without end are problems like a syntax error.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice

from kazid.core.json import Json
from kazid.providers.evidence import shortened

VALUES_MAX = 3_000_000
"""Commas and brackets of one text: a coverage report of a million lines has fewer, and parsed it stays below 300 MB."""

DOCUMENTS_MAX = 100
"""Places in the output at which a report may begin."""

SCANNED_TIMES_MAX = 3
"""How often the length of a text may be scanned in vain, for what begins like a document and is none."""

_DOCUMENT_START = re.compile(r"^[{\[]", re.MULTILINE)


class NotJson(Exception):
    """The text is no JSON, or too much of it; says why in words."""


def parse_json(text: str) -> Json:
    """The document. Raises NotJson."""
    _check_size(text)
    try:
        document: Json = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotJson(shortened(str(error))) from None
    return document


def parse_stream(text: str) -> list[Json]:
    """Documents one after another, with nothing but space between. Raises NotJson."""
    _check_size(text)
    decoder = json.JSONDecoder()
    documents: list[Json] = []
    at = _next(text, 0)
    while at < len(text):
        try:
            document: Json
            document, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as error:
            raise NotJson(shortened(str(error))) from None
        documents.append(document)
        at = _next(text, at)
    return documents


def documents_in(text: str) -> Iterator[Json]:
    """The documents of an output: the whole of it, or what begins on a line of its own between others."""
    try:
        _check_size(text)
    except NotJson:
        return
    decoder = json.JSONDecoder()
    first = _next(text, 0)
    starts = [first, *(match.start() for match in islice(_DOCUMENT_START.finditer(text), DOCUMENTS_MAX))]
    end = scanned = 0
    for start in starts:
        if start < end or scanned > SCANNED_TIMES_MAX * len(text):
            continue
        try:
            document: Json
            document, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            scanned += error.pos - start
            continue
        except (ValueError, RecursionError):
            scanned += len(text) - start
            continue
        yield document


def _check_size(text: str) -> None:
    values = sum(text.count(mark) for mark in ",[{")
    if values > VALUES_MAX:
        raise NotJson(f"{values} values are more than {VALUES_MAX}")


_SPACE = re.compile(r"\s*")


def _next(text: str, at: int) -> int:
    matched = _SPACE.match(text, at)
    return matched.end() if matched is not None else at
