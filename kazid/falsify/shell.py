"""Reads a shell script into a plain tree, bounded in length, depth and size. The one place that knows the parser.

What is too long, too deep or no shell at all gives None: nothing is then said of it on proof.
"""

import tree_sitter
import tree_sitter_bash

from kazid.falsify.tree import Node

SCRIPT_CHARS_MAX = 4096
"""The parser is quadratic on some texts: at this length the worst takes a third of a second."""
DEPTH_MAX = 60

_BASH = tree_sitter.Language(tree_sitter_bash.language())


def read_script(text: str) -> Node | None:
    """The script as a tree; None when it is beyond the bounds or the parser does not understand all of it."""
    if len(text) > SCRIPT_CHARS_MAX or "\x00" in text:
        return None
    source = text.encode("utf-8", "replace")
    root = tree_sitter.Parser(_BASH).parse(source).root_node
    if root.has_error:
        return None
    return _plain(root, source, DEPTH_MAX)


def _plain(node: tree_sitter.Node, source: bytes, depth: int) -> Node | None:
    if depth == 0:
        return None
    children: list[Node] = []
    for child in node.children:
        plain = _plain(child, source, depth - 1)
        if plain is None:
            return None
        children.append(plain)
    text = source[node.start_byte : node.end_byte].decode("utf-8", "replace")
    return Node(node.type, text, tuple(children), node.is_named)
