"""What reaches a terminal: no control characters from the daemon, colour only where it is wanted."""

import io

import pytest

from kazictl.render import fields, status_cell, table
from kazictl.terminal import Terminal, clip, one_line, plain


class _Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("plain – ünïcode ✓", "plain – ünïcode ✓", id="ordinary"),
        pytest.param("a\tb\nc\r\nd", "a\tb\nc\nd", id="blanks"),
        pytest.param("\x1b[1;31mred\x1b[0m", "red", id="colour"),
        pytest.param("a\x1b[2J\x1b[Hb", "ab", id="clear-screen"),
        pytest.param("\x1b]0;owned\x07title", "title", id="window-title"),
        pytest.param("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link", id="hyperlink"),
        pytest.param("\x1b(Bq\x1bcx", "qx", id="charset-and-reset"),
        pytest.param("\x9b31mred\x85", "31mred", id="c1"),
        pytest.param("a\x08\x00\x7fb\rc", "abc", id="c0"),
        pytest.param("x\u202etxt.exe", "xtxt.exe", id="bidi"),
        pytest.param("end\x1b", "end", id="lone-escape"),
        pytest.param("end\x1b[", "end", id="cut-escape"),
    ],
)
def test_control_characters_never_reach_a_terminal(text: str, shown: str) -> None:
    assert plain(text) == shown


def test_one_line_is_one_line() -> None:
    assert one_line(" a\n\n b\tc ") == "a b c"
    assert one_line(["x\x1b[0m"]) == "['x\\x1b[0m']"


def test_clip_shows_that_something_was_cut() -> None:
    assert clip("abcdef", 4) == "abc…"
    assert clip("abcd", 4) == "abcd"


@pytest.mark.parametrize(
    ("stream", "variables", "has_colour"),
    [
        pytest.param(_Tty(), {"TERM": "xterm"}, True, id="terminal"),
        pytest.param(io.StringIO(), {"TERM": "xterm"}, False, id="pipe"),
        pytest.param(_Tty(), {"TERM": "xterm", "NO_COLOR": "1"}, False, id="no-color"),
        pytest.param(_Tty(), {"TERM": "xterm", "NO_COLOR": ""}, True, id="empty-no-color"),
        pytest.param(_Tty(), {"TERM": "dumb"}, False, id="dumb"),
        pytest.param(None, {"TERM": "xterm"}, False, id="closed"),
    ],
)
def test_colour_only_on_a_terminal_that_wants_it(
    stream: io.StringIO | None, variables: dict[str, str], has_colour: bool
) -> None:
    assert Terminal(stream, variables).has_colour is has_colour
    assert ("\x1b[32m" in Terminal(stream, variables).paint("ok", "green")) is has_colour


def test_a_closed_stdout_swallows_everything() -> None:
    nowhere = Terminal(None)
    nowhere.line("x")
    nowhere.lines(["x"])
    nowhere.document(b"{}")


def test_columns_are_aligned_and_colour_does_not_shift_them() -> None:
    rows = [("web", status_cell("holding"), "a"), ("longer", status_cell("stuck"), "b")]
    bare = table(Terminal(io.StringIO(), {}), ("GOAL", "STATUS", "WHY"), rows)
    assert bare == ["GOAL    STATUS   WHY", "web     holding  a", "longer  stuck    b"]
    coloured = table(Terminal(_Tty(), {"TERM": "xterm"}), ("GOAL", "STATUS", "WHY"), rows)
    assert [plain(line) for line in coloured] == bare
    assert coloured != bare


def test_no_row_is_wider_than_the_terminal() -> None:
    rows = [("web", "x" * 500)]
    assert all(len(line) <= 80 for line in table(Terminal(_Tty(), {}), ("GOAL", "WHY"), rows))
    assert any(len(line) > 500 for line in table(Terminal(io.StringIO(), {}), ("GOAL", "WHY"), rows))


def test_fields_without_a_value_are_left_out() -> None:
    assert fields(Terminal(io.StringIO(), {}), [("a", "1"), ("long", "2"), ("none", "")]) == [
        "a     1",
        "long  2",
    ]
