"""Who imports what, as grimp reads it: nothing of the tree is run, and what goes wrong is said in the trace."""

import os

import pytest

from kazid.adapters.system import briefer, importers
from kazid.adapters.system.briefer import SystemBriefer
from kazid.adapters.system.importers import importers_of, read
from kazid.core.imports import Imported, Question, question_of
from kazid.core.verdict import failed
from tests.builders import a_goal, a_harness, a_predicate
from tests.played import Played

pytestmark = pytest.mark.anyio

FILES = {
    "shop/__init__.py": "",
    "shop/cart.py": "def total(items):\n    return sum(items) + 1\n",
    "shop/api.py": "import json\nfrom . import cart\n",
    "shop/web.py": "from shop.api import cart\n",
    "tests/test_cart.py": "from shop.cart import total\nassert total([1]) == 1\n",
    # Named like modules that grimp itself imports: whatever is run would leave a file behind.
    "json.py": "open('was-run', 'w')\n",
    "shop/typing.py": "open('was-run', 'w')\n",
}


@pytest.fixture
def tree(tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


async def test_who_imports_a_module_is_in_the_pack_and_the_tree_is_only_read(tree, monkeypatch):
    monkeypatch.chdir(tree)
    monkeypatch.setattr(importers, "IMPORTS_S_MAX", 60.0)
    monkeypatch.setattr(briefer, "BRIEF_S_MAX", 120.0)
    output = 'Traceback\n  File "shop/cart.py", line 2, in total\n'
    play = Played(a_goal(a_predicate("tests"), harness=a_harness(), workspace=str(tree)))
    play.look("tests", failed("exit", stderr=output))
    before = sorted(os.walk(tree))
    briefing = await SystemBriefer().brief(play.goal, play.vector, ["tests"], folder=None)
    line = "  imported at shop/api.py:2, tests/test_cart.py:1; 1 more by way of these"
    assert line in briefing.orientation.splitlines()
    assert briefing.imports == "told"
    assert sorted(os.walk(tree)) == before, "nothing was run, nothing is left"


@pytest.mark.parametrize(
    ("program", "said"),
    [
        pytest.param("import sys; sys.exit(3)", "grimp is not installed", id="not-installed"),
        pytest.param("import sys; sys.exit(1)", "grimp failed on this tree", id="failed"),
        pytest.param("import time; time.sleep(600)", "no answer within 1 s", id="silent"),
        pytest.param("print('{')", "grimp's answer cannot be read", id="half-an-answer"),
    ],
)
async def test_where_it_cannot_be_told_the_reason_is(tree, monkeypatch, program, said):
    (tree / "stand_in.py").write_text(program)
    monkeypatch.setattr(importers, "_PROGRAM", str(tree / "stand_in.py"))
    monkeypatch.setattr(importers, "IMPORTS_S_MAX", 1.0 if "600" in program else 60.0)
    question = question_of(["shop/cart.py"], FILES)
    assert question is not None
    assert await importers_of(question, str(tree)) == ({}, said)


async def test_an_answer_is_told_of_files(tree):
    question = Question({"a": "a"}, {"a.m": "a/m.py"}, {"a.m": "a/m.py", "a.n": "a/n.py"})
    assert read(question, b'{"a.m": [[["a.n", 3]], 1]}') == ({"a/m.py": Imported([("a/n.py", 3)], 1)}, "told")
