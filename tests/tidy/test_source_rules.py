"""House rules for the shipped source: length, docstrings, broad catches, empty packages, leftovers."""

import ast
import io
import tokenize
from collections import Counter

import pytest

from tests.tidy.tree import ROOT, committable_files, dotted_name, handlers, named, shipped_modules, syntax_of

LINES_PER_MODULE_MAX = 500

# STYLE 13: `except Exception` exists in three places, and where foreign code is first run.
# Path -> (how many, why it has to be broad).
BROAD_CATCHES_ALLOWED = {
    "kazid/runtime/supervisor.py": (
        1,
        "child guard: a crash in one child is reported, and never reaches its siblings",
    ),
    "kazid/runtime/observer.py": (
        2,
        "provider calls: whatever a provider raises is the verdict `error`, or nothing to watch",
    ),
    "kazid/plugins.py": (1, "plugin load: whatever a plugin raises costs its kind, not the daemon"),
    "kazid/harness_plugins.py": (1, "plugin load: whatever a plugin raises costs its agent, not the daemon"),
    "kazid/api/server.py": (1, "API connection: a broken request ends that connection, not the daemon"),
}

EMPTY_PACKAGES = ("kazid/__init__.py", "kazid/wire/__init__.py")

BROAD = {"Exception", "BaseException", "ExceptionGroup", "BaseExceptionGroup"}


def test_no_shipped_module_is_longer_than_the_limit() -> None:
    lengths = {named(path): len(path.read_text().splitlines()) for path in shipped_modules()}
    assert {name: lines for name, lines in lengths.items() if lines > LINES_PER_MODULE_MAX} == {}


def test_every_shipped_module_says_what_it_holds() -> None:
    silent = [
        named(path)
        for path in shipped_modules()
        if not ast.get_docstring(syntax_of(path))
        and not (path.name == "__init__.py" and not syntax_of(path).body)
    ]
    assert silent == []


@pytest.mark.parametrize("name", EMPTY_PACKAGES)
def test_a_package_everybody_imports_is_empty(name: str) -> None:
    assert (ROOT / name).read_text() == ""


def _types_caught(handler: ast.ExceptHandler) -> set[str]:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {dotted_name(kind).removeprefix("builtins.") for kind in kinds}


def _is_broad(handler: ast.ExceptHandler) -> bool:
    """Say whether the handler takes what nobody foresaw, and keeps it: one that ends in a bare raise does not."""
    last = handler.body[-1]
    reraises = isinstance(last, ast.Raise) and last.exc is None
    return (handler.type is None or bool(_types_caught(handler) & BROAD)) and not reraises


def test_a_broad_catch_stands_only_where_style_allows_it() -> None:
    found: Counter[str] = Counter()
    for path in shipped_modules():
        tree = syntax_of(path)
        found[named(path)] += sum(1 for handler in handlers(tree) if _is_broad(handler))
        found[named(path)] += sum(
            1
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and dotted_name(node.func) in {"suppress", "contextlib.suppress"}
            and {dotted_name(argument) for argument in node.args} & BROAD
        )
    allowed = {name: count for name, (count, _) in BROAD_CATCHES_ALLOWED.items()}
    assert {name: count for name, count in found.items() if count > allowed.get(name, 0)} == {}


def test_no_comment_is_a_note_to_do_it_later() -> None:
    notes = ("TODO", "FIXME", "XXX")
    left = [
        f"{named(path)}:{token.start[0]}"
        for path in committable_files()
        if path.suffix == ".py"
        for token in tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
        if token.type == tokenize.COMMENT and any(note in token.string for note in notes)
    ]
    assert left == []
