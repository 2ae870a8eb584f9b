"""A shell script as a plain tree: what the rules read, whoever parsed it. Pure values.

Kinds are those of the tree-sitter grammar for bash; leaves that are only punctuation carry it as their kind.
"""

import re

import msgspec

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_IN_QUOTES = re.compile(r"\\([\\\"$`])")
_GLOB = re.compile(r"(?<!\\)[*?\[~{]")


class Node(msgspec.Struct, frozen=True):
    """One node: its kind, the text it stands for, and what is below it."""

    kind: str
    text: str
    children: tuple["Node", ...] = ()
    is_named: bool = True

    @property
    def named(self) -> tuple["Node", ...]:
        """The children that are more than punctuation."""
        return tuple(c for c in self.children if c.is_named and c.kind != "comment")

    def has(self, *kinds: str) -> bool:
        """True when it or something below it is of one of these kinds."""
        return self.kind in kinds or any(c.has(*kinds) for c in self.children)


class Word(msgspec.Struct, frozen=True):
    """One argument: as written, and its value where that is certain."""

    raw: str
    value: str | None = None

    @property
    def substitutes(self) -> bool:
        """True when a command decides what it is."""
        return self.value is None and ("$(" in self.raw or "`" in self.raw)


def words_of(argv: tuple[str, ...]) -> tuple[Word, ...]:
    """Arguments that no shell sees."""
    return tuple(Word(a, a) for a in argv)


def word_of(node: Node, *, last_code: int | None = None) -> Word:
    """The argument a node means; `last_code` is what `$?` is, where that is certain."""
    return Word(node.text, _value(node, last_code))


def _value(node: Node, last_code: int | None) -> str | None:
    match node.kind:
        case "number" | "test_operator":
            return node.text
        case "word":
            return None if _GLOB.search(node.text) else _ESCAPE.sub(r"\1", node.text)
        case "raw_string":
            return node.text[1:-1]
        case "string":
            parts = [_value(c, last_code) for c in node.named]
            if any(p is None for p in parts) or len(node.text) - 2 != sum(len(c.text) for c in node.named):
                return None
            return "".join(p for p in parts if p is not None)
        case "string_content":
            return _IN_QUOTES.sub(r"\1", node.text)
        case "simple_expansion" if node.text == "$?" and last_code is not None:
            return str(last_code)
        case "concatenation":
            parts = [_value(c, last_code) for c in node.children]
            return None if None in parts else "".join(p for p in parts if p is not None)
        case "command_name" if len(node.children) == 1:
            return _value(node.children[0], last_code)
        case _:
            return None
