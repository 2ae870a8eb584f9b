"""`[[kind]]` of kazid.toml: a name of one's own is a base kind with typed parameters, and all that is wrong is said."""

from typing import Any

import pytest

from kazid.core.errors import GoalFileError, StartRefused
from kazid.core.goal import Predicate
from kazid.goalfile.load import Defaults, Loaded, Source, load
from kazid.goalfile.schema import goal_file_schema
from kazid.named_kinds import filled, named_kinds
from kazid.ports.catalog import KeySpec, KeyType, KindSpec
from kazid.providers.catalog import KINDS, BuiltinCatalog
from kazid.settings import Settings

SHOP: dict[str, Any] = {
    "name": "shop_api",
    "base": "http_probe",
    "parameters": {
        "path": {"required": True},
        "status": {"type": "integer", "default": 200},
        "agent": {},
    },
    "options": {
        "url": "http://127.0.0.1:8080{path}",
        "expect_status": "{status}",
        "headers": {"User-Agent": "{agent}", "X-Shop": "{not-a-parameter}"},
    },
}


def kinds_of(*named: dict[str, Any]) -> dict[str, KindSpec]:
    return named_kinds(Settings.model_validate({"kind": list(named)}).kind, KINDS)


def loaded(keys: str, *named: dict[str, Any]) -> Loaded:
    return load(
        f'id = "g"\n[[predicate]]\nid = "p"\nprovider = "{(named or (SHOP,))[0]["name"]}"\n{keys}',
        source=Source(owner="me", path="/goals/g.goal.toml"),
        catalog=BuiltinCatalog(kinds_of(*(named or (SHOP,)))),
        defaults=Defaults(),
        read_text=str,
    )


def predicate_of(keys: str, *named: dict[str, Any]) -> Predicate:
    [predicate] = loaded(keys, *named).goal.predicates
    return predicate


def test_what_is_stored_is_the_base_kinds_predicate() -> None:
    predicate = predicate_of('path = "/basket"\ninterval = "5s"\n')
    assert (predicate.provider, predicate.kind, predicate.live) == ("http_probe", "shop_api", True)
    assert predicate.options == {
        "url": "http://127.0.0.1:8080/basket",
        "expect_status": 200,
        "headers": {"X-Shop": "{not-a-parameter}"},
    }
    assert predicate.cadence.interval_s == 5


def test_it_is_linted_as_its_base_is() -> None:
    bare = {**SHOP, "parameters": {"path": {}}, "options": {"url": "http://127.0.0.1:8080{path}"}}
    assert "no-assertion" in {f.code for f in loaded("", bare).findings}


def test_it_shows_in_the_schema_with_its_parameters() -> None:
    schema: Any = goal_file_schema(BuiltinCatalog(kinds_of(SHOP)))
    shop = schema["$defs"]["shop_api"]
    assert shop["x-kazid-base"] == "http_probe"
    assert shop["properties"]["status"] == {
        "type": "integer",
        "description": "a parameter of this machine's kind",
        "default": 200,
    }
    assert "url" not in shop["properties"]
    assert "path" in schema["properties"]["predicate"]["items"]["properties"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        pytest.param("", 'missing required key "path"', id="a-parameter-is-missing"),
        pytest.param('path = "/"\nstatus = "200"\n', "status must be an integer", id="a-wrong-type"),
        pytest.param('path = "/"\nurl = "http://x/"\n', 'unknown key "url"', id="a-key-of-the-base"),
        pytest.param('pth = "/"\n', 'unknown key "pth"', id="a-misspelt-one"),
    ],
)
def test_what_a_goal_file_says_wrong_is_named(keys: str, message: str) -> None:
    with pytest.raises(GoalFileError) as raised:
        loaded(keys)
    assert any(message in p.message for p in raised.value.problems), raised.value.problems


def test_what_the_base_objects_to_is_said_in_its_words() -> None:
    counting = {
        "name": "counting",
        "base": "custom_script",
        "parameters": {"pattern": {"required": True}},
        "options": {"cmd": "cat", "verdict": "match_count", "match_regex": "{pattern}", "pass_when": "== 0"},
    }
    with pytest.raises(GoalFileError) as raised:
        loaded('pattern = "("\n', counting)
    [problem] = raised.value.problems
    assert problem.message.startswith('predicate "p": counting is custom_script: match_regex')
    assert problem.line == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param({"name": "http_probe"}, "the name is taken", id="a-built-in-name"),
        pytest.param({"name": "Shop"}, "a name has lower case", id="an-odd-name"),
        pytest.param({"base": "http_prob"}, 'did you mean "http_probe"?', id="a-misspelt-base"),
        pytest.param({"base": "gherkin"}, "no kind to build on", id="a-base-that-is-several"),
        pytest.param({"parameters": {"id": {}}}, 'parameter "id" is a key of every predicate', id="a-taken-key"),
        pytest.param(
            {"parameters": {"path": {}, "pth": {}}}, 'parameter "pth" stands nowhere', id="an-unused-one"
        ),
        pytest.param(
            {"parameters": {"path": {"type": "integer", "default": "x"}}}, "default must be", id="a-wrong-default"
        ),
        pytest.param({"options": {"urll": "{path}"}}, 'http_probe has no key "urll"', id="a-misspelt-option"),
        pytest.param({"options": {"method": "{path}"}}, 'options lack "url"', id="what-the-base-needs"),
        pytest.param(
            {"options": {"url": "{path}", "expect_status": "200"}}, "options.expect_status must be", id="a-shape"
        ),
    ],
)  # fmt: skip
def test_a_kind_that_cannot_be_refuses_the_start(change: dict[str, Any], message: str) -> None:
    with pytest.raises(StartRefused, match=r'\[\[kind\]\] 1 "') as raised:
        kinds_of({**SHOP, **change})
    assert message in str(raised.value)


def test_all_problems_are_said_at_once() -> None:
    with pytest.raises(StartRefused) as raised:
        kinds_of(SHOP, SHOP, {"name": "x", "base": "nothing"})
    assert str(raised.value).count("[[kind]]") == 2


@pytest.mark.parametrize(
    ("value", "given", "expected"),
    [
        pytest.param("{n}", 3, 3, id="a-whole-value-keeps-its-type"),
        pytest.param("-{n}-", 3, "-3-", id="within-a-text-it-is-written-out"),
        pytest.param("{n}", True, True, id="a-boolean"),
        pytest.param("is {n}", True, "is true", id="a-boolean-in-a-text"),
        pytest.param(["a", "{n}", "b"], ["x", "y"], ["a", "x", "y", "b"], id="several-elements"),
        pytest.param(["a", "{n}"], None, ["a"], id="an-element-that-is-absent"),
        pytest.param(["a {n}"], ["x", "y"], ["a x y"], id="a-list-within-a-text"),
        pytest.param("${N} {other} {n}", 1, "${N} {other} 1", id="other-braces-stay"),
        pytest.param("{n}", "{n}", "{n}", id="a-value-is-not-read-again"),
        pytest.param({"deep": {"er": "{n}"}}, "x", {"deep": {"er": "x"}}, id="in-tables"),
    ],
)
def test_parameters_are_filled_in(value: Any, given: Any, expected: Any) -> None:
    declared = {"n": KeySpec(type=KeyType.ANY, help="")}
    assert filled({"key": value}, {"n": given}, declared) == {"key": expected}


def test_a_key_whose_parameter_is_absent_is_left_out() -> None:
    assert filled({"key": "{n}", "other": 1}, {}, {"n": KeySpec(type=KeyType.STRING, help="")}) == {
        "other": 1
    }
