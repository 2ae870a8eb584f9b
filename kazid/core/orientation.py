"""Where to look: files, symbols, callers and importers near a failure, in a few lines. Deterministic and pure.

From the places that evidence names (`File "a.py", line 3`, `a.py:3`) and the sources of a tree, each read by its
grammar; of a language that the reader does not know only the place is told. Names, lines and signatures, never bodies;
bounded in bytes. The same failure in the same tree gives the same text, so that an agent's prompt cache can hit.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import msgspec

from kazid.core.briefing import texts_of
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.imports import Imported, told
from kazid.core.source_code import Reader, SourceFile, read_python
from kazid.core.vector import VerdictVector

ORIENTATION_BYTES_MAX = 3072
"""About 800 tokens: a tenth of what a whole prompt may be."""
PLACES_MAX = 12
FILES_MAX = 6
SYMBOLS_MAX = 12
CALLERS_MAX = 8
NAMES_MAX = 10
NO_IMPORTS: Mapping[str, Imported] = {}

_PLACE = re.compile(
    r'File "([^"\n]{1,300})", line (\d{1,7})|(?<![\w/.:-])([\w./-]{1,300}\.[A-Za-z]\w{0,7}):(\d{1,7})\b'
)


class Place(msgspec.Struct, frozen=True):
    """A file as evidence names it, and a line in it."""

    file: str
    line: int


def places_of(goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId]) -> list[Place]:
    """What the evidence of these predicates points at, in order, each once; what is held out points at nothing."""
    found: dict[Place, None] = {}
    for predicate_id in predicates:
        if goal.predicate(predicate_id).held_out:
            continue
        verdict = vector.reading(predicate_id).verdict
        for finding in verdict.findings:
            if finding.file is not None:
                found[Place(finding.file, finding.line or 1)] = None
        for piece in texts_of([verdict.detail, verdict.evidence]):
            for match in _PLACE.finditer(piece):
                found[Place(match[1] or match[3], int(match[2] or match[4]))] = None
    return list(found)[:PLACES_MAX]


def hidden_words(goal: Goal) -> str:
    """What held-out predicates are checked with: a file that it names is not told of."""
    return msgspec.json.encode([p.options for p in goal.predicates if p.held_out]).decode()


def orientation(
    places: Sequence[Place],
    sources: Mapping[str, str],
    *,
    hidden: str = "[]",
    reader: Reader = read_python,
    imported: Mapping[str, Imported] = NO_IMPORTS,
) -> str:
    """The pack; empty where the evidence names no file of the tree. `sources`: text by path below the workspace."""
    visible = {path: text for path, text in sources.items() if path not in hidden}
    code = _Code(visible, reader)
    blocks: list[str] = []
    for path, lines in near_files(places, visible).items():
        blocks += _file(path, lines, code)
        blocks += [line for line in [told(imported[path]) if path in imported else ""] if line]
    return _bounded(blocks)


def near_files(places: Sequence[Place], paths: Collection[str]) -> dict[str, list[int]]:
    """The files of the tree that are meant, and the lines in each, in order."""
    lines_by_file: dict[str, list[int]] = {}
    for place in places:
        path = _known(place.file, paths)
        if path is not None:
            lines_by_file.setdefault(path, []).append(place.line)
    return {path: sorted(set(lines)) for path, lines in list(lines_by_file.items())[:FILES_MAX]}


class _Code:
    """The sources, each read by its grammar once and only where a name is in it: parsing is what costs."""

    def __init__(self, sources: Mapping[str, str], reader: Reader) -> None:
        self._sources = {path: text for path, text in sources.items() if text}
        self._reader = reader
        self._files: dict[str, SourceFile | None] = {}

    def file(self, path: str) -> SourceFile | None:
        """None for what cannot be read, or is empty."""
        if path not in self._files:
            text = self._sources.get(path)
            self._files[path] = None if text is None else self._reader(path, text)
        return self._files[path]

    def naming(self, name: str) -> Iterator[tuple[str, SourceFile]]:
        """The files that this name is in, in order."""
        for path in sorted(self._sources):
            if name in self._sources[path] and (file := self.file(path)) is not None:
                yield path, file


def _bounded(lines: Iterable[str]) -> str:
    kept: list[str] = []
    room = ORIENTATION_BYTES_MAX
    for line in lines:
        room -= len(line.encode(errors="replace")) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept)


def _file(path: str, lines: Sequence[int], code: _Code) -> Iterator[str]:
    yield f"{path}: line {', '.join(map(str, lines))}"
    file = code.file(path)
    if file is None:
        return
    near = [s for s in file.symbols if any(s.line <= n <= s.last_line for n in lines)]
    for symbol in file.symbols[:SYMBOLS_MAX]:
        mark = "  <- the failure is in it" if symbol in near else ""
        yield f"  {symbol.line}: {symbol.signature}{mark}"
    if len(file.symbols) > SYMBOLS_MAX:
        yield f"  and {len(file.symbols) - SYMBOLS_MAX} more"
    called = sorted({name for name, line in file.calls if line in lines})
    wanted = [_last(symbol.name) for symbol in near] + called
    for name in list(dict.fromkeys(wanted))[:NAMES_MAX]:
        yield from _uses(name, code)


def _uses(name: str, code: _Code) -> Iterator[str]:
    """Where a name is defined and called, over the tree."""
    found = list(code.naming(name))
    defined = [f"{path}:{s.line}" for path, file in found for s in file.symbols if _last(s.name) == name]
    if not defined:
        return  # of a library
    callers = [f"{path}:{line}" for path, file in found for called, line in file.calls if called == name]
    more = f" and {len(callers) - CALLERS_MAX} more" if len(callers) > CALLERS_MAX else ""
    at = ", ".join(callers[:CALLERS_MAX])
    yield f"  {name}: defined at {', '.join(defined[:CALLERS_MAX])}; called at {at or 'nowhere'}{more}"


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _known(name: str, sources: Collection[str]) -> str | None:
    """The file of the tree that evidence means: as it is named, or the only one that ends so."""
    plain = name.removeprefix("./")
    if plain in sources:
        return plain
    ending = [path for path in sources if plain.endswith(f"/{path}") or path.endswith(f"/{plain}")]
    return max(ending, key=len) if ending else None
