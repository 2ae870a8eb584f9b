"""The evidence folder and the orientation of one dispatch, from and to the disk.

The folder is the daemon's own, beside the workspace and never in it, and holds the newest dispatch's evidence only.
"""

import contextlib
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from kazid.adapters.system.grammars import is_readable, read_source
from kazid.adapters.system.importers import importers_of
from kazid.core.briefing import Briefing, evidence_files, pictures_of, spoken
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.imports import Imported, question_of
from kazid.core.orientation import Place, hidden_words, near_files, orientation, places_of
from kazid.core.vector import VerdictVector
from kazid.shim.redaction import redact

BRIEF_S_MAX = 10.0
"""A slow disk delays a dispatch by no more; it goes without what is not ready."""
SOURCES_MAX = 600
PATHS_MAX = 5000
"""Of which the name is known, with what is read."""
SOURCE_BYTES_MAX = 200_000
SOURCES_BYTES_MAX = 8_000_000
PICTURE_BYTES_MAX = 10_000_000
SKIPPED = frozenset({"node_modules", "__pycache__", "venv", "site-packages", "dist", "build", "target"})


class _Laid(msgspec.Struct, frozen=True):
    """What was read and written in a thread."""

    files: Sequence[str] = ()
    places: Sequence[Place] = ()
    sources: Mapping[str, str] = {}


class SystemBriefer:
    """Works in a thread, and asks for imports in a process."""

    async def brief(
        self, goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], *, folder: str | None
    ) -> Briefing:
        """See ports/briefer.py."""
        with anyio.move_on_after(BRIEF_S_MAX):
            laid = await anyio.to_thread.run_sync(
                _laid, goal, vector, predicates, folder, abandon_on_cancel=True
            )
            hidden = hidden_words(goal)
            imported, said = await _imports(goal, laid, hidden)
            pack = await anyio.to_thread.run_sync(_pack, laid, hidden, imported, abandon_on_cancel=True)
            return Briefing(
                folder=folder if laid.files else None, files=laid.files, orientation=pack, imports=said
            )
        return Briefing()


def _laid(goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId], folder: str | None) -> _Laid:
    files: list[str] = []
    if folder is not None:
        with contextlib.suppress(OSError):
            files = list(_evidence(goal, vector, predicates, Path(folder)))
    if goal.workspace is None or goal.harness is None or not goal.harness.orientation:
        return _Laid(files)
    places = places_of(goal, vector, predicates)
    return _Laid(files, places, _sources(Path(goal.workspace)) if places else {})


async def _imports(goal: Goal, laid: _Laid, hidden: str) -> tuple[Mapping[str, Imported], str | None]:
    """Of the files near the failure; nothing is said where none of them is in a package."""
    visible = [path for path in laid.sources if path not in hidden]
    near = near_files(laid.places, visible)
    question = question_of(list(near), visible) if near else None
    if question is None or goal.workspace is None:
        return {}, None
    return await importers_of(question, goal.workspace)


def _pack(laid: _Laid, hidden: str, imported: Mapping[str, Imported]) -> str:
    return redact(
        orientation(laid.places, laid.sources, hidden=hidden, reader=read_source, imported=imported)
    )


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
    left, files_left = SOURCES_BYTES_MAX, SOURCES_MAX
    for folder, folders, names in os.walk(workspace):
        folders[:] = sorted(f for f in folders if f not in SKIPPED and not f.startswith("."))
        for name in sorted(names):
            path = Path(folder) / name
            try:
                size = path.stat().st_size
                if name.startswith(".") or path.is_symlink() or size > min(left, SOURCE_BYTES_MAX):
                    continue
                # Of what no grammar is there for only the name is read: the place is all that is told.
                is_read = files_left > 0 and is_readable(name)
                text = path.read_text(encoding="utf-8", errors="replace") if is_read else ""
            except OSError:
                continue
            left, files_left = (left - size, files_left - 1) if is_read else (left, files_left)
            sources[str(path.relative_to(workspace))] = text
            if len(sources) >= PATHS_MAX:
                return sources
    return sources
