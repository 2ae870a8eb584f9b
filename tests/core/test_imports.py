"""Which packages a tree has, what is asked about them, and how the answer is told."""

import pytest

from kazid.core.imports import IMPORTERS_MAX, PACKAGES_MAX, Imported, imported_of, question_of, told

TREE = (
    "src/shop/__init__.py",
    "src/shop/cart.py",
    "src/shop/api/__init__.py",
    "src/shop/api/rest.py",
    "run.py",
)


@pytest.mark.parametrize(
    ("near", "paths", "packages", "modules"),
    [
        pytest.param(
            ["src/shop/api/rest.py"],
            TREE,
            {"shop": "src/shop"},
            {"shop.api.rest": "src/shop/api/rest.py"},
            id="below-src",
        ),
        pytest.param(
            ["a/__init__.py"],
            ("a/__init__.py", "tests/test_a.py"),
            {"a": "a", "tests": "tests"},
            {"a": "a/__init__.py"},
            id="tests-beside-it-without-an-init",
        ),
        pytest.param(
            ["a/m.py"],
            ("a/__init__.py", "a/m.py", "my-scripts/x.py"),
            {"a": "a"},
            {"a.m": "a/m.py"},
            id="what-nobody-can-import-is-no-package",
        ),
        pytest.param(
            ["two/a/m.py"],
            ("one/a/__init__.py", "one/a/m.py", "two/a/__init__.py", "two/a/m.py"),
            {"a": "two/a"},
            {"a.m": "two/a/m.py"},
            id="of-two-of-one-name-the-failing-one",
        ),
    ],
)
def test_what_is_asked(near, paths, packages, modules) -> None:
    question = question_of(near, paths)
    assert question is not None
    assert (question.packages, question.modules) == (packages, modules)


@pytest.mark.parametrize("near", [["run.py"], ["a.go"], []], ids=["a-script", "no-python", "nothing"])
def test_nothing_is_asked_where_no_package_is_near(near) -> None:
    assert question_of(near, [*TREE, "a.go"]) is None


def test_the_packages_are_bounded() -> None:
    paths = [f"p{n}/__init__.py" for n in range(PACKAGES_MAX * 2)]
    question = question_of(["p39/__init__.py"], paths)
    assert question is not None
    assert len(question.packages) == PACKAGES_MAX
    assert "p39" in question.packages, "what is asked about is among them"


def test_a_file_that_may_not_be_told_of_is_left_out_of_the_answer() -> None:
    question = question_of(["a/m.py"], ["a/__init__.py", "a/m.py", "a/n.py"])
    assert question is not None
    graph = {"a.m": Imported([("a.n", 3), ("a.held_out", 1)], 2)}
    assert imported_of(question, graph) == {"a/m.py": Imported([("a/n.py", 3)], 2)}


@pytest.mark.parametrize(
    ("imported", "line"),
    [
        pytest.param(Imported([], 0), "", id="by-nobody"),
        pytest.param(Imported([("b.py", 2)], 1), "  imported at b.py:2", id="by-one"),
        pytest.param(
            Imported([("b.py", 2)], 4),
            "  imported at b.py:2; 3 more by way of these",
            id="and-by-others-through-it",
        ),
        pytest.param(
            Imported([(f"f{n}.py", 1) for n in range(IMPORTERS_MAX + 2)], IMPORTERS_MAX + 2),
            "  imported at " + ", ".join(f"f{n}.py:1" for n in range(IMPORTERS_MAX)) + " and 2 more",
            id="by-many",
        ),
    ],
)
def test_how_it_is_told(imported, line) -> None:
    assert told(imported) == line
