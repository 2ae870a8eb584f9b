"""What a walk through a script carries along, and how single nodes of its tree are read. Pure."""

import posixpath
import re
from collections.abc import Sequence

import msgspec

from kazid.falsify import notes
from kazid.falsify.outcome import UNKNOWN, ZERO, Codes, Outcome, constant
from kazid.falsify.tree import Node, Word, word_of


class State(msgspec.Struct, kw_only=True):
    """What has been set so far on the way through a script."""

    errexit: bool = False
    pipefail: bool = False
    nounset: bool = False
    last: Codes = ZERO
    functions: dict[str, Node] = {}
    written: dict[str, str] = {}
    """Files that hold, for certain, a text the script put there."""
    nested: int = 0
    is_condition: bool = False
    is_branch: bool = False


def trap_of(tree: Node) -> Outcome | None:
    """A trap decides what a script ends with: certain only where it says success."""
    for node in commands_of(tree):
        words = [word_of(c) for c in node.named]
        if not words or words[0].value != "trap":
            continue
        if (
            len(words) > 2
            and re.search(r"\bexit 0\s*;?\s*$", words[1].value or "")
            and words[-1].value in ("EXIT", "0")
        ):
            return constant(0, notes.HIDDEN_EXIT)
        if "exit" in words[1].raw if len(words) > 1 else False:
            return UNKNOWN
        if any(w.value in ("ERR", "DEBUG") for w in words[1:]):
            return UNKNOWN
    return None


def commands_of(node: Node) -> list[Node]:
    """Every simple command in it, outermost first."""
    found = [node] if node.kind == "command" else []
    for child in node.children:
        found += commands_of(child)
    return found


def said(node: Node) -> str | None:
    """What an echo or a printf certainly prints."""
    if node.kind != "command":
        return None
    words = [word_of(c) for c in node.named]
    if not words or words[0].value not in ("echo", "printf") or any(w.value is None for w in words):
        return None
    text = " ".join(w.value or "" for w in words[1:] if w.value not in ("-n", "-e"))
    return None if words[0].value == "printf" and "%" in text else text


def call_of(node: Node, state: State) -> tuple[str, list[Word]]:
    """The program's name without its folder, and its arguments; empty where it is no simple command."""
    if node.kind == "redirected_statement" and node.named:
        return call_of(node.named[0], state)
    if node.kind != "command":
        return "", []
    words = arguments_of(node, state)
    return (posixpath.basename(words[0].value or "") if words else ""), words[1:]


def arguments_of(node: Node, state: State) -> list[Word]:
    """The words of a command, its name first; a `$?` is known where one code is."""
    last = next(iter(state.last)) if state.last is not None and len(state.last) == 1 else None
    skipped = ("variable_assignment", "file_redirect", "herestring_redirect", "heredoc_redirect")
    return [word_of(c, last_code=last) for c in node.named if c.kind not in skipped]


def leaves_of(node: Node) -> list[Node]:
    """The operands and operators of a test, flat."""
    if node.kind in ("unary_expression", "binary_expression", "negated_expression"):
        return [leaf for c in node.children for leaf in leaves_of(c)]
    if not node.is_named:
        return [Node("word", node.text)]
    return [node]


def set_options(args: Sequence[Word], state: State) -> Outcome:
    """`set -e` in a branch counts as set, `set +e` there does not: the safe side each time."""
    values = [a.value or "" for a in args]
    for position, value in enumerate(values):
        on = value.startswith("-")
        if not on and (not value.startswith("+") or state.is_branch):
            continue
        named = values[position + 1] if "o" in value and position + 1 < len(values) else ""
        if "e" in value or named == "errexit":
            state.errexit = on
        if named == "pipefail":
            state.pipefail = on
        if "u" in value or named == "nounset":
            state.nounset = on
    return constant(0, notes.CANNOT_FAIL)
