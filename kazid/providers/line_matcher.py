"""A program that counts the lines a regular expression matches, in a process of its own with a deadline.

An expression such as `(a+)+$` takes for ever on forty letters, and while Python matches nothing else of the process
runs: inside the daemon it would take every goal with it, and again after each restart. Run by path, stdlib only:
`python -I -S line_matcher.py` with `{"regex": …, "text": …, "lines_max": …}` on stdin.
"""

import json
import re
import sys
from collections.abc import Iterator

LINE_CHARS_MAX = 1000
"""Of a line that is told; all of it is matched."""


def matching(regex: str, text: str, *, lines_max: int) -> dict[str, object]:
    """How many lines match, and the first of them. Raises re.error."""
    pattern = re.compile(regex)
    count = 0
    first: list[str] = []
    for line in lines_of(text):
        if pattern.search(line):
            count += 1
            if count <= lines_max:
                first.append(line[:LINE_CHARS_MAX])
    return {"count": count, "lines": first}


def lines_of(text: str) -> Iterator[str]:
    """The lines that are not empty. Not `splitlines`, which ends lines at form feeds and the like."""
    return (line for line in (raw.removesuffix("\r") for raw in text.split("\n")) if line)


if __name__ == "__main__":
    json.dump(matching(**json.load(sys.stdin.buffer)), sys.stdout)
