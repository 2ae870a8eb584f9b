"""Who imports the Python files near a failure, asked of grimp in a process of its own: it reads a whole package.

The extra `orientation` has grimp; without it, or where a tree is too much for it, an agent is told nothing of imports,
and the dispatch's trace says why. Nothing raises.
"""

import itertools
import os
import sys
from collections.abc import Mapping

import anyio.lowlevel
import msgspec

from kazid.adapters.system.capture import Capture
from kazid.adapters.system.child_process import END_S, ChildProcess
from kazid.adapters.system.import_graph import EXIT_NOT_INSTALLED
from kazid.core.environment import build_environment
from kazid.core.imports import Imported, Question, imported_of

IMPORTS_S_MAX = 4.0
"""A package of 500 modules takes 0.25 s; within what a briefing may take as a whole."""
ANSWER_BYTES_MAX = 1024 * 1024
TOLD = "told"
_PROGRAM = os.path.join(os.path.dirname(__file__), "import_graph.py")
_MARKER = "KAZI_IMPORTS"
_numbers = itertools.count(1)


async def importers_of(question: Question, workspace: str) -> tuple[Mapping[str, Imported], str]:
    """What imports each file that was asked about, and `told` or why nothing is."""
    asked = {
        "packages": {name: os.path.join(workspace, top) for name, top in question.packages.items()},
        "modules": sorted(question.modules),
    }
    marker = (_MARKER, f"{os.getpid()}.{next(_numbers)}")
    stdout = Capture(ANSWER_BYTES_MAX)
    child = ChildProcess(
        (sys.executable, "-I", _PROGRAM),
        cwd="/",
        env=build_environment(os.environ, path="", extra={}, marker=marker),
        marker=marker,
        stdout=stdout,
        stderr=None,
        stdin=msgspec.json.encode(asked),
    )
    try:
        with anyio.move_on_after(IMPORTS_S_MAX):
            child.start()
            await anyio.lowlevel.checkpoint()
            await child.attend()
    except (OSError, ValueError):
        return {}, "it could not be started"
    finally:
        with anyio.move_on_after(END_S, shield=True):
            await child.end()
    if not child.has_exited:
        return {}, f"no answer within {IMPORTS_S_MAX:g} s"
    if child.exit_code != 0:
        missing = child.exit_code == EXIT_NOT_INSTALLED
        return {}, "grimp is not installed" if missing else "grimp failed on this tree"
    return read(question, stdout.content())


def read(question: Question, answer: bytes) -> tuple[Mapping[str, Imported], str]:
    """The answer of the program. Pure."""
    try:
        graph = msgspec.json.decode(answer, type=dict[str, tuple[list[tuple[str, int]], int]])
    except msgspec.DecodeError:
        return {}, "grimp's answer cannot be read"
    return imported_of(question, {module: Imported(*found) for module, found in graph.items()}), TOLD
