"""Which checks may be run to see whether they can be red: by their tree, they cannot change the world. Pure.

Everything is forbidden but a short list: programs that only read, names below the present folder, no expansion but the
output of such programs, no file written. What asserts an absence is left out too: it passes on nothing, and rightly so.
"""

import posixpath
import re
from collections.abc import Sequence

from kazid.falsify.script import SHELLS
from kazid.falsify.shell import read_script
from kazid.falsify.tree import Node, Word, word_of, words_of

_READERS = "[ cat cmp cut diff egrep fgrep find grep head ls stat tail test tr wc"
READERS = frozenset(_READERS.split())
SAYERS = frozenset({":", "echo", "exit", "false", "set", "true"})
"""Of the shell itself; each takes words only."""

_KINDS = frozenset(
    {
        "program", "list", "pipeline", "command", "command_name", "word", "raw_string", "string", "string_content",
        "number", "subshell", "compound_statement", "test_command", "unary_expression", "binary_expression",
        "test_operator", "redirected_statement", "file_redirect", "file_descriptor", "command_substitution",
        "concatenation", "comment",
    }
)  # fmt: skip
_FIND_ACTS = ("-exec", "-ok", "-delete", "-fprint", "-fls", "-files0")
_ABSENCE = frozenset({"!", "-z", "-v", "-L", "-eq", "-ne", "-lt", "-le", "!=", "=", "==", "--invert-match"})


def is_harmless(argv: Sequence[str]) -> bool:
    """True when running it shows something and changes nothing."""
    if posixpath.basename(argv[0]) not in SHELLS:
        return _calls_reader(list(words_of(tuple(argv))))
    if len(argv) != 3 or argv[1] not in ("-c", "-ec", "-euc"):
        return False
    tree = read_script(argv[2])
    return tree is not None and _is_harmless(tree)


def _is_harmless(node: Node) -> bool:
    if node.is_named and node.kind not in _KINDS:
        return False
    if node.kind == "command" and not _calls_reader([word_of(c) for c in node.named], node):
        return False
    if node.kind == "file_redirect" and not _reads_or_drops(node):
        return False
    if node.kind == "test_command" and (node.children[0].kind == "((" or not _is_local(node.text)):
        return False
    if node.text in ("!", "&") or node.text in _ABSENCE:
        return False
    return all(_is_harmless(child) for child in node.children)


def _calls_reader(words: Sequence[Word], node: Node | None = None) -> bool:
    name = words[0].value if words else None
    if name is None or name not in READERS | SAYERS or (node is None and name in SAYERS):
        return False
    for word in words[1:]:
        text = word.raw if word.value is None else word.value
        if not _is_local(text) or text in _ABSENCE:
            return False
        if name == "find" and text.startswith(_FIND_ACTS):
            return False
        if name in ("grep", "egrep", "fgrep") and text.startswith("-") and set(text) & set("vL"):
            return False
    return True


def _is_local(text: str) -> bool:
    """True when it names nothing outside the present folder."""
    return not text.startswith(("/", "~")) and ".." not in text and not re.search(r"[= ]/|^-.*/", text)


def _reads_or_drops(node: Node) -> bool:
    aim = word_of(node.named[-1]).value if node.named else None
    if aim is None:
        return False
    is_copy = aim.isdigit() and any(c.kind in (">&", "<&") for c in node.children)
    is_input = any(c.kind == "<" for c in node.children) and _is_local(aim)
    return aim == "/dev/null" or is_copy or is_input
