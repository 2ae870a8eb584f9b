"""The goal-file as JSON Schema: for editors, agents and `kazictl schema`. Made from the field tables the loader checks.

A schema says less than the loader (references, keys that other keys demand), never something else.
"""

from collections.abc import Mapping, Sequence

from kazid.core.json import Json
from kazid.goalfile import vocabulary
from kazid.ports.catalog import Catalog, KeySpec, KeyType, KindSpec

DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNKNOWN_KEY: Mapping[str, Json] = {"not": {"title": "unknown key"}}
"""No further keys. Said of the value, and not of its table, so that a validator points at the line that is wrong."""

_TEXT: Mapping[str, Json] = {"type": "string"}
_SHAPES: Mapping[KeyType, Mapping[str, Json]] = {
    KeyType.STRING: _TEXT,
    KeyType.NON_EMPTY_STRING: {"type": "string", "minLength": 1},
    KeyType.INTEGER: {"type": "integer"},
    KeyType.POSITIVE_INTEGER: {"type": "integer", "minimum": 1},
    KeyType.NON_NEGATIVE_INTEGER: {"type": "integer", "minimum": 0},
    KeyType.NUMBER: {"type": "number"},
    KeyType.POSITIVE_NUMBER: {"type": "number", "exclusiveMinimum": 0},
    KeyType.FRACTION: {"type": "number", "minimum": 0, "maximum": 1},
    KeyType.DURATION: {
        "oneOf": [
            {"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)?(ms|s|m|h|d)$"},
            {"type": "number", "exclusiveMinimum": 0},
        ]
    },
    KeyType.BOOLEAN: {"type": "boolean"},
    KeyType.STRING_LIST: {"type": "array", "items": _TEXT},
    KeyType.INTEGER_LIST: {"type": "array", "items": {"type": "integer"}},
    KeyType.STRING_TABLE: {"type": "object", "additionalProperties": _TEXT},
    KeyType.TABLE: {"type": "object"},
    KeyType.TABLE_LIST: {"type": "array", "items": {"type": "object"}},
    KeyType.STRING_OR_STRING_LIST: {"oneOf": [_TEXT, {"type": "array", "items": _TEXT}]},
    KeyType.NUMBER_OR_STRING: {"oneOf": [{"type": "number"}, {"type": "string", "minLength": 1}]},
    KeyType.ANY: {},
}
assert _SHAPES.keys() == set(KeyType), "every key type has a schema"


def goal_file_schema(catalog: Catalog) -> dict[str, Json]:
    """The schema of a whole goal-file."""
    authorable = [k for k in catalog.kinds().values() if not k.synthesized]
    properties: dict[str, Json] = {key: _key(spec) for key, spec in vocabulary.TOP.items()}
    properties |= {name: _table(fields) for name, fields in vocabulary.TABLES.items()}
    properties |= {name: _array(_table(fields)) for name, fields in vocabulary.ARRAYS.items()}
    properties["budget"] = _table(vocabulary.BUDGET, {"window": _table(vocabulary.BUDGET_WINDOW)})
    properties["enforcement"] = _enforcement()
    properties["deploy"] = _deploy(_predicate(authorable))
    properties["predicate"] = {
        "type": "array",
        "minItems": 1,
        "items": _predicate(authorable),
    }
    return {
        "$schema": DIALECT,
        "title": "kazid goal-file",
        "type": "object",
        "required": [*_required(vocabulary.TOP), "predicate"],
        "properties": properties,
        "additionalProperties": UNKNOWN_KEY,
        "$defs": {kind.name: kind_schema(kind) for kind in authorable},
    }


def kind_schema(kind: KindSpec) -> dict[str, Json]:
    """The schema of one `[[predicate]]` of this kind."""
    schema = _table(vocabulary.fields_of(kind))
    properties = schema["properties"]
    assert isinstance(properties, dict)
    properties["provider"] = {"const": kind.name, "description": vocabulary.PREDICATE["provider"].help}
    properties["wake"] = {**_table(vocabulary.WAKE), "description": vocabulary.PREDICATE["wake"].help}
    return {
        "title": kind.name,
        "description": kind.summary,
        **schema,
        "deprecated": kind.deprecated_for is not None,
        "x-kazid-built": kind.built,
        "x-kazid-live": kind.live,
        "x-kazid-verdicts": kind.verdicts,
        **({} if kind.base is None else {"x-kazid-base": kind.base}),
        **(
            {} if kind.unusable is None else {"x-kazid-unusable": kind.unusable, "additionalProperties": True}
        ),
    }


def _predicate(kinds: Sequence[KindSpec]) -> dict[str, Json]:
    """One entry: its kind decides which keys it has, so that an editor names the misspelt one.

    With `oneOf`, a validator only says that none of so many kinds fits. The union of all keys is what editors complete.
    """
    union: dict[str, Json] = {}
    for kind in kinds:
        union |= {key: {"description": spec.help} for key, spec in kind.keys.items() if key not in union}
    common: dict[str, Json] = {key: _key(spec) for key, spec in vocabulary.PREDICATE.items()}
    common["provider"] = {
        "enum": [kind.name for kind in kinds],
        "description": vocabulary.PREDICATE["provider"].help,
    }
    return {
        "type": "object",
        "required": ["provider"],
        "properties": {**union, **common},
        "allOf": [
            {
                "if": {"properties": {"provider": {"const": kind.name}}, "required": ["provider"]},
                "then": {"$ref": f"#/$defs/{kind.name}"},
            }
            for kind in kinds
        ],
    }


def _deploy(layer: Mapping[str, Json]) -> dict[str, Json]:
    """A table whose keys may each be another in an environment, and the layers on its way."""
    environment: dict[str, Json] = {"type": "object", "additionalProperties": _table(vocabulary.DEPLOY)}
    return _table(vocabulary.DEPLOY, {"env": environment, "layer": _array(dict(layer))})


def _enforcement() -> dict[str, Json]:
    roles: dict[str, Json] = {
        "fixer": _table(vocabulary.FIXER_ROLE),
        "demonstrator": _table(vocabulary.DEMONSTRATOR_ROLE),
    }
    extra: dict[str, Json] = {
        "guard": _array(_table(vocabulary.ENFORCEMENT_GUARD)),
        "roles": {"type": "object", "properties": roles, "additionalProperties": UNKNOWN_KEY},
    }
    return _table(vocabulary.ENFORCEMENT, extra)


def _table(fields: vocabulary.Fields, extra: Mapping[str, Json] | None = None) -> dict[str, Json]:
    properties: dict[str, Json] = {key: _key(spec) for key, spec in fields.items()}
    return {
        "type": "object",
        "required": _required(fields),
        "properties": {**properties, **(extra or {})},
        "additionalProperties": UNKNOWN_KEY,
    }


def _array(items: Mapping[str, Json]) -> dict[str, Json]:
    return {"type": "array", "items": items}


def _required(fields: vocabulary.Fields) -> Sequence[str]:
    return [key for key, spec in fields.items() if spec.required]


def _key(spec: KeySpec) -> dict[str, Json]:
    schema: dict[str, Json] = {**_SHAPES[spec.type], "description": spec.help}
    if spec.choices:
        schema["enum"] = list(spec.choices)
    if spec.default is not None:
        schema["default"] = list(spec.default) if isinstance(spec.default, tuple) else spec.default
    return schema
