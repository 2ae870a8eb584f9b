"""The evidence folder and the orientation of one dispatch, from and to the disk.

The folder is the daemon's own, beside the workspace and never in it, and holds the newest dispatch's evidence only.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import anyio
import anyio.to_thread

from kazid.adapters.system.grammars import is_readable, read_source
from kazid.core.briefing import Briefing, evidence_files, pictures_of, spoken
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.orientation import hidden_words, orientation, places_of
from kazid.core.vector import VerdictVector
from kazid.shim.redaction import redact

BRIEF_S_MAX = 10.0
"""A slow disk delays a dispatch by no more; it goes without what is not ready."""
SOURCES_MAX = 600
SOURCE_BYTES_MAX = 200_000
SOURCES_BYTES_MAX = 8_000_000
PICTURE_BYTES_MAX = 10_000_000
SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "dist", "build", "target"})


class SystemBriefer:
    """Works in a thread."""

    async def brief(
        self, goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], *, folder: str | None
    ) -> Briefing:
        """See ports/briefer.py."""
        with anyio.move_on_after(BRIEF_S_MAX):
            return await anyio.to_thread.run_sync(
                _brief, goal, vector, predicates, folder, abandon_on_cancel=True
            )
        return Briefing()


def _brief(
    goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], folder: str | None
) -> Briefing:
    files: list[str] = []
    if folder is not None:
        with contextlib.suppress(OSError):
            files = list(_evidence(goal, vector, predicates, Path(folder)))
    pack = ""
    if goal.workspace is not None and goal.harness is not None and goal.harness.orientation:
        places = places_of(goal, vector, predicates)
        sources = _sources(Path(goal.workspace)) if places else {}
        pack = redact(orientation(places, sources, hidden=hidden_words(goal), reader=read_source))
    return Briefing(folder=folder if files else None, files=files, orientation=pack)


def _evidence(
    goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], folder: Path
) -> Iterator[str]:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for name, text in evidence_files(goal, vector, predicates).items():
        data = redact(text).encode(errors="replace")
        (folder / name).write_bytes(data)
        yield f"{name} ({len(data)} bytes)"
    for named in pictures_of(goal, vector, predicates):
        path = Path(goal.workspace or "/") / named
        if path.is_file() and path.stat().st_size <= PICTURE_BYTES_MAX:
            name = spoken(named)
            shutil.copyfile(path, folder / name)
            yield f"{name} ({path.stat().st_size} bytes)"


def _sources(workspace: Path) -> dict[str, str]:
    """Texts of source files below the workspace, in the order of their names."""
    sources: dict[str, str] = {}
    left = SOURCES_BYTES_MAX
    for folder, folders, names in os.walk(workspace):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            try:
                size = path.stat().st_size
                if name.startswith(".") or path.is_symlink() or size > min(left, SOURCE_BYTES_MAX):
                    continue
                # Of what no grammar is there for only the name is read: the place is all that is told.
                is_read = is_readable(name)
                text = path.read_text(encoding="utf-8", errors="replace") if is_read else ""
            except OSError:
                continue
            left -= size if is_read else 0
            sources[str(path.relative_to(workspace))] = text
            if len(sources) >= SOURCES_MAX:
                return sources
    return sources
