"""The scan for lines: every value of these documents is the number of the line it stands on."""

from collections.abc import Iterator

import pytest
import tomli
from hypothesis import given
from hypothesis import strategies as st

from kazid.goalfile.positions import Path, Positions

DOCUMENTS = {
    "bare-keys": "a = 1\nb = 2\n",
    "comments-and-blanks": "# one\n\na = 3 # a = 4\n\n# b = 0\nb = 6",
    "crlf": "a = 1\r\n[t]\r\nb = 3\r\n",
    "tables": "[t]\na = 2\n[t.u]\na = 4\n[ v . w ]\na = 6\n",
    "table-after-its-child": "[a.b]\nx = 2\n[a]\ny = 4\n",
    "arrays-of-tables": "[[p]]\na = 2\n[[p]]\na = 4\n[p.q]\nb = 6\n[[p.r]]\nc = 8\n[[p.r]]\nc = 10\n",
    "dotted-keys": 'a.b.c = 1\na."d.e" = 2\n"f" . \'g\' = 3\n',
    "quoted-keys": '"a#b" = 1\n\'c"d\' = 2\n"e\\"f" = 3\n"\\u0041" = 4\n"" = 5\n',
    "strings-with-syntax-inside": 's = "[x] = # \\" {"\na = 2\nt = \'[[y]] = "\'\nb = 4\n',
    "multi-line-strings": 's = """\na = 1\n""quoted"" \\""" """\nb = 4\nt = \'\'\'\n[x]\nc = 2\'\'\'\nd = 8\n',
    "strings-that-end-in-quotes": "s = \"\"\"x\"\"\"\"\"\na = 2\nt = '''y'''''\nb = 4\n",
    "multi-line-arrays": "a = [\n  2,\n  # three\n  4, [4,\n 5], ] # end\nb = 6\n",
    "inline-tables": "a = { b = 1, c = { d = 1 } }\ne = [{ f = 2 }, {\n f = 3,\n}]\ng = {}\nh = 6\n",
    "dates": "a = [1979-05-27 07:32:00, 07:32:00] # x\nb = 2\nc = 1979-05-27T07:32:00Z\nd = 4\n",
    "odd-scalars": "a = [true, inf, 0x1F, 1e5, -1.5]\nb = 2\n",
}


def _integers(value: object, path: Path = ()) -> Iterator[tuple[Path, int]]:
    if isinstance(value, dict):
        for key, child in value.items():
            yield from _integers(child, (*path, key))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _integers(child, (*path, index))
    elif type(value) is int and value != 0x1F:
        yield path, value


@pytest.mark.parametrize("text", [pytest.param(t, id=i) for i, t in DOCUMENTS.items()])
def test_every_value_is_found_on_its_line(text: str) -> None:
    positions = Positions(text)
    values = list(_integers(tomli.loads(text)))
    assert values
    assert {p: positions.line_of(p) for p, _ in values} == dict(values)


def test_a_table_stands_where_its_header_is() -> None:
    positions = Positions('id = "g"\n[[p]]\n[[p]]\n[t]\na = 1\n')
    assert positions.line_of(("p",)) == 2
    assert positions.line_of(("p", 1)) == 3
    assert positions.line_of(("t",)) == 4


def test_a_key_that_is_not_there_stands_where_its_table_does() -> None:
    positions = Positions('id = "g"\n[[p]]\na = 1\n')
    assert positions.line_of(("p", 0, "missing")) == 2
    assert positions.line_of(("missing",)) == 1


KEYS = st.one_of(
    st.text("abcXYZ019_-", min_size=1, max_size=6),
    st.sampled_from(['"a b"', "'#'", '"]"', '"a.b"', "'='", '"\\t"']),
)
FILLERS = st.sampled_from(
    ['"[x]"', "'''\n[[p]]\n'''", '"""\n# """', "[\n1.5, # c\n]", "{ x = 1.5 }", "true", "1979-05-27"]
)


@st.composite
def _documents(draw: st.DrawFn) -> str:
    """Tables and arrays of tables whose integers are the numbers of their lines, among values full of syntax."""
    text = ""
    for number in range(draw(st.integers(1, 6))):
        match draw(st.sampled_from(["table", "array", "none" if number == 0 else "table"])):
            case "table":
                text += f"[t{number}]\n"
            case "array":
                text += f"[[p{number}]]\n" * draw(st.integers(1, 3))
            case _:
                pass
        for key in draw(st.lists(KEYS, unique=True, max_size=4)):
            if draw(st.booleans()):
                text += f"# {key} = 0\n\n"
            text += f"k{number}.{key}.f = {draw(FILLERS)}\n"
            line = text.count("\n") + 1
            text += draw(
                st.sampled_from(["{0} = {1}\n", "{0} = [ {1}, ]\n", "{0} = {{ a = {1} }} # {1}\n"])
            ).format(f"n{number}.{key}", line)
    return text


@given(_documents())
def test_no_value_hides_or_moves_another(text: str) -> None:
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError:
        return
    positions = Positions(text)
    assert all(positions.line_of(path) == line for path, line in _integers(values))
