"""What an agent is given besides its prompt: reports and logs by name, and never what is held out."""

import json
from typing import Any

import msgspec
import pytest

from kazid.core.briefing import FILES_MAX, evidence_files, pictures_of, spoken, texts_of
from kazid.core.ids import PredicateId
from kazid.core.json import Json
from kazid.core.verdict import Finding, Verdict, failed
from tests.builders import a_goal, a_predicate
from tests.played import Played

SLICE = (PredicateId("tests"), PredicateId("secret"))


def a_red(verdict: Verdict, *, held_out: bool = True) -> Played:
    secret = msgspec.structs.replace(a_predicate("secret"), held_out=held_out)
    played = Played(a_goal(a_predicate("tests"), secret))
    return played.look("tests", verdict).look("secret", failed("hidden", log="a\nb", shot="s.png"))


def test_a_report_has_all_that_the_look_said():
    verdict = msgspec.structs.replace(
        failed("exit_code", "2 failed", code=1), findings=(Finding(message="m", file="a.py", line=3),)
    )
    played = a_red(verdict)
    files = evidence_files(played.goal, played.vector, SLICE)
    assert list(files) == ["tests.report.json"], "what is held out has none, and a number is no log"
    report: dict[str, Any] = json.loads(files["tests.report.json"])
    assert report == {
        "id": "tests",
        "verdict": "fail",
        "reason": "exit_code",
        "detail": "2 failed",
        "findings": [{"message": "m", "file": "a.py", "line": 3}],
        "evidence": json.loads(msgspec.json.encode(verdict.evidence)),
    }
    assert files["tests.report.json"].startswith('{\n "id": "tests"'), "it is read by people, too"


def test_a_text_of_several_lines_is_a_log_of_its_own_by_a_name_that_is_one():
    played = a_red(failed("exit_code", **{"stdout": "one\ntwo", "std err": "x\ny", "word": "one", "n": 3}))
    files = evidence_files(played.goal, played.vector, SLICE)
    assert {name: text for name, text in files.items() if name.endswith(".log")} == {
        "tests.stdout.log": "one\ntwo",
        "tests.std_err.log": "x\ny",
    }


def test_files_are_bounded():
    played = a_red(failed("exit_code", **{f"k{n:03}": "a\nb" for n in range(FILES_MAX + 5)}))
    files = evidence_files(played.goal, played.vector, SLICE)
    assert len(files) == FILES_MAX
    assert list(files)[-1] == f"tests.k{FILES_MAX - 2:03}.log"


def test_pictures_are_named_once_and_never_those_of_what_is_held_out():
    verdict = failed(
        "looks", shot="/e/a.PNG", more=["/e/b.jpeg", {"deep": "/e/c.webp"}], again="/e/a.PNG", log="x\ny.png"
    )
    played = a_red(verdict)
    assert pictures_of(played.goal, played.vector, SLICE) == ["/e/a.PNG", "/e/b.jpeg", "/e/c.webp"]
    open_to_all = a_red(failed("looks"), held_out=False)
    assert pictures_of(open_to_all.goal, open_to_all.vector, SLICE) == ["s.png"]
    many = a_red(failed("looks", shots=[f"{n}.jpg" for n in range(FILES_MAX + 5)]))
    assert len(pictures_of(many.goal, many.vector, SLICE)) == FILES_MAX


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("tests", "tests"),
        ("a/b c", "a_b_c"),
        ("../../etc/passwd", "_.._etc_passwd"),
        (".hidden.", "hidden"),
        ("..", "_"),
        ("", "_"),
        ("XaX", "XaX"),
        ("x" * 81, "x" * 80),
    ],
)
def test_a_name_is_one_part_of_a_path(name: str, said: str):
    assert spoken(name) == said


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        ("a", ["a"]),
        ({"x": "a", "y": {"z": "b"}}, ["a", "b"]),
        (["a", ("b", ["c"])], ["a", "b", "c"]),
        (3, []),
        (None, []),
    ],
)
def test_every_text_of_a_value_is_found_in_order(value: Json, texts: list[str]):
    assert texts_of(value) == texts
