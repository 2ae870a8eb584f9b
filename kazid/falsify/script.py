"""What a shell script can end with: its tree walked once, each construct by its own rule. Pure.

Whatever is not understood may end with any code, so that only what is proven is said. `set -e`, pipefail, functions and
files the script writes itself are followed; loops and traps are not, and count as able to fail.
"""

import posixpath
import re
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kazid.falsify import notes, programs
from kazid.falsify.outcome import (
    ANY,
    NEVER,
    UNKNOWN,
    ZERO,
    Codes,
    Note,
    Outcome,
    constant,
    may_fail,
    may_succeed,
    union,
    weaker,
)
from kazid.falsify.reading import (
    State,
    arguments_of,
    call_of,
    commands_of,
    leaves_of,
    said,
    set_options,
    trap_of,
)
from kazid.falsify.shell import read_script
from kazid.falsify.tree import Node, Word, word_of, words_of

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
NESTED_MAX = 4
"""Scripts within scripts, and functions within functions."""


def run_command(argv: Sequence[str]) -> Outcome:
    """What a command started without a shell can end with."""
    return _run(list(words_of(tuple(argv))), State())


def _script(text: str, state: State) -> Outcome:
    tree = read_script(text) if state.nested < NESTED_MAX else None
    if tree is None:
        return Outcome(note=notes.UNREAD) if state.nested >= NESTED_MAX or len(text) > 4096 else UNKNOWN
    trap = trap_of(tree)
    if trap is not None:
        return trap
    outcome = _sequence(tree.children, state)
    return Outcome(falls=outcome.all_codes, note=outcome.note)


def _sequence(nodes: Sequence[Node], state: State) -> Outcome:
    """One statement after the other; `&` behind one sends it to the background."""
    exits: Codes = NEVER
    note: Note | None = None
    hid = False
    falls: Codes = state.last
    for position, node in enumerate(nodes):
        if not node.is_named or node.kind in ("comment", "heredoc_body"):
            continue
        follower = nodes[position + 1].kind if position + 1 < len(nodes) else ""
        if follower == "&":
            outcome = constant(0, notes.BACKGROUND)
        else:
            outcome = _node(node, state)
        hid = hid or (falls is ANY and note is None)
        exits, falls, note = union(exits, outcome.exits), outcome.falls, outcome.note
        state.last = falls
        if falls == NEVER:
            return Outcome(falls=NEVER, exits=exits, note=_hiding(note, hid=hid))
        if (
            state.errexit
            and not state.is_condition
            and may_fail(falls)
            and node.kind not in ("list", "negated_command")
        ):
            exits = ANY if falls is None else union(exits, falls - ZERO)
            falls = ZERO
            hid = False
            state.last = falls
    return Outcome(falls=falls, exits=exits, note=_hiding(note, hid=hid))


def _hiding(note: Note | None, *, hid: bool) -> Note | None:
    return notes.HIDDEN_EXIT if hid and note is notes.CANNOT_FAIL else note


def _node(node: Node, state: State) -> Outcome:
    rule = _RULES.get(node.kind)
    return UNKNOWN if rule is None else rule(node, state)


def _apart(node: Node, state: State, **changes: bool) -> Outcome:
    """What it ends with where its settings do not come back: a subshell, a branch."""
    inner = msgspec.structs.replace(
        state, functions=dict(state.functions), written=dict(state.written), **changes
    )
    return _node(node, inner)


def _block(node: Node, state: State) -> Outcome:
    if any(c.kind == "((" for c in node.children):
        return UNKNOWN
    return _sequence(node.children, state)


def _subshell(node: Node, state: State) -> Outcome:
    inner = msgspec.structs.replace(state, functions=dict(state.functions), written=dict(state.written))
    outcome = _sequence(node.children, inner)
    return Outcome(falls=outcome.all_codes, note=outcome.note)


def _list(node: Node, state: State) -> Outcome:
    left_node, right_node = node.named[0], node.named[-1]
    is_or = any(c.kind == "||" for c in node.children)
    was, state.is_condition = state.is_condition, True
    left = _node(left_node, state)
    state.is_condition = was
    state.last = left.falls if is_or else ZERO
    is_due = may_fail(left.falls) if is_or else may_succeed(left.falls)
    if not is_due:
        return left
    right = _apart(right_node, state, is_branch=True) if is_or else _node(right_node, state)
    stays: Codes
    if is_or:
        stays = ZERO if may_succeed(left.falls) else NEVER
    elif left.falls is None:
        return Outcome(falls=ANY, exits=union(left.exits, right.exits))
    else:
        stays = left.falls - ZERO
    falls = union(stays, right.falls)
    note = right.note or left.note
    if is_or and left.falls is ANY and right.note is not None:
        note = weaker(notes.HIDDEN_EXIT, right.note)
    elif left.note is not None and note is not None and left.falls == ZERO and note is notes.CANNOT_FAIL:
        note = left.note
    return Outcome(falls=falls, exits=union(left.exits, right.exits), note=note)


def _negated(node: Node, state: State) -> Outcome:
    was, state.is_condition = state.is_condition, True
    inner = _node(node.named[-1], state)
    state.is_condition = was
    if inner.falls is None:
        return Outcome(falls=frozenset({0, 1}), exits=inner.exits)
    falls = frozenset({1 if code == 0 else 0 for code in inner.falls})
    return Outcome(falls=falls, exits=inner.exits, note=inner.note or notes.CANNOT_FAIL)


def _pipeline(node: Node, state: State) -> Outcome:
    parts = node.named
    outcomes = [_apart(part, state) for part in parts[:-1]]
    name, args = call_of(parts[-1], state)
    note = None if name in state.functions else programs.passes_on(name, args)
    if note is not None:
        last = constant(0, note)
    elif name in ("grep", "egrep", "fgrep"):
        last = _grep_of(parts[:-1], args, state)
    else:
        last = _apart(parts[-1], state)
    if state.pipefail and any(may_fail(o.all_codes) for o in outcomes):
        return UNKNOWN
    is_hidden = any(o.all_codes is ANY for o in outcomes) and last.note is notes.CANNOT_FAIL
    return Outcome(falls=last.all_codes, note=notes.PIPE if is_hidden else last.note)


def _grep_of(before: Sequence[Node], args: Sequence[Word], state: State) -> Outcome:
    if programs.grep_files(args):
        return _run([Word("grep", "grep"), *args], state)
    text = said(before[-1]) if len(before) == 1 else None
    if text is not None and programs.finds_itself(args, text):
        return constant(0, notes.OWN_OUTPUT)
    pattern, flags = programs.grep_pattern(args)
    name, _ = call_of(before[0], state)
    if (
        name == "ps"
        and len(before) == 1
        and "v" not in flags
        and pattern is not None
        and re.fullmatch(r"[\w./ -]+", pattern)
    ):
        return Outcome(note=notes.OWN_OUTPUT.doubted())
    return UNKNOWN


def _command(node: Node, state: State) -> Outcome:
    words = arguments_of(node, state)
    text = "".join(c.text for c in node.named)
    if state.nounset and "$" in text:
        return UNKNOWN
    herestring = next((c for c in node.named if c.kind == "herestring_redirect"), None)
    if herestring is not None and words and words[0].value in ("grep", "egrep", "fgrep"):
        held = word_of(herestring.named[-1]).value if herestring.named else None
        if held is not None and programs.finds_itself(words[1:], held):
            return constant(0, notes.OWN_OUTPUT)
    return _run(words, state)


def _run(words: list[Word], state: State) -> Outcome:
    """One command with its arguments: what the shell itself knows, wrappers, nested shells, programs."""
    if not words:
        return UNKNOWN
    first, args = words[0].value, words[1:]
    if first is None:
        state.written.clear()
        return UNKNOWN
    if first in state.functions:
        return _function_call(state.functions[first], state)
    name = posixpath.basename(first)
    match name:
        case "exit" | "return":
            return _exit(args, state)
        case "set":
            return set_options(args, state)
        case "wait" if not args:
            return constant(0, notes.BACKGROUND)
        case "exec" if args:
            inner = _run(args, state)
            return Outcome(falls=NEVER, exits=inner.all_codes, note=inner.note)
        case "eval" if args and all(a.value is not None for a in args):
            return _nested(" ".join(a.value or "" for a in args), state)
        case "[" | "test" | "[[":
            return programs.run(name, args)
        case (
            "env"
            | "command"
            | "builtin"
            | "nice"
            | "nohup"
            | "time"
            | "stdbuf"
            | "setsid"
            | "sudo"
            | "timeout"
            | "uv"
            | "poetry"
            | "npx"
            | "busybox"
        ):
            return _wrapped(name, args, state)
        case "grep" | "egrep" | "fgrep":
            return _grep(args, state)
        case _ if name in SHELLS:
            return _shell(args, state)
        case _:
            outcome = programs.run(name, args)
            if outcome.falls is ANY:
                state.written.clear()
            return outcome


def _grep(args: Sequence[Word], state: State) -> Outcome:
    files = programs.grep_files(args)
    if (
        len(files) == 1
        and files[0] in state.written
        and programs.finds_itself(args, state.written[files[0] or ""])
    ):
        return constant(0, notes.OWN_OUTPUT)
    return UNKNOWN


def _exit(args: Sequence[Word], state: State) -> Outcome:
    if not args:
        return Outcome(falls=NEVER, exits=state.last, note=notes.CANNOT_FAIL)
    value = args[0].value
    code = int(value) % 256 if value is not None and re.fullmatch(r"\d{1,9}", value) else None
    if code is None:
        return Outcome(falls=NEVER, exits=ANY)
    return Outcome(falls=NEVER, exits=frozenset({code}), note=notes.CANNOT_FAIL)


def _wrapped(name: str, args: Sequence[Word], state: State) -> Outcome:
    rest = list(args)
    if name in ("uv", "poetry"):
        if not rest or rest[0].value != "run":
            return UNKNOWN
        rest = rest[1:]
    takes = r"-.*|\w+=.*|\d+" if name in ("env", "nice", "sudo") else r"-.*|[\d.]+[smhd]?"
    while rest and rest[0].value is not None and re.fullmatch(takes, rest[0].value):
        if name in ("command", "uv", "sudo", "busybox") and rest[0].value.startswith("-"):
            return UNKNOWN  # `command -v` asks whether something is there
        rest = rest[1:]
    return _run(rest, state) if rest else UNKNOWN


def _shell(args: Sequence[Word], state: State) -> Outcome:
    """`sh -c TEXT`, with what its flags set."""
    inner = State(nested=state.nested + 1)
    for position, arg in enumerate(args):
        value = arg.value
        if value is None or not value.startswith(("-", "+")):
            return UNKNOWN
        if value.startswith("--"):
            continue
        set_options(args[position : position + 2] if "o" in value else [arg], inner)
        if value == "-o":
            rest = [*args[position + 2 :]]
            return _with_flags(rest, inner)
        if "c" in value:
            skip = 2 if "o" in value else 1
            text = args[position + skip].value if position + skip < len(args) else None
            return UNKNOWN if text is None else _script(text, inner)
    return UNKNOWN


def _with_flags(args: Sequence[Word], inner: State) -> Outcome:
    for position, arg in enumerate(args):
        if arg.value is None or not arg.value.startswith("-"):
            return UNKNOWN
        set_options([arg], inner)
        if "c" in arg.value:
            text = args[position + 1].value if position + 1 < len(args) else None
            return UNKNOWN if text is None else _script(text, inner)
    return UNKNOWN


def _nested(text: str, state: State) -> Outcome:
    inner = msgspec.structs.replace(
        state, nested=state.nested + 1, functions=dict(state.functions), written=dict(state.written)
    )
    return _script(text, inner)


def _define(node: Node, state: State) -> Outcome:
    if len(node.named) > 1:
        state.functions[node.named[0].text] = node.named[-1]
    return constant(0, notes.CANNOT_FAIL)


def _function_call(body: Node, state: State) -> Outcome:
    if state.nested >= NESTED_MAX or any(w.text.startswith("return") for w in commands_of(body)):
        return UNKNOWN
    state.nested += 1
    outcome = _node(body, state)
    state.nested -= 1
    return outcome


def _redirected(node: Node, state: State) -> Outcome:
    body, redirects = node.named[0], node.named[1:]
    if any(r.kind == "heredoc_redirect" for r in redirects):
        return UNKNOWN
    text, target, appends = said(body), None, False
    for redirect in redirects:
        if redirect.kind != "file_redirect":
            continue
        aim = word_of(redirect.named[-1]).value if redirect.named else None
        if aim == "/dev/null" or (aim is not None and aim.isdigit()):
            continue
        target, appends = aim, any(c.kind in (">>", "&>>") for c in redirect.children)
        if any(c.kind == "<" for c in redirect.children):
            return UNKNOWN
    kept = dict(state.written)
    outcome = _node(body, state)
    if target is None:
        return outcome
    if outcome.is_certain_zero and text is not None:
        state.written[target] = (state.written.get(target, "") if appends else "") + text
    elif appends and target in kept:
        state.written[target] = kept[target]  # what was there stays there
    else:
        state.written.pop(target, None)
    return outcome


def _assignment(node: Node, state: State) -> Outcome:
    """`x=$(cmd)` ends as the command did; `export x=$(cmd)` hides it."""
    if node.has("command_substitution"):
        return UNKNOWN
    return UNKNOWN if state.nounset and "$" in node.text else constant(0, notes.CANNOT_FAIL)


def _declaration(node: Node, _: State) -> Outcome:
    return constant(0, notes.HIDDEN_EXIT if node.has("command_substitution") else notes.CANNOT_FAIL)


def _if(node: Node, state: State) -> Outcome:
    """Branch by branch; without an else, nothing chosen is a success."""
    then_at = next((i for i, c in enumerate(node.children) if c.kind == "then"), None)
    if then_at is None:
        return UNKNOWN
    was, state.is_condition = state.is_condition, True
    condition = _sequence(node.children[1:then_at], state)
    state.is_condition = was
    tails = ("elif_clause", "else_clause")
    body = [c for c in node.children[then_at + 1 :] if c.kind not in (*tails, "fi")]
    branches: list[Outcome] = []
    if may_succeed(condition.falls):
        branches.append(_branch(body, state))
    if may_fail(condition.falls):
        branches.append(_otherwise([c for c in node.children[then_at + 1 :] if c.kind in tails], state))
    falls, exits, note = NEVER, condition.exits, None
    result: Codes = falls
    for branch in branches:
        result, exits = union(result, branch.falls), union(exits, branch.exits)
        note = note if branch.note is None else branch.note if note is None else weaker(branch.note, note)
    if condition.falls == ZERO and condition.note is not None:
        note = condition.note
    elif note is notes.CANNOT_FAIL and condition.falls is ANY:
        note = notes.HIDDEN_EXIT
    return Outcome(falls=result, exits=exits, note=note)


def _branch(nodes: Sequence[Node], state: State) -> Outcome:
    inner = msgspec.structs.replace(
        state, functions=dict(state.functions), written=dict(state.written), is_branch=True
    )
    outcome = _sequence(nodes, inner)
    state.errexit = state.errexit or inner.errexit
    state.pipefail = state.pipefail or inner.pipefail
    state.written.clear()
    return outcome


def _otherwise(tails: Sequence[Node], state: State) -> Outcome:
    if not tails:
        return constant(0, notes.CANNOT_FAIL)
    tail = tails[0]
    if tail.kind == "else_clause":
        return _branch([c for c in tail.children if c.kind not in ("else", "fi")], state)
    return _if(Node("if_statement", tail.text, (*tail.children, *tails[1:])), state)


def _for(node: Node, _: State) -> Outcome:
    """The last round decides; a doubt where no round can end the script."""
    body = next((c for c in node.named if c.kind == "do_group"), None)
    if body is None:
        return UNKNOWN
    judging = any(
        c.named and c.named[0].text in ("exit", "return", "break", "set") for c in commands_of(body)
    )
    return UNKNOWN if judging or body.has("variable_assignment") else Outcome(note=notes.LOOP)


def _case(node: Node, state: State) -> Outcome:
    items = [c for c in node.named if c.kind == "case_item"]
    has_rest = any(item.text.lstrip().startswith("*)") for item in items)
    falls: Codes = NEVER if has_rest else ZERO
    exits: Codes = NEVER
    for item in items:
        start = next((i for i, c in enumerate(item.children) if c.kind == ")"), 0)
        branch = _branch([c for c in item.children[start + 1 :] if c.kind not in (";;", ";&", ";;&")], state)
        falls, exits = union(falls, branch.falls), union(exits, branch.exits)
    return Outcome(falls=falls, exits=exits, note=notes.HIDDEN_EXIT)


def _bracket(node: Node, state: State) -> Outcome:
    """`[ … ]` and `[[ … ]]` as the words between the brackets."""
    if node.children[0].kind == "((":
        return UNKNOWN
    last = next(iter(state.last)) if state.last is not None and len(state.last) == 1 else None
    words = [word_of(leaf, last_code=last) for inner in node.children[1:-1] for leaf in leaves_of(inner)]
    if state.nounset and any(w.value is None for w in words):
        return UNKNOWN
    return programs.compare(words, is_double=node.children[0].kind == "[[")


_RULES: Mapping[str, Callable[[Node, State], Outcome]] = {
    "program": _block,
    "compound_statement": _block,
    "subshell": _subshell,
    "list": _list,
    "negated_command": _negated,
    "pipeline": _pipeline,
    "command": _command,
    "redirected_statement": _redirected,
    "function_definition": _define,
    "variable_assignment": _assignment,
    "variable_assignments": _assignment,
    "declaration_command": _declaration,
    "if_statement": _if,
    "for_statement": _for,
    "case_statement": _case,
    "test_command": _bracket,
}
