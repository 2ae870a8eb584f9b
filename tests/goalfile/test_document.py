"""What keeps a text from being read at all is one problem, with its line."""

import pytest

from kazid.core.json import Json
from kazid.goalfile.document import GOAL_FILE_BYTES_MAX, NESTING_MAX, parse, to_json
from tests.goalfile.loading import PREDICATE, goal_of, problems_of


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        pytest.param('id = "g"\nid = "h"\n', 2, "malformed TOML", id="duplicate-key"),
        pytest.param('id = "g"\n[budget]\n[budget]\n', 3, "malformed TOML", id="duplicate-table"),
        pytest.param("id = \n", 1, "malformed TOML", id="no-value"),
        pytest.param('a = 1\nid = "g\\q"\n', 2, "malformed TOML", id="bad-escape"),
        pytest.param(b'a = 1\nid = "\xff"\n', 2, "not UTF-8: byte 0xff", id="latin-1"),
        pytest.param('a = 1\nid = "\udcff"\n', 2, "not UTF-8", id="a-surrogate-from-the-caller"),
        pytest.param(b'\xef\xbb\xbfid = "g"\n', 1, "byte order mark", id="bom"),
        pytest.param('\ufeffid = "g"\n', 1, "byte order mark", id="bom-as-text"),
        pytest.param("a = " + "9" * 5000, 1, "malformed TOML", id="endless-integer"),
        pytest.param("a = " + "[" * 2000 + "]" * 2000, 1, "malformed TOML", id="endless-nesting"),
        pytest.param(
            "[" + ".".join("a" * 1000) + "]", 1, f"more than {NESTING_MAX} levels", id="deep-header"
        ),
        pytest.param('id = "g"\nname = "a\\u0000b"\n', 2, "NUL", id="nul-character"),
        pytest.param("#" * (GOAL_FILE_BYTES_MAX + 1), 1, "bytes", id="too-large"),
    ],
)
def test_an_unreadable_text_is_one_problem_with_its_line(text: str | bytes, line: int, says: str) -> None:
    (problem,) = problems_of(text)
    assert problem.line == line
    assert says in problem.message


def test_toml_1_1_is_read() -> None:
    assert goal_of('id = "g"\nmetadata = {\n  a = 1,\n  b = "\\x41",\n}\n' + PREDICATE).tables[
        "metadata"
    ] == {
        "a": 1,
        "b": "A",
    }


@pytest.mark.parametrize(
    ("toml", "json"),
    [
        pytest.param("1979-05-27T07:32:00Z", "1979-05-27T07:32:00+00:00", id="offset-date-time"),
        pytest.param("1979-05-27 07:32:00", "1979-05-27T07:32:00", id="local-date-time"),
        pytest.param("1979-05-27", "1979-05-27", id="local-date"),
        pytest.param("07:32:00", "07:32:00", id="local-time"),
        pytest.param("inf", "inf", id="infinity"),
        pytest.param("nan", "nan", id="not-a-number"),
        pytest.param("[1, 'x', {a = 2.5}]", [1, "x", {"a": 2.5}], id="nested"),
        pytest.param("99999999999999999999999", 99999999999999999999999, id="large-integer"),
    ],
)
def test_every_toml_value_has_a_json_form(toml: str, json: Json) -> None:
    assert to_json(parse(f"a = {toml}").values["a"]) == json


def test_text_and_bytes_of_it_are_the_same_document() -> None:
    assert parse("a = 'é'\n").sha256 == parse("a = 'é'\n".encode()).sha256
