"""What a source file defines and calls, as values; and Python, read by its own grammar. Pure.

Other languages are read by an adapter into the same values (`adapters/system/grammars.py`).
"""

import ast
from collections.abc import Callable, Iterator, Sequence

import msgspec

SIGNATURE_CHARS_MAX = 120

_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Symbol(msgspec.Struct, frozen=True):
    """A function, class or method. `name` with its class's before it; lines from 1, both included."""

    name: str
    line: int
    last_line: int
    signature: str


class SourceFile(msgspec.Struct, frozen=True):
    """One file's definitions in order, and what it calls: (name without what is before its last dot, line)."""

    symbols: Sequence[Symbol]
    calls: Sequence[tuple[str, int]]


Reader = Callable[[str, str], SourceFile | None]
"""(path, text) to what is in it; None for a language that is not known, or a text that is broken."""


def read_python(path: str, text: str) -> SourceFile | None:
    """A `Reader` of Python alone."""
    if not path.endswith(".py"):
        return None
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    calls = [(_name_of(n.func), n.lineno) for n in ast.walk(tree) if isinstance(n, ast.Call)]
    return SourceFile(symbols=list(_symbols(tree)), calls=sorted(c for c in calls if c[0]))


def _symbols(tree: ast.Module) -> Iterator[Symbol]:
    for node in tree.body:
        if isinstance(node, _Definition):
            yield _symbol(node.name, node)
            if isinstance(node, ast.ClassDef):
                yield from (
                    _symbol(f"{node.name}.{n.name}", n) for n in node.body if isinstance(n, _Definition)
                )


def _symbol(name: str, node: _Definition) -> Symbol:
    signature = f"class {name}" if isinstance(node, ast.ClassDef) else f"def {name}({ast.unparse(node.args)})"
    return Symbol(name, node.lineno, node.end_lineno or node.lineno, signature[:SIGNATURE_CHARS_MAX])


def _name_of(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""
