"""Source files of many languages, read by their tree-sitter grammars into `core/source_code.py`'s values.

Each grammar is a package of its own, of the extra `orientation`; a language whose package is not installed is not read,
and of its files the place is all that an agent is told. Python needs none of them.
"""

import importlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType

import msgspec
from tree_sitter import Language, Node, Parser

from kazid.core.source_code import SIGNATURE_CHARS_MAX, SourceFile, Symbol, read_python

NODES_MAX = 200_000
"""Of one file: a generated one is read as far as that."""
CALLEE_BYTES_MAX = 300

_WORD = re.compile(r"[A-Za-z_$][\w$]*[?!]?")


class _Grammar(msgspec.Struct, frozen=True):
    """Where a language's grammar is, and which of its nodes define and call something."""

    package: str
    types: Sequence[str]
    """Nodes that define what has members."""
    functions: Sequence[str]
    calls: Mapping[str, str]
    """Node, to the field that says what is called."""
    function: str = "language"


_ECMASCRIPT = _Grammar(
    package="tree_sitter_javascript",
    types=("class_declaration",),
    functions=(
        "function_declaration",
        "generator_function_declaration",
        "method_definition",
        "variable_declarator",
    ),
    calls={"call_expression": "function", "new_expression": "constructor"},
)
_TYPESCRIPT = msgspec.structs.replace(
    _ECMASCRIPT,
    package="tree_sitter_typescript",
    types=("class_declaration", "abstract_class_declaration", "interface_declaration"),
    function="language_typescript",
)
_GO = _Grammar(
    package="tree_sitter_go",
    types=(),
    functions=("function_declaration", "method_declaration", "type_spec"),
    calls={"call_expression": "function"},
)
_RUST = _Grammar(
    package="tree_sitter_rust",
    types=("struct_item", "enum_item", "trait_item", "impl_item", "mod_item"),
    functions=("function_item",),
    calls={"call_expression": "function"},
)
_JAVA = _Grammar(
    package="tree_sitter_java",
    types=("class_declaration", "interface_declaration", "enum_declaration", "record_declaration"),
    functions=("method_declaration", "constructor_declaration"),
    calls={"method_invocation": "name", "object_creation_expression": "type"},
)
_RUBY = _Grammar(
    package="tree_sitter_ruby",
    types=("class", "module"),
    functions=("method", "singleton_method"),
    calls={"call": "method"},
)

GRAMMARS: Mapping[str, _Grammar] = MappingProxyType(
    {
        **dict.fromkeys((".js", ".jsx", ".mjs", ".cjs"), _ECMASCRIPT),
        **dict.fromkeys((".ts", ".mts", ".cts"), _TYPESCRIPT),
        ".tsx": msgspec.structs.replace(_TYPESCRIPT, function="language_tsx"),
        ".go": _GO,
        ".rs": _RUST,
        ".java": _JAVA,
        ".rb": _RUBY,
    }
)
_FUNCTION_VALUES = frozenset({"arrow_function", "function_expression", "generator_function"})


def is_readable(path: str) -> bool:
    """Whether there is a grammar for it here."""
    if path.endswith(".py"):
        return True
    grammar = GRAMMARS.get(_ending(path))
    return grammar is not None and language_of(grammar.package, grammar.function) is not None


def read_source(path: str, text: str) -> SourceFile | None:
    """A `Reader` of every language that is installed. What is broken in a file is left out, and the rest is read."""
    grammar = GRAMMARS.get(_ending(path))
    if grammar is None:
        return read_python(path, text)
    language = language_of(grammar.package, grammar.function)
    if language is None:
        return None
    data = text.encode(errors="replace")
    symbols: list[Symbol] = []
    calls: list[tuple[str, int]] = []
    for node, owner in _walk(Parser(language).parse(data).root_node, grammar):
        if node.type in grammar.calls:
            called = node.child_by_field_name(grammar.calls[node.type])
            words = [] if called is None else _WORD.findall(_text(called, data)[-CALLEE_BYTES_MAX:])
            if words:
                calls.append((words[-1], node.start_point[0] + 1))
        elif (name := _name(node, data)) and (node.type in grammar.types or _is_function(node)):
            symbols.append(_symbol(f"{owner}.{name}" if owner else name, node, data))
    return SourceFile(symbols=symbols, calls=sorted(calls))


def _walk(root: Node, grammar: _Grammar) -> Iterator[tuple[Node, str]]:
    """Definitions outside of functions and all calls, in the order of the text, with the type that they are in."""
    ahead: list[tuple[Node, str, bool]] = [(root, "", False)]
    for _ in range(NODES_MAX):
        if not ahead:
            return
        node, owner, is_inside = ahead.pop()
        is_type = node.type in grammar.types
        is_function = node.type in grammar.functions and _is_function(node)
        if node.type in grammar.calls or ((is_type or is_function) and not is_inside):
            yield node, owner
        if is_type and not is_inside:
            own = node.child_by_field_name("name") or node.child_by_field_name("type")
            owner = owner if own is None or own.text is None else own.text.decode(errors="replace")
        ahead.extend((child, owner, is_inside or is_function) for child in reversed(node.named_children))


def _is_function(node: Node) -> bool:
    """A variable is one where a function is its value."""
    if node.type != "variable_declarator":
        return True
    value = node.child_by_field_name("value")
    return value is not None and value.type in _FUNCTION_VALUES


def _name(node: Node, data: bytes) -> str:
    named = node.child_by_field_name("name")
    return "" if named is None else _text(named, data)


def _symbol(name: str, node: Node, data: bytes) -> Symbol:
    value = node.child_by_field_name("value") if node.type == "variable_declarator" else None
    body = (value or node).child_by_field_name("body")
    head = data[node.start_byte : node.end_byte if body is None else body.start_byte].decode(errors="replace")
    signature = " ".join((head if body is not None else head.split("\n", 1)[0]).split()).rstrip("{ ")
    line, last_line = node.start_point[0] + 1, node.end_point[0] + 1
    return Symbol(name, line, last_line, signature[:SIGNATURE_CHARS_MAX])


def _text(node: Node, data: bytes) -> str:
    return data[node.start_byte : node.end_byte].decode(errors="replace")


def _ending(path: str) -> str:
    return "." + path.rpartition(".")[2]


@cache
def language_of(package: str, function: str) -> Language | None:
    """The grammar of that name; None where it is not installed."""
    try:
        grammar: object = getattr(importlib.import_module(package), function)()
        return Language(grammar)
    except (ImportError, AttributeError, ValueError):
        return None
