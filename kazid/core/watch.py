"""What would change an answer: the things a predicate names to be watched between its looks.

A source is a value: a path, a process, a unit, a hook. Whoever watches them says only that something happened, and the
look decides what it means (SEMANTICS §2), so a source that is missed costs an interval and never a wrong verdict. Pure;
who watches is `ports/watcher.py`, what a push leads to is `core/push.py`.
"""

from collections.abc import Sequence
from typing import TypeAlias, assert_never

import msgspec

SOURCES_MAX = 32
"""Of one predicate. A kind that would name more names these, and is polled for the rest."""


class Wake(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The `wake` table of a predicate, as authored. `auto`: besides these, what its kind can tell by itself."""

    hook: bool = False
    files: Sequence[str] = ()
    pid_file: str | None = None
    unit: str | None = None
    auto: bool = True

    @property
    def is_relative(self) -> bool:
        """True where it names something below the workspace."""
        return any(not name.startswith("/") for name in (*self.files, self.pid_file or "/"))


class FileSource(msgspec.Struct, frozen=True, tag="file"):
    """A name in the file system: that it comes, goes, is replaced or changes; of a folder, what is directly in it."""

    path: str


class ProcessSource(msgspec.Struct, frozen=True, tag="process"):
    """The end of a process."""

    pid: int


class PidFileSource(msgspec.Struct, frozen=True, tag="pid_file"):
    """A pid file, and the end of the process that it names."""

    path: str


class UnitSource(msgspec.Struct, frozen=True, tag="unit"):
    """A unit of systemd that starts or stops."""

    unit: str
    user: bool = False


class HookSource(msgspec.Struct, frozen=True, tag="hook"):
    """Whoever knows the hook's token."""


Source: TypeAlias = FileSource | ProcessSource | PidFileSource | UnitSource | HookSource


def authored(wake: Wake, folder: str) -> tuple[Source, ...]:
    """What a goal-file names; paths that are not absolute are below `folder`."""
    found: list[Source] = [HookSource()] if wake.hook else []
    found += [FileSource(below(folder, name)) for name in wake.files]
    if wake.pid_file is not None:
        found.append(PidFileSource(below(folder, wake.pid_file)))
    if wake.unit is not None:
        found.append(UnitSource(wake.unit))
    return tuple(found)


def below(folder: str, name: str) -> str:
    """An absolute path: the name itself where it is one."""
    return name if name.startswith("/") else f"{folder.rstrip('/')}/{name}"


def bounded(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Each once, in order, and no more than one predicate may have."""
    return tuple(dict.fromkeys(sources))[:SOURCES_MAX]


def kind_of(source: Source) -> str:
    """What sort of thing it is, in a word: as in `wake`."""
    return str(source.__struct_config__.tag)


def named(source: Source) -> str:
    """A source in words, for people. A hook's token is never among them."""
    match source:
        case FileSource():
            return f"file {source.path}"
        case ProcessSource():
            return f"process {source.pid}"
        case PidFileSource():
            return f"process of {source.path}"
        case UnitSource():
            return f"{'user unit' if source.user else 'unit'} {source.unit}"
        case HookSource():
            return "hook"
        case _:
            assert_never(source)
