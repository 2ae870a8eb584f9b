"""A check that is a shell script of the workspace, as the same check written inline: then the rules can read it. Pure.

Only where that is the same: a shell and a file, or a file that names a shell in its first line, and no arguments.
"""

import posixpath
from collections.abc import Sequence

from kazid.falsify.script import SHELLS

FLAGS = {"-e": "-ec", "-eu": "-euc"}


def file_of(argv: Sequence[str]) -> str | None:
    """The relative name of the script that this runs; None where it runs none of the workspace's."""
    words = list(argv)
    if posixpath.basename(words[0]) in SHELLS:
        words = words[1:]
        if words and words[0] in FLAGS:
            words = words[1:]
    elif "/" not in words[0]:
        return None
    if len(words) != 1 or words[0].startswith(("/", "-")) or ".." in words[0].split("/"):
        return None
    return posixpath.normpath(words[0])


def inlined(argv: Sequence[str], text: str) -> list[str] | None:
    """The same check with the script's text in it; None where its first line names no shell that is known."""
    flag = "-c"
    if posixpath.basename(argv[0]) in SHELLS:
        shell = argv[0]
        flag = FLAGS.get(argv[1], flag)
    else:
        first, _, _ = text.partition("\n")
        words = first.removeprefix("#!").split()
        if not first.startswith("#!") or not words:
            return None
        if posixpath.basename(words[0]) == "env":
            words = words[1:]
        if not words or posixpath.basename(words[0]) not in SHELLS or len(words) > 2:
            return None
        if len(words) == 2 and words[1] not in FLAGS:
            return None
        shell, flag = words[0], FLAGS.get(words[-1], flag)
    return [shell, flag, text]
