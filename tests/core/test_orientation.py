"""Where to look: deterministic, bounded, of Python by its grammar, and never of what is held out."""

import pytest
from msgspec.structs import replace

from kazid.core.briefing import evidence_files, pictures_of
from kazid.core.orientation import (
    ORIENTATION_BYTES_MAX,
    Place,
    hidden_words,
    orientation,
    places_of,
)
from kazid.core.verdict import Finding, Verdict, failed
from tests.builders import a_goal, a_predicate
from tests.played import Played

SOURCES = {
    "calc.py": "class Calc:\n    def add(self, a, b):\n        return helper(a) - b\n\ndef helper(x):\n    return x\n",
    "app.py": "from calc import Calc\n\ndef main():\n    return Calc().add(1, 2)\n",
    "test_calc.py": "from calc import Calc\nassert Calc().add(1, 2) == 3\n",
    "notes.md": "",
}


def seen(*verdicts, hidden=()):
    names = [f"p{n}" for n in range(len(verdicts))]
    predicates = [
        replace(a_predicate(n), held_out=n in hidden, options={"cmd": "./hidden_case.py"}) for n in names
    ]
    play = Played(a_goal(*predicates))
    for name, verdict in zip(names, verdicts, strict=True):
        play.look(name, verdict)
    return play.goal, play.vector, names


TRACE = 'Traceback\n  File "/w/repo/test_calc.py", line 2, in <module>\n  File "/w/repo/calc.py", line 3, in add\n'


@pytest.mark.parametrize(
    ("verdict", "places"),
    [
        pytest.param(
            failed("exit", stderr=TRACE),
            [Place("/w/repo/test_calc.py", 2), Place("/w/repo/calc.py", 3)],
            id="a-traceback-of-python",
        ),
        pytest.param(
            failed("exit", out="src/a.ts:12:3 error\nE   calc.py:3: AssertionError"),
            [Place("src/a.ts", 12), Place("calc.py", 3)],
            id="path-and-line",
        ),
        pytest.param(
            replace(failed("lint"), findings=(Finding(message="m", file="b.py", line=7),)),
            [Place("b.py", 7)],
            id="a-finding",
        ),
        pytest.param(failed("exit", out="http://host.example:80 at 12:30:01, 1.5:2"), [], id="no-place"),
        pytest.param(failed("exit", deep={"list": ["x.py:1"]}), [Place("x.py", 1)], id="anywhere-in-it"),
    ],
)
def test_evidence_points_at_places(verdict: Verdict, places: list[Place]) -> None:
    goal, vector, names = seen(verdict)
    assert places_of(goal, vector, names) == places


def test_the_pack_names_symbols_and_callers_near_the_failure() -> None:
    text = orientation([Place("/w/repo/calc.py", 3)], SOURCES)
    assert text.splitlines() == [
        "calc.py: line 3",
        "  1: class Calc  <- the failure is in it",
        "  2: def Calc.add(self, a, b)  <- the failure is in it",
        "  5: def helper(x)",
        "  Calc: defined at calc.py:1; called at app.py:4, test_calc.py:2",
        "  add: defined at calc.py:2; called at app.py:4, test_calc.py:2",
        "  helper: defined at calc.py:5; called at calc.py:3",
    ]


def test_a_name_that_is_defined_twice_is_named_at_both_places() -> None:
    sources = {"a.py": "def f():\n    return 1\n", "b.py": "def f():\n    return 2\n"}
    text = orientation([Place("a.py", 2)], sources)
    assert text.splitlines()[-1] == "  f: defined at a.py:1, b.py:1; called at nowhere"


def test_the_same_failure_in_the_same_tree_gives_the_same_text() -> None:
    places = [Place("calc.py", 3), Place("test_calc.py", 2)]
    assert orientation(places, SOURCES) == orientation(places, dict(reversed(SOURCES.items())))


def test_a_file_that_is_no_python_or_is_broken_is_named_only() -> None:
    sources = {**SOURCES, "bad.py": "def ("}
    assert (
        orientation([Place("notes.md", 3), Place("bad.py", 1)], sources) == "notes.md: line 3\nbad.py: line 1"
    )


def test_places_outside_the_tree_say_nothing() -> None:
    assert orientation([Place("/usr/lib/python3/ast.py", 3)], SOURCES) == ""


def test_the_pack_is_bounded() -> None:
    many = "\n".join(
        f"def function_number_{n}(argument_one, argument_two):\n    return g()" for n in range(500)
    )
    sources = {f"module_{n}.py": many for n in range(6)}
    text = orientation([Place(name, 3) for name in sources], sources)
    assert 0 < len(text.encode()) <= ORIENTATION_BYTES_MAX


def test_what_is_held_out_points_at_nothing_and_its_files_are_not_told_of() -> None:
    goal, vector, names = seen(
        failed("exit", o="calc.py:3"), failed("x", o="hidden_case.py:1"), hidden=("p1",)
    )
    assert places_of(goal, vector, names) == [Place("calc.py", 3)]
    sources = {**SOURCES, "hidden_case.py": "from calc import Calc\nCalc().add(0, 0)\n"}
    assert "hidden_case" not in orientation([Place("calc.py", 3)], sources, hidden=hidden_words(goal))


def test_evidence_is_laid_ready_whole_but_for_what_is_held_out() -> None:
    long = "line\n" * 500
    goal, vector, names = seen(
        failed("exit", stderr=long, shot="out/page.png", exit_code=1),
        failed("x", stderr="secret\nsecret", shot="secret.png"),
        hidden=("p1",),
    )
    files = evidence_files(goal, vector, names)
    assert sorted(files) == ["p0.report.json", "p0.stderr.log"]
    assert files["p0.stderr.log"] == long
    assert pictures_of(goal, vector, names) == ["out/page.png"]
    assert "secret" not in str(files)
