"""Sources of other languages: what they define and call, as far as their grammars are installed; nothing raises."""

import importlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kazid.adapters.system import grammars
from kazid.adapters.system.grammars import GRAMMARS, is_readable, read_source
from kazid.core.orientation import Place, orientation

JAVASCRIPT = """\
class Calc {
  add(a, b) {
    return this.helper(a) - b;
  }
}
function helper(x) { const inner = () => x; return inner() }
const twice = async (x) =>
  helper(x) * 2;
const n = 1;
new Calc().add(1, 2);
"""
TYPESCRIPT = """\
export class Calc<T> {
  add(a: number): number {
    return helper(a);
  }
}
interface Shape { area(): number }
"""
GO = """\
package m

type Calc struct{ n int }

func (c *Calc) Add(a, b int) int {
	return pkg.Helper(a) - b
}
"""
RUST = """\
struct Calc;
impl Calc {
    fn add(&self, a: i32) -> i32 {
        self::other::deep(a)
    }
}
"""
JAVA = """\
class Calc {
  int add(int a) {
    return helper(a) - new Other().run();
  }
}
"""
RUBY = """\
class Calc
  def add(a, b)
    helper(a) - b
  end
  def self.make(x) = new(x)
end
"""


@pytest.mark.parametrize(
    ("path", "text", "symbols", "calls"),
    [
        pytest.param(
            "src/a.js",
            JAVASCRIPT,
            [(1, 5, "class Calc"), (2, 4, "add(a, b)"), (6, 6, "function helper(x)"), (7, 8, "twice = async (x) =>")],
            [("Calc", 10), ("add", 10), ("helper", 3), ("helper", 8), ("inner", 6)],
            id="javascript",
        ),
        pytest.param(
            "a.ts",
            TYPESCRIPT,
            [(1, 5, "class Calc<T>"), (2, 4, "add(a: number): number"), (6, 6, "interface Shape")],
            [("helper", 3)],
            id="typescript",
        ),
        pytest.param(
            "a.tsx",
            "function App() {\n  return <b>{show()}</b>;\n}\n",
            [(1, 3, "function App()")],
            [("show", 2)],
            id="tsx",
        ),
        pytest.param(
            "a.go",
            GO,
            [(3, 3, "Calc struct{ n int }"), (5, 7, "func (c *Calc) Add(a, b int) int")],
            [("Helper", 6)],
            id="go",
        ),
        pytest.param(
            "a.rs", RUST, [(1, 1, "struct Calc;"), (3, 5, "fn add(&self, a: i32) -> i32")], [("deep", 4)], id="rust"
        ),
        pytest.param(
            "A.java",
            JAVA,
            [(1, 5, "class Calc"), (2, 4, "int add(int a)")],
            [("Other", 3), ("helper", 3), ("run", 3)],
            id="java",
        ),
        pytest.param(
            "a.rb",
            RUBY,
            [(1, 6, "class Calc"), (2, 4, "def add(a, b)"), (5, 5, "def self.make(x) =")],
            [("helper", 3), ("new", 5)],
            id="ruby",
        ),
        pytest.param("a.py", "def f(x):\n    return g(x)\n", [(1, 2, "def f(x)")], [("g", 2)], id="python"),
        pytest.param("b.go", "package m\nfunc Good(a int) {\n\tbad(a\n}\n", [(2, 4, "func Good(a int)")], [("bad", 3)],
                     id="a-broken-part-is-left-out"),
        pytest.param("e.js", "", [], [], id="empty"),
    ],
)  # fmt: skip
def test_a_file_is_read_by_its_grammar(
    path: str, text: str, symbols: list[tuple[int, int, str]], calls: list[tuple[str, int]]
) -> None:
    read = read_source(path, text)
    assert read is not None
    assert [(s.line, s.last_line, s.signature) for s in read.symbols] == symbols
    assert read.calls == calls


@pytest.mark.parametrize("text", [JAVASCRIPT, TYPESCRIPT], ids=["js", "ts"])
def test_a_member_has_its_types_name_before_it(text: str) -> None:
    read = read_source("a.ts", text)
    assert read is not None
    assert {s.name for s in read.symbols} >= {"Calc", "Calc.add"}


def test_an_agent_is_told_where_it_fails_and_who_calls_it() -> None:
    sources = {"calc.go": GO, "main.go": "package m\n\nfunc main() {\n\tvar c Calc\n\tc.Add(1, 2)\n}\n"}
    pack = orientation([Place("/w/calc.go", 6)], sources, reader=read_source)
    assert "5: func (c *Calc) Add(a, b int) int  <- the failure is in it" in pack
    assert "Add: defined at calc.go:5; called at main.go:5" in pack


def test_a_language_that_is_not_installed_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(package: str) -> None:
        raise ImportError(package)

    grammars.language_of.cache_clear()
    monkeypatch.setattr(importlib, "import_module", missing)
    try:
        assert (is_readable("a.go"), read_source("a.go", GO)) == (False, None)
        assert (is_readable("a.py"), is_readable("notes.md")) == (True, False)
        assert orientation([Place("a.go", 6)], {"a.go": GO}, reader=read_source) == "a.go: line 6"
    finally:
        grammars.language_of.cache_clear()


def test_a_generated_file_is_read_as_far_as_the_bound_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grammars, "NODES_MAX", 100)
    read = read_source("a.js", "function f(x) { return g(x) }\n" * 1000)
    assert read is not None
    assert 0 < len(read.symbols) < 100


@given(text=st.text(max_size=200), ending=st.sampled_from(sorted({*GRAMMARS, ".py", ".md"})))
@settings(max_examples=200)
def test_whatever_a_file_holds_is_read_or_is_not(text: str, ending: str) -> None:
    read = read_source(f"a{ending}", text)
    lines = len(text.encode(errors="replace").split(b"\n")) + 1
    for symbol in () if read is None else read.symbols:
        assert 1 <= symbol.line <= symbol.last_line <= lines
