"""Paths that a goal-file names: a path, a folder (all in it), or a glob. One meaning wherever paths are matched.

As in git: `*`, `?` and `[…]` stay within one name, and a name that is `**` stands for any number of folders. Pure.
"""

import posixpath
from collections.abc import Sequence
from fnmatch import fnmatchcase


def is_named(path: str, pattern: str) -> bool:
    """Whether this pattern names this path; both from the same folder."""
    plain = posixpath.normpath(pattern)
    if plain == "." or path == plain or path.startswith(f"{plain}/"):
        return True
    return _matches(path.split("/"), plain.split("/"))


def _matches(names: Sequence[str], globs: Sequence[str]) -> bool:
    """Whether the globs take all of the names: by a table, so that many `**` cost no more than one."""
    reached = {0}
    """How many names the globs so far can have taken."""
    for position, glob in enumerate(globs):
        if glob == "**":
            first = min(reached, default=len(names) + 1)
            # As the last name it stands for all below a folder, but not for the folder itself.
            first += position == len(globs) - 1
            reached = set(range(first, len(names) + 1))
        else:
            reached = {
                taken + 1 for taken in reached if taken < len(names) and fnmatchcase(names[taken], glob)
            }
    return len(names) in reached
