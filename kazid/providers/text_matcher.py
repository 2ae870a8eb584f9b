"""A program that says which regular expressions find something in which texts, in a process that can be ended.

For the reason of `line_matcher.py`: while Python matches, nothing else of the process runs, and some expressions never
come to an end. Run by path, stdlib only: `python -I -S text_matcher.py` with `{"regexes": [], "texts": []}` on stdin.
"""

import json
import re
import sys
from collections.abc import Sequence


def found(regexes: Sequence[str], texts: Sequence[str]) -> list[list[bool]]:
    """For each expression, whether it finds something in each text. Raises re.error."""
    return [[re.search(regex, text) is not None for text in texts] for regex in regexes]


if __name__ == "__main__":
    json.dump(found(**json.load(sys.stdin.buffer)), sys.stdout)
