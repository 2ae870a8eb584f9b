"""What the tidy tests look at: the files of this repository, read as text or as syntax trees.

House rules a linter has no word for are tests here. They read files and start at most one program.
"""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("kazid", "kazictl")
# What an unpacked archive collects, and .gitignore keeps out of a checkout.
GENERATED = {
    ".venv", "__pycache__", "build", "dist",
    ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".schemathesis",
}  # fmt: skip


@cache
def committable_files() -> tuple[Path, ...]:
    """Return every file that is tracked, or would be by `git add -A`; without git, all that is not generated."""
    if not (ROOT / ".git").exists():
        found = (path for path in ROOT.rglob("*") if not GENERATED & set(path.relative_to(ROOT).parts))
        return tuple(sorted(path for path in found if path.is_file()))
    git = ["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT)]
    listing = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listing, capture_output=True, check=True, text=True).stdout.split("\0")
    return tuple(ROOT / name for name in sorted(set(names)) if (ROOT / name).is_file())


def text_of(path: Path) -> str | None:
    """Return the text of a file, or None where it is binary."""
    content = path.read_bytes()
    return None if b"\0" in content else content.decode("utf-8", errors="replace")


def shipped_modules() -> tuple[Path, ...]:
    """Return the Python files of the daemon and the client."""
    return tuple(path for name in SHIPPED for path in sorted((ROOT / name).rglob("*.py")))


@cache
def syntax_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), filename=str(path))


def named(path: Path) -> str:
    """Return the path as a person would write it, from the root of the repository."""
    return path.relative_to(ROOT).as_posix()


def dotted_name(node: ast.expr | None) -> str:
    """Return `a.b.c` for such an expression, and an empty string for any other."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attribute):
            return f"{dotted_name(value)}.{attribute}"
        case _:
            return ""


def handlers(tree: ast.Module) -> Iterator[ast.ExceptHandler]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.ExceptHandler))
