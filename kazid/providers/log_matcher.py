"""Which lines of a log are server errors and which are panics, also as a program with a deadline of its own.

Authored expressions run in a process: one such as `(a+)+$` takes for ever on forty letters, and inside the daemon it
would take every goal with it. Run by path, stdlib only: `python -I -S log_matcher.py` with `{"patterns": […],
"lines": […]}` on stdin; the default expressions are linear and need no process.
"""

import json
import re
import sys
from collections.abc import Sequence


def hits(patterns: Sequence[str], lines: Sequence[str]) -> list[tuple[int, list[bool]]]:
    """The number of each line that any pattern is found in, and which of them are. Raises re.error."""
    compiled = [re.compile(pattern) for pattern in patterns]
    found: list[tuple[int, list[bool]]] = []
    for number, line in enumerate(lines):
        which = [pattern.search(line) is not None for pattern in compiled]
        if any(which):
            found.append((number, which))
    return found


if __name__ == "__main__":
    json.dump(hits(**json.load(sys.stdin.buffer)), sys.stdout)
