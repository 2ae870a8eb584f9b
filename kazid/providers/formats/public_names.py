"""The public names of source files: Elixir, Python, JavaScript and TypeScript, Go. Pure, and line by line.

Lines, not syntax trees: a parser of the file's own language would have to be there, and one that an agent's file can
crash would take the daemon with it. What looks like no definition is none.
"""

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

LINE_CHARS_MAX = 1000

_MODULE = re.compile(r"( *)defmodule ([\w.]+) do\b")
_DEF = re.compile(r" *def ([a-z_][\w]*[?!]?)(?:\(([^)]{0,500})\))?")
_TASK = "Mix.Tasks."
_PYTHON = re.compile(r"(    )?(?:async )?(def|class) ([A-Za-z]\w*)")
_SCRIPT = re.compile(
    r"export (?:default )?(?:async )?(?:abstract )?(?:function\*?|class|const|let|interface|type|enum) ([A-Za-z$]\w*)"
)
_GO = re.compile(r"func (?:\(\w+ \*?(\w+)(?:\[\w+\])?\) )?([A-Z]\w*)")
_GO_PACKAGE = re.compile(r"package (\w+)")


def names_in(path: str, text: str) -> Iterator[str]:
    """The public names this file defines, as a person writes them. `path` is relative to its source folder."""
    reader = _READERS.get(posixpath.splitext(path)[1])
    if reader is not None:
        yield from dict.fromkeys(
            reader(path, [line for line in text.split("\n") if len(line) <= LINE_CHARS_MAX])
        )


def _elixir(path: str, lines: list[str]) -> Iterator[str]:
    """`Mod.fun/arity`, and `mix name` for a task."""
    modules: list[tuple[int, str]] = []
    for line in lines:
        if (module := _MODULE.match(line)) is not None:
            indent = len(module[1])
            modules = [(depth, name) for depth, name in modules if depth < indent]
            outer = f"{modules[-1][1]}." if modules else ""
            modules.append((indent, outer + module[2]))
            if module[2].startswith(_TASK):
                yield "mix " + ".".join(map(_underscored, module[2].removeprefix(_TASK).split(".")))
        elif modules and (found := _DEF.match(line)) is not None:
            yield f"{modules[-1][1]}.{found[1]}/{_arity(found[2] or '')}"


def _underscored(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _arity(arguments: str) -> int:
    """How many arguments: commas outside of any bracket, and one."""
    depth = commas = 0
    for character in arguments:
        depth += (character in "([{") - (character in ")]}")
        commas += character == "," and not depth
    return commas + 1 if arguments.strip() else 0


def _python(path: str, lines: list[str]) -> Iterator[str]:
    """`package.module.function`, and `package.module.Class.method`; a name that begins with `_` is none's business."""
    module = posixpath.splitext(path)[0].replace("/", ".").removesuffix(".__init__")
    if any(part.startswith("_") for part in module.split(".")):
        return
    owner: str | None = None
    for line in lines:
        found = _PYTHON.match(line)
        if found is None:
            if line[:1] not in ("", " ", "\t", "#", ")", "]", "}", "@", '"', "'"):
                owner = None
        elif found[1] is None:
            owner = found[3] if found[2] == "class" else None
            yield f"{module}.{found[3]}"
        elif owner is not None and found[2] == "def":
            yield f"{module}.{owner}.{found[3]}"


def _script(path: str, lines: list[str]) -> Iterator[str]:
    """`path/file.name`, of what is exported."""
    module = posixpath.splitext(path)[0]
    for line in lines:
        if (found := _SCRIPT.match(line)) is not None:
            yield f"{module}.{found[1]}"


def _go(path: str, lines: list[str]) -> Iterator[str]:
    """`package.Function` and `package.Type.Method`, of what is exported."""
    if path.endswith("_test.go"):
        return
    package = next((m[1] for line in lines if (m := _GO_PACKAGE.match(line)) is not None), "")
    for line in lines:
        if (found := _GO.match(line)) is not None:
            yield ".".join(filter(None, (package, found[1], found[2])))


_READERS: Mapping[str, Callable[[str, list[str]], Iterator[str]]] = MappingProxyType(
    {
        ".ex": _elixir, ".exs": _elixir, ".py": _python, ".go": _go,
        ".js": _script, ".mjs": _script, ".ts": _script, ".tsx": _script, ".jsx": _script,
    }
)  # fmt: skip
EXTENSIONS = frozenset(_READERS)
