"""Cutting text to a bound: the ends stay, what decides stays, nothing is longer than it may be."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.harnesses.excerpt import clip, excerpt, plain, size

BOUND = 2000


def _noise(lines: int) -> list[str]:
    return [f"ok {n} nothing of interest here" for n in range(lines)]


def test_a_text_within_the_bound_is_whole() -> None:
    assert excerpt("a\nb\n", BOUND) == "a\nb"
    assert clip("a\nb\n", BOUND) == "a\nb\n"


@pytest.mark.parametrize(
    "decisive",
    [
        "E       assert -1 == 5",
        "test_calc.py:4: AssertionError",
        "src/main.rs:10:5: mismatched types",
        "TypeError: unsupported operand",
        "panicked at 'index out of bounds'",
        "    Expected: 5",
        "    Actual:   4",
        "not ok 17 - adds",
        "--- FAIL: TestAdd (0.00s)",
        "fatal: could not read from remote",
        "- expected line",
        "connection refused",
        "  ✗ adds two numbers",
    ],
)
def test_a_line_that_decides_is_kept_from_the_middle(decisive: str) -> None:
    lines = _noise(600)
    lines[300] = decisive
    cut = excerpt("\n".join(lines), BOUND)
    assert decisive in cut.split("\n")
    assert cut.startswith("ok 0 ")
    assert cut.endswith("ok 599 nothing of interest here")
    assert size(cut) <= BOUND


def test_of_more_decisive_lines_than_fit_the_last_are_kept_in_order() -> None:
    lines = _noise(1000)
    lines[100:900] = [f"error number {n}" for n in range(800)]
    kept = [int(line.split()[-1]) for line in excerpt("\n".join(lines), BOUND).split("\n") if "error" in line]
    assert kept == sorted(kept)
    assert kept[-1] == 799
    assert len(kept) > 20


def test_what_is_missing_is_marked() -> None:
    lines = _noise(600)
    lines[300] = "error in the middle"
    cut = excerpt("\n".join(lines), BOUND).split("\n")
    around = cut.index("error in the middle")
    assert (cut[around - 1], cut[around + 1]) == ("…", "…")
    assert "bytes left out" in clip("x" * 5000, BOUND)


def test_one_long_line_does_not_push_the_others_out() -> None:
    text = "\n".join(["first", "x" * 100_000, "error: here", "y" * 100_000, "last"])
    cut = excerpt(text, BOUND)
    assert all(line in cut.split("\n") for line in ("first", "error: here", "last"))


def test_colours_and_controls_are_dropped_and_line_ends_are_one() -> None:
    assert plain("\x1b[31mred\x1b[0m \x1b]0;title\x07a\r\nb\rc\x00\x08d\u2028e\x0cf") == "red a\nb\ncd\ne\nf"


@pytest.mark.parametrize("unit", ["a.", "\x1b]", "\x1b[0;", "E", "assert ", "x" * 7, "Err\n", "-\n", "a:1 "])
def test_the_time_it_takes_is_linear(unit: str) -> None:
    text = unit * (500_000 // len(unit))
    began_s = time.process_time()
    excerpt(text, BOUND)
    assert time.process_time() - began_s < 10


@given(st.text(max_size=3000), st.integers(min_value=0, max_value=600))
def test_no_cut_is_longer_than_its_bound_and_all_are_utf_8(text: str, bound: int) -> None:
    assert size(clip(text, bound)) <= bound
    assert size(excerpt(text, bound)) <= bound
    clip(text, bound).encode()


@given(st.lists(st.text(alphabet="ab error:.1é\n\x1b[", max_size=80), max_size=80), st.integers(100, 900))
def test_every_line_kept_stood_there_in_this_order(lines: list[str], bound: int) -> None:
    text = plain("\n".join(lines)).strip("\n")
    cut = excerpt(text, bound)
    if "bytes left out" in cut:
        return
    rest = iter(text.split("\n"))
    assert all(any(line == other for other in rest) for line in cut.split("\n") if line != "…")
