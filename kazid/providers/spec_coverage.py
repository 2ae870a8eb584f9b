"""`spec_coverage`: every public name of the source occurs in some scenario of the feature files.

A name occurs where a word of a scenario is it, or a part of it, or has it as a part; words are those with a `.` or `/`.
Source without a single public name was looked for in the wrong place: an error, for everything would be covered.
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import anyio.to_thread
import msgspec

from kazid.core.gherkin import FEATURE_CHARS_MAX, parse_features
from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.formats.public_names import EXTENSIONS, names_in
from kazid.providers.options import read_options

FEATURES = "docs/specs/**/*.feature"
FILES_MAX = 2000
"""Of source, and of features; the predecessor's figure."""
FOLDERS_MAX = 20_000
NAMES_MAX = 50_000
WORDS_MAX = 20_000
PAIRS_MAX = 50_000_000
"""Names times words that are compared: a second or two."""
SHOWN_MAX = 50
WORD_CHARS_MIN = 3
_SKIPPED = frozenset(
    {".git", "_build", "deps", "node_modules", ".elixir_ls", "cover", ".venv", "__pycache__"}
)
_PUNCTUATION = ".,;:!?()[]{}<>\"'`"


class SpecCoverageOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    features: str | Sequence[str] = FEATURES
    allow_list: Sequence[str] = ()
    source_dirs: Sequence[str] = ("lib",)

    @property
    def globs(self) -> Sequence[str]:
        """Where feature files are."""
        return (self.features,) if isinstance(self.features, str) else self.features


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """The public names by the file that has them, and the words of the scenarios."""

    names: Mapping[str, str]
    words: Sequence[str]
    feature_files: int


class SpecCoverage:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read the source and the features once."""
        read = read_options(options, SpecCoverageOptions)
        if isinstance(read, Verdict):
            return read
        if not all(_is_below(name) for name in (*read.globs, *read.source_dirs)):
            return errored("invalid_config", "features and source_dirs are below the workspace")
        return await anyio.to_thread.run_sync(lambda: _looked(look, read), abandon_on_cancel=True)


def _looked(look: Look, options: SpecCoverageOptions) -> Verdict:
    workspace = Path(look.workspace)
    if not workspace.is_dir():
        return errored("workspace_missing", f"no folder {look.workspace}")
    try:
        surface = _surface(workspace, options)
    except (OSError, ValueError, NotImplementedError) as error:
        return errored("unreadable", shortened(str(error)))
    return surface if isinstance(surface, Verdict) else interpret(surface, options)


def _surface(workspace: Path, options: SpecCoverageOptions) -> Surface | Verdict:
    sources = [file for name in options.source_dirs for file in _files_below(workspace / name)]
    features = {path for glob in options.globs for path in workspace.glob(glob) if path.is_file()}
    if len(sources) > FILES_MAX or len(features) > FILES_MAX:
        return errored("too_much_to_read", f"more than {FILES_MAX} files of source or features")
    names: dict[str, str] = {}
    for folder, path in sources:
        relative = path.relative_to(folder).as_posix()
        for name in names_in(relative, _text(path)):
            names.setdefault(name, path.relative_to(workspace).as_posix())
    words = dict.fromkeys(word for path in sorted(features) for word in words_of(_text(path)))
    if len(names) > NAMES_MAX or len(words) > WORDS_MAX or len(names) * len(words) > PAIRS_MAX:
        return errored("too_much_to_read", f"{len(names)} names and {len(words)} words are too many")
    return Surface(names=names, words=list(words), feature_files=len(features))


def words_of(feature: str) -> Iterator[str]:
    """The words of its scenarios' names and steps that may be names of source. Pure."""
    for each in parse_features(feature):
        for scenario in each.scenarios:
            for text in (scenario.name, *scenario.steps):
                for word in text.split():
                    bare = word.strip(_PUNCTUATION)
                    if len(bare) >= WORD_CHARS_MIN and ("/" in bare or "." in bare):
                        yield bare


def interpret(surface: Surface, options: SpecCoverageOptions) -> Verdict:
    """PASS iff no name is left that no scenario speaks of and the list does not allow."""
    allowed = [name for name in surface.names if is_allowed(name, options.allow_list)]
    rest = [name for name in surface.names if name not in set(allowed)]
    uncovered = list(_uncovered(rest, surface.words))
    evidence: dict[str, Json] = {
        "feature_files": surface.feature_files,
        "surface_count": len(surface.names),
        "covered_count": len(rest) - len(uncovered),
        "allowed_count": len(allowed),
        "uncovered_count": len(uncovered),
        "uncovered": [shortened(name) for name in uncovered[:SHOWN_MAX]],
    }
    if not surface.names:
        return errored(
            "no_surface", f"no public name below {', '.join(map(shortened, options.source_dirs))}", **evidence
        )
    message = f"{len(uncovered)} of {len(surface.names)} public names occur in no scenario"
    return Verdict(
        status=Status.FAIL if uncovered else Status.PASS,
        reason="uncovered" if uncovered else None,
        detail=f"{message}; first: {uncovered[0]}" if uncovered else None,
        evidence={**evidence, "message": message},
        findings=[
            Finding(
                message=f"{shortened(name)} occurs in no scenario",
                file=surface.names[name],
                rule="spec_coverage",
                level="error",
            )
            for name in uncovered[:SHOWN_MAX]
        ],
        score=float(len(uncovered)),
        direction=Direction.LOWER_BETTER,
    )


def is_allowed(name: str, allow_list: Iterable[str]) -> bool:
    """True for a name of the list, where one `*` stands for anything."""
    for pattern in allow_list:
        before, star, after = pattern.partition("*")
        if name == pattern or (
            star
            and len(name) >= len(before) + len(after)
            and name.startswith(before)
            and name.endswith(after)
        ):
            return True
    return False


def _uncovered(names: Sequence[str], words: Sequence[str]) -> Iterator[str]:
    for name in names:
        if not any(word in name or name in word for word in words):
            yield name


def _files_below(folder: Path) -> Iterator[tuple[Path, Path]]:
    """The source files below a folder, in order; links are not followed."""
    count = 0
    for folders, (here, inner, files) in enumerate(os.walk(folder)):
        inner[:] = sorted(name for name in inner if name not in _SKIPPED)
        if folders > FOLDERS_MAX:
            raise ValueError(f"more than {FOLDERS_MAX} folders below {folder}")
        for name in sorted(files):
            path = Path(here) / name
            if path.suffix in EXTENSIONS and path.is_file() and not path.is_symlink():
                count += 1
                if count > FILES_MAX + 1:
                    return
                yield folder, path


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(FEATURE_CHARS_MAX).decode("utf-8", errors="replace")


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
