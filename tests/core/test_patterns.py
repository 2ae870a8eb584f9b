"""What a pattern of a goal-file names, and that it is what a shell's glob names."""

import glob
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.patterns import is_named

PATHS = (
    "a",
    "a.py",
    "src/a.py",
    "src/deep/b.py",
    "src/deep/er/c.txt",
    "docs/x.md",
    "docs/y/z.md",
    ".hidden/a.py",
    "[x]",
    "src/[x]",
)


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ("src", ["src/a.py", "src/deep/b.py", "src/deep/er/c.txt", "src/[x]"]),
        ("./src/", ["src/a.py", "src/deep/b.py", "src/deep/er/c.txt", "src/[x]"]),
        (".", list(PATHS)),
        ("docs/*.md", ["docs/x.md"]),
        ("docs/**/*.md", ["docs/x.md", "docs/y/z.md"]),
        ("**/*.py", ["a.py", "src/a.py", "src/deep/b.py", ".hidden/a.py"]),
        ("src/**", ["src/a.py", "src/deep/b.py", "src/deep/er/c.txt", "src/[x]"]),
        ("?", ["a"]),
        ("[a-c]", ["a"]),
        ("[!b]", ["a"]),
        ("src[!a]a.py", []),
        ("src[+-9]a.py", []),
        ("[[]x]", ["[x]"]),
        ("src/[x]", ["src/[x]"]),
        ("sr", []),
        ("a.py/x", []),
    ],
)  # fmt: skip
def test_what_is_named(pattern: str, named: list[str]) -> None:
    assert [path for path in PATHS if is_named(path, pattern)] == named


@given(
    st.lists(st.sampled_from(["*", "**", "?", "a", "b", "/", "[ab]", "[!a]", "."]), min_size=1, max_size=6)
)
def test_a_pattern_without_a_double_star_is_what_glob_takes_it_for(parts: list[str]) -> None:
    pattern = "".join(parts)
    if "**" in pattern or pattern.startswith("/") or ".." in pattern or "//" in pattern or "/./" in pattern:
        return
    if pattern.endswith(("/", "/.")) or pattern.startswith("./") or not glob.has_magic(pattern):
        return
    for path in ("a", "b", "aa", "a/b", "b/a", "a.b", "ab/ab", "a/b/a"):
        as_shell = Path("/", path).match("/" + pattern) and path.count("/") == pattern.count("/")
        assert is_named(path, pattern) == as_shell, (path, pattern)


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_text_is_a_pattern_that_cannot_be_read(path: str, pattern: str) -> None:
    is_named(path, pattern)
