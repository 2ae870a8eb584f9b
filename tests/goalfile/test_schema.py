"""The JSON Schema knows exactly the keys the loader knows."""

import json

import pytest

from kazid.goalfile import vocabulary
from kazid.goalfile.schema import goal_file_schema, kind_schema
from kazid.ports.catalog import KindSpec
from kazid.providers.catalog import KINDS
from tests.goalfile.loading import CATALOG, problems_of

SCHEMA = json.loads(json.dumps(goal_file_schema(CATALOG)))


def test_every_table_and_no_other_is_in_the_schema() -> None:
    known = {*vocabulary.TOP, *vocabulary.TABLES, *vocabulary.ARRAYS, "predicate"}
    assert SCHEMA["properties"].keys() == known
    assert SCHEMA["required"] == ["id", "predicate"]
    wrong = "".join(f"{name} = 1979-05-27\n" for name in sorted(known))
    assert {p.key for p in problems_of(wrong)} == known, "each is known, and none of them is a date"
    assert not any("unknown key" in p.message for p in problems_of(wrong))


def test_every_authorable_kind_has_a_definition() -> None:
    authorable = {k.name for k in KINDS.values() if not k.synthesized}
    assert len(authorable) >= 23
    assert SCHEMA["$defs"].keys() == authorable
    entry = SCHEMA["properties"]["predicate"]["items"]
    assert {each["then"]["$ref"] for each in entry["allOf"]} == {f"#/$defs/{name}" for name in authorable}
    assert set(entry["properties"]["provider"]["enum"]) == authorable
    of_some_kind = {key for name in authorable for key in KINDS[name].keys}
    assert entry["properties"].keys() == {*vocabulary.PREDICATE, *of_some_kind}, "what an editor completes"


@pytest.mark.parametrize("kind", [pytest.param(k, id=k.name) for k in KINDS.values() if not k.synthesized])
def test_every_key_of_a_kind_is_described(kind: KindSpec) -> None:
    properties = json.loads(json.dumps(kind_schema(kind)))["properties"]
    assert properties.keys() == vocabulary.fields_of(kind).keys()
    assert all(p["description"] for p in properties.values())


def test_a_kind_says_its_defaults_words_and_required_keys() -> None:
    schema = json.loads(json.dumps(kind_schema(KINDS["custom_script"])))
    assert schema["required"] == ["id", "provider", "cmd"]
    assert schema["properties"]["verdict"]["default"] == "exit_zero"
    assert schema["properties"]["verdict"]["enum"] == [
        "exit_zero",
        "exit_code",
        "json",
        "match_count",
        "report",
    ]
    assert schema["properties"]["provider"]["const"] == "custom_script"


def test_a_gherkin_entry_needs_no_id() -> None:
    assert sorted(kind_schema(KINDS["gherkin"])["required"]) == ["feature", "provider"]
