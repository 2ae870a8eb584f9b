"""`[[kind]]` of `kazid.toml`: predicate names of one's own, each a base kind with typed parameters.

Turns the settings into `KindSpec`s, or into all problems at once. `{name}` in an option stands for the parameter of
that name: as a whole value it keeps its type, within a text it is written out, and as a whole element of a list it may
be several. Pure.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from kazid.core.errors import StartRefused
from kazid.core.json import Json, JsonObject
from kazid.goalfile import vocabulary
from kazid.goalfile.document import to_json
from kazid.goalfile.problems import did_you_mean, listed
from kazid.goalfile.shapes import mismatch
from kazid.ports.catalog import KeySpec, KeyType, KindSpec
from kazid.settings import KindSettings, ParameterSettings

KIND_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
PARAMETER_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
TYPES: Mapping[str, KeyType] = {
    "string": KeyType.STRING,
    "integer": KeyType.INTEGER,
    "number": KeyType.NUMBER,
    "boolean": KeyType.BOOLEAN,
    "duration": KeyType.DURATION,
    "strings": KeyType.STRING_LIST,
}
_PLACE = re.compile(r"\{([a-z][a-z0-9_]{0,63})\}")


def named_kinds(named: Sequence[KindSettings], kinds: Mapping[str, KindSpec]) -> dict[str, KindSpec]:
    """The kinds these settings name, by their names. Raises StartRefused with every problem."""
    made: dict[str, KindSpec] = {}
    problems: list[str] = []
    for number, one in enumerate(named, start=1):
        what = f'[[kind]] {number} "{one.name}"'
        found = list(_problems(one, kinds, taken=made.keys()))
        problems += [f"{what}: {problem}" for problem in found]
        if not found:
            made[one.name] = _spec(one, kinds[one.base])
    if problems:
        raise StartRefused(f"settings: {'; '.join(problems)}")
    return made


def filled(options: JsonObject, parameters: JsonObject, declared: Mapping[str, KeySpec]) -> dict[str, Json]:
    """The options with their parameters in place; a key or an element whose whole is absent is left out."""
    given = {name: parameters.get(name, spec.default) for name, spec in declared.items()}
    return {
        key: value for key, raw in options.items() if (value := _fill(raw, given)) is not None or raw is None
    }


def _fill(value: Json, given: JsonObject) -> Json:
    match value:
        case str():
            whole = _PLACE.fullmatch(value)
            if whole is not None and whole[1] in given:
                return given[whole[1]]
            return _PLACE.sub(lambda m: _text(given[m[1]]) if m[1] in given else m[0], value)
        case Mapping():
            inner = {key: _fill(each, given) for key, each in value.items()}
            return {key: each for key, each in inner.items() if each is not None}
        case list() | tuple():
            return [each for element in value for each in _elements(element, given)]
        case _:
            return value


def _elements(element: Json, given: JsonObject) -> Iterator[Json]:
    """One element, or those of the list that its parameter is, or none."""
    one = _fill(element, given)
    if isinstance(element, str) and isinstance(one, list | tuple):
        yield from one
    elif one is not None:
        yield one


def _text(value: Json) -> str:
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case list() | tuple():
            return " ".join(_text(each) for each in value)
        case _:
            return str(value)


def _spec(one: KindSettings, base: KindSpec) -> KindSpec:
    keys = {name: _key(parameter) for name, parameter in one.parameters.items()}
    options = {key: to_json(value) for key, value in one.options.items()}
    return KindSpec(
        name=one.name,
        summary=one.summary or f"{base.name} with options of this machine: {base.summary}",
        live=base.live if one.live is None else one.live,
        built=base.built,
        keys=keys,
        verdicts=base.verdicts,
        base=base.name,
        expand=_expansion(options, keys),
    )


def _expansion(options: JsonObject, keys: Mapping[str, KeySpec]) -> Callable[[JsonObject], JsonObject]:
    return lambda parameters: filled(options, parameters, keys)


def _key(parameter: ParameterSettings) -> KeySpec:
    return KeySpec(
        type=TYPES[parameter.type],
        help=parameter.help or "a parameter of this machine's kind",
        required=parameter.required,
        choices=tuple(parameter.choices),
        default=parameter.default,
    )


def _problems(one: KindSettings, kinds: Mapping[str, KindSpec], *, taken: Collection[str]) -> Iterator[str]:
    if KIND_NAME.fullmatch(one.name) is None:
        yield "a name has lower case letters, digits, - and _, a letter first"
    if one.name in kinds or one.name in taken:
        yield "the name is taken"
    yield from _parameter_problems(one)
    base = kinds.get(one.base)
    usable = [k.name for k in kinds.values() if k.built and k.name != vocabulary.GHERKIN]
    if base is None or base.name not in usable:
        hint = did_you_mean(one.base, usable)
        yield f'base "{one.base}" is no kind to build on; {hint or f"there are: {listed(usable)}"}'
        return
    for key in one.options:
        if key not in base.keys:
            hint = did_you_mean(key, base.keys)
            yield f'{base.name} has no key "{key}"{"; " + hint if hint else ""}'
    for key, spec in base.keys.items():
        if key not in one.options:
            if spec.required:
                yield f'options lack "{key}", which {base.name} needs'
        elif not _places(one.options[key]) and (wrong := mismatch(one.options[key], spec.type)) is not None:
            yield f"options.{key} {wrong}"


def _parameter_problems(one: KindSettings) -> Iterator[str]:
    used = _places(one.options)
    for name, parameter in one.parameters.items():
        if PARAMETER_NAME.fullmatch(name) is None:
            yield f'parameter "{name}": a name has lower case letters, digits and _, a letter first'
        elif name in vocabulary.PREDICATE or name in vocabulary.IMPORTED:
            yield f'parameter "{name}" is a key of every predicate'
        elif name not in used:
            yield f'parameter "{name}" stands nowhere in the options (as {{{name}}})'
        default = parameter.default
        if default is not None:
            wrong = mismatch(default, TYPES[parameter.type])
            if wrong is not None:
                yield f"parameter {name}: default {wrong}"
            elif parameter.choices and default not in parameter.choices:
                yield f"parameter {name}: default must be one of {listed(parameter.choices)}"
            elif parameter.required:
                yield f"parameter {name}: what is required has no default"


def _places(value: Json) -> set[str]:
    """Every parameter a value names."""
    match value:
        case str():
            return {match[1] for match in _PLACE.finditer(value)}
        case Mapping():
            return {name for inner in value.values() for name in _places(inner)}
        case list() | tuple():
            return {name for inner in value for name in _places(inner)}
        case _:
            return set()
