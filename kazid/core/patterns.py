"""Paths that a goal-file names: a path, a folder (all in it), or a glob. One meaning wherever paths are matched.

As in a shell and in git: `*` and `?` stay within one name, `**` crosses folders, `[…]` is one character. Pure.
"""

import posixpath
import re
from functools import lru_cache

_TOKEN = re.compile(r"\*\*/|\*\*|\*|\?|\[!?\]?[^\]]*\]|.", re.DOTALL)


def is_named(path: str, pattern: str) -> bool:
    """Whether this pattern names this path; both from the same folder."""
    plain = posixpath.normpath(pattern)
    if plain == "." or path == plain or path.startswith(f"{plain}/"):
        return True
    return _glob(plain).fullmatch(path) is not None


@lru_cache(maxsize=1024)
def _glob(pattern: str) -> re.Pattern[str]:
    return re.compile("".join(map(_regex, _TOKEN.findall(pattern))), re.DOTALL)


def _regex(token: str) -> str:
    match token:
        case "**/":
            return "(?:.*/)?"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(token) > 2:
            inner = token[1:-1].replace("\\", r"\\").replace("[", r"\[")
            return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        case _:
            return re.escape(token)
