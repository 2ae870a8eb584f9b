"""A goal-file of the wrong type in every key is problems that stand where the keys do, never a crash."""

import datetime as dt
import math
import time
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kazid.core.errors import GoalFileError
from kazid.goalfile import vocabulary
from kazid.goalfile.problems import PROBLEMS_MAX
from kazid.providers.catalog import KINDS
from tests.goalfile.loading import PREDICATE, loaded, problems_of, script
from tests.goalfile.operation_samples import LEAST

TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
SCALARS = st.one_of(
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(10**40), max_value=10**40),
    st.floats(),
    TEXTS,
    st.dates(),
    st.times(),
    st.datetimes(),
    st.sampled_from(["", "30s", "p", "g", "json", "exit_code", "(", ">= 1", "claude", "../x", "a\nb"]),
)
VALUES = st.recursive(
    SCALARS, lambda v: st.lists(v, max_size=3) | st.dictionaries(TEXTS, v, max_size=3), max_leaves=6
)


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    match value:
        case bool():
            return str(value).lower()
        case float() if math.isnan(value):
            return "nan"
        case float() if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        case int() | float():
            return str(value)
        case str():
            return (
                '"'
                + "".join(
                    c if c.isascii() and c.isprintable() and c not in '"\\' else f"\\U{ord(c):08x}"
                    for c in value
                )
                + '"'
            )
        case dt.date() | dt.time():
            return value.isoformat()
        case list():
            return "[" + ", ".join(map(toml, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{toml(k)} = {toml(v)}" for k, v in value.items()) + "}"
        case _:
            raise AssertionError(value)


FEATURES = {"/goals/f.feature": "Feature: f\nScenario: s\n"}
SOUND: dict[str, dict[str, Any]] = {
    "test_runner": {},
    "custom_script": {"cmd": "x"},
    "cli": {"cmd": "x", "assertions": [{"target": "exit_code", "expected": 0}]},
    "swift_test": {"xcresult_path": "x"},
    "http_probe": {"url": "http://x"},
    "prod_log": {"cmd": "x"},
    "visual": {"url": "http://x", "name": "home"},
    "browser": {"url": "http://x", "assertions": [{"type": "visible", "selector": "a"}]},
    "metrics": {"query": "up", "pass_when": "== 1"},
    "ratchet": {"metric": {"cmd": "x"}, "direction": "lower_better", "baseline": "stored"},
    "static": {"cmd": "x"},
    "coverage": {"patch": {"cmd": "x"}, "target": 80},
    "property": {},
    "mutation": {"threshold": 0.5, "score_path": "$"},
    "cve": {},
    "no_stubs": {},
    "docs_updated": {},
    "oss_hygiene": {},
    "plan_expanded": {"phase": "x"},
    "spec_coverage": {},
    "scenario": {"spec": "x", "scenario": "y"},
    "records": {"file": "x", "key": "x"},
    "fresh_clone": {"readme": "README.md"},
    "gherkin": {"feature": "f.feature"},
    "render_proof": {"capture": "c"},
    **LEAST,
    "visual_judge": {"input": "capture:c", "rubric": "x", "model": "m"},
}
"""The least each kind needs."""


def goal_file(predicate: dict[str, Any]) -> str:
    """A goal-file of five lines with one predicate in an array of inline tables."""
    capture = '{name = "c", launch_cmd = "x", output = "o"}'
    return f'id = "g"\n\n# one line each\ncapture = [{capture}]\npredicate = [{toml(predicate)}]\n'


class _File:
    """A goal-file of one key a line, which remembers the lines."""

    def __init__(self) -> None:
        self.text = ""
        self.lines: dict[str, int] = {}

    def header(self, text: str) -> None:
        self.text += f"{text}\n"

    def pair(self, table: str, key: str, value: str) -> None:
        self.text += f"{key} = {value}\n"
        self.lines[f"{table}.{key}" if table else key] = self.text.count("\n")


@st.composite
def _files(draw: st.DrawFn) -> _File:
    """Any known keys with any values; a sound one where nothing was drawn."""
    file = _File()
    for key in draw(st.lists(st.sampled_from(sorted(vocabulary.TOP)), unique=True, max_size=4)):
        file.pair("", key, toml(draw(VALUES)))
    for name in draw(st.lists(st.sampled_from([*sorted(vocabulary.TABLES), "zzz"]), unique=True, max_size=4)):
        file.header(f"[{name}]")
        known = [*vocabulary.TABLES.get(name, ()), "guard", "roles", "zzz"]
        for key in draw(st.lists(st.sampled_from(known), unique=True, max_size=4)):
            file.pair(name, key, toml(draw(VALUES)))
    for name in draw(st.lists(st.sampled_from(sorted(vocabulary.ARRAYS)), unique=True, max_size=2)):
        for number in range(1, draw(st.integers(2, 3))):
            file.header(f"[[{name}]]")
            for key in draw(
                st.lists(st.sampled_from(sorted(vocabulary.ARRAYS[name])), unique=True, max_size=4)
            ):
                file.pair(f"{name}[{number}]", key, toml(draw(VALUES)))
    for number in range(1, draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(sorted(KINDS)))
        file.header("[[predicate]]")
        file.pair(f"predicate[{number}]", "provider", toml(kind))
        fields = sorted(vocabulary.fields_of(KINDS[kind]).keys() - {"provider"})
        for key in draw(st.lists(st.sampled_from(fields), unique=True, max_size=5)):
            file.pair(f"predicate[{number}]", key, toml(draw(VALUES)))
    return file


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_files())
def test_no_goal_file_raises_anything_but_its_problems(file: _File) -> None:
    try:
        result = loaded(file.text)
    except GoalFileError as error:
        for problem in error.problems:
            assert problem.message
            assert problem.line is not None, "everything here stands in the file"
            assert 1 <= problem.line <= max(1, file.text.count("\n"))
            if problem.key in file.lines:
                assert problem.line == file.lines[problem.key]
    else:
        msgspec.json.encode(result.goal)


ONE_OF_EACH = [
    True, 5, -1, 0, 2.5, math.inf, "", "x", "30s", dt.date(2026, 1, 2), [], [5], ["x"], [{}], {}, {"x": 5}, {"x": "y"},
]  # fmt: skip


@pytest.mark.parametrize("kind", [pytest.param(k, id=k) for k in sorted(SOUND)])
def test_every_option_of_every_kind_takes_a_value_of_any_type(kind: str) -> None:
    for key in vocabulary.fields_of(KINDS[kind]).keys() - {"provider"}:
        for value in ONE_OF_EACH:
            try:
                loaded(goal_file({"provider": kind, "id": "p", **SOUND[kind], key: value}), texts=FEATURES)
            except GoalFileError as error:
                problems = error.problems
            else:
                problems = ()
            assert all(p.line is not None and p.key is not None and p.message for p in problems)


@pytest.mark.parametrize(
    "name", [pytest.param(n, id=n) for n in sorted({*vocabulary.TABLES, *vocabulary.ARRAYS})]
)
def test_every_key_of_every_table_takes_a_value_of_any_type(name: str) -> None:
    header = f"[[{name}]]" if name in vocabulary.ARRAYS else f"[{name}]"
    for key in {**vocabulary.TABLES, **vocabulary.ARRAYS}[name]:
        for value in ONE_OF_EACH:
            text = f'id = "g"\n{PREDICATE}{header}\n{key} = {toml(value)}\n'
            try:
                loaded(text)
            except GoalFileError as error:
                problems = error.problems
            else:
                problems = ()
            assert all(p.line in (6, 7) and p.key is not None and p.message for p in problems)


@pytest.mark.parametrize("kind", [pytest.param(k, id=k) for k in sorted(SOUND)])
def test_the_least_a_kind_needs_is_enough(kind: str) -> None:
    assert loaded(goal_file({"provider": kind, "id": "p", **SOUND[kind]}), texts=FEATURES).goal.predicates


def test_there_is_a_sound_example_of_every_kind() -> None:
    assert SOUND.keys() == {k.name for k in KINDS.values() if not k.synthesized}


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.text(max_size=200)))
@example(b"\xef\xbb\xbf")
@example("[[predicate]]\n[predicate]")
@example("a.b.c = {}\n[a]\n")
def test_no_bytes_raise_anything_but_a_problem(text: bytes | str) -> None:
    with pytest.raises(GoalFileError):
        loaded(text)


ENDLESS = {
    "predicates": 'id = "g"\n' + "[[predicate]]\n" * 70_000,
    "unknown-keys": 'id = "g"\n' + "".join(f"k{n} = 1\n" for n in range(90_000)),
    "unknown-names": f'id = "g"\n{PREDICATE}[[remedy]]\ncmd = "x"\nfor = [' + '"qqqqqq",' * 110_000 + "]\n",
    "groups": 'id = "g"\n'
    + "".join(f'[[group]]\nid = "g{n}"\nneeds = ["g{n + 1}","g0"]\n' for n in range(20_000)),
    "nested-arrays": "a = " + "[" * 390 + "]" * 390,
    "one-string": 'id = "' + "x" * 1_000_000 + '"\n',
    "one-multi-line-string": 'id = """' + '"\n' * 300_000 + '"""\n',
}


@pytest.mark.parametrize("text", [pytest.param(t, id=i) for i, t in ENDLESS.items()])
def test_the_largest_files_are_answered_in_bounded_time(text: str) -> None:
    started_s = time.process_time()
    with pytest.raises(GoalFileError) as raised:
        loaded(text)
    # About a second on the slowest machine seen; ten times that is a quadratic rule and not a slow machine.
    assert time.process_time() - started_s < 10
    assert len(raised.value.problems) <= PROBLEMS_MAX + 1


@pytest.mark.parametrize(
    ("name", "said"),
    [
        pytest.param("a\u200bb", "U+200B", id="zero-width"),
        pytest.param("a\u202eb", "U+202E", id="right-to-left"),
        pytest.param("a\u00a0b", "U+00A0", id="no-break-space"),
    ],
)
def test_an_id_is_what_people_see_of_it(name: str, said: str) -> None:
    """Else `list` shows a name that no command takes, or two goals under one."""
    goal_id = problems_of(f'id = "{name}"\n{PREDICATE}')
    predicate_id = problems_of(f'id = "g"\n{script(name)}')
    assert [said in problem.message for problem in (*goal_id, *predicate_id)] == [True, True]
