"""`wake = { … }` of a predicate: what else brings a look at once, checked and resolved.

What is watched is only named here; whether it can be is known when it is, and `explain` says so.
"""

import re

from kazid.core.watch import SOURCES_MAX, Wake
from kazid.goalfile import vocabulary
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table, read_table

PATH_CHARS_MAX = 4096
_PATTERN = re.compile(r"[*?\[]")
_UNIT = re.compile(r"[A-Za-z0-9:_.\\@-]{1,255}")


def read_wake(table: Table, problems: Problems, *, what: str) -> Wake | None:
    """The table of this predicate; None where it has none. What is wrong with it becomes a problem."""
    if not table.has("wake"):
        return None
    path = (*table.path, "wake")
    wake = read_table(table.raw("wake"), vocabulary.WAKE, problems, path=path, what=f"{what}: wake")
    files, unit, pid_file = wake.texts("files"), wake.text("unit"), wake.text("pid_file")
    if len(files) > SOURCES_MAX:
        problems.add(
            (*path, "files"), f"{what}: wake.files names at most {SOURCES_MAX} files, not {len(files)}"
        )
    for name in files:
        if not name or len(name) > PATH_CHARS_MAX or "\0" in name:
            problems.add((*path, "files"), f"{what}: wake.files: {shown(name[:40])} is no path")
        elif _PATTERN.search(name):
            message = f"{what}: wake.files: {shown(name)} is a pattern, and names are watched"
            problems.add((*path, "files"), message, hint="name the folder: what is directly in it counts")
    if pid_file is not None and (len(pid_file) > PATH_CHARS_MAX or "\0" in pid_file):
        problems.add((*path, "pid_file"), f"{what}: wake.pid_file is no path")
    if unit is not None and _UNIT.fullmatch(unit) is None:
        problems.add(
            (*path, "unit"), f"{what}: wake.unit must be the name of one unit, such as nginx.service"
        )
    return Wake(
        hook=wake.flag("hook", default=False),
        files=files,
        pid_file=pid_file,
        unit=unit,
        auto=wake.flag("auto", default=True),
    )
