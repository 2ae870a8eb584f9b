"""What the four protocols share.

Each reads a request into the same small shape, and renders blocks as one JSON body or as SSE events (name or None,
payload). The shape: `tools` ({"name", "schema", "kind"}), `turns` (that called tools so far), `stream`, `model`,
`schema` (that the answer must follow, or None) and `text` (all of the prompt).
"""

import itertools
from collections.abc import Iterator
from typing import Any

USAGE = {"input": 1200, "output": 34, "cached": 200}
"""What every answer claims to have used."""

_ids = itertools.count(1)


def new_id(prefix: str) -> str:
    return f"{prefix}{next(_ids):08d}"


def texts_in(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from texts_in(item)
    elif isinstance(node, dict):
        for value in node.values():
            yield from texts_in(value)
