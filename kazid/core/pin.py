"""A pinned trace: how one scenario was once shown on a surface, step by step, and whether that still is the scenario.

A pin belongs to the exact words of its scenario: they are hashed. Each step that acts is mapped to steps of the trace,
each that expects to assertions. All that is wrong with a pin is told at once. Pure (reference 4.20).
"""

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kazid.core.json import Json, JsonObject

VERSION: Final = 1
SURFACES: Final = ("browser", "cli")
TRACE_KEYS: Final[Mapping[str, frozenset[str]]] = {
    "browser": frozenset({"url", "steps", "assertions", "timeout_ms", "samples"}),
    "cli": frozenset({"args", "script", "assertions", "golden", "timeout_ms", "samples"}),
}
REASONS_MAX = 50
_NOTHING: Final[JsonObject] = {}
_MAPPED: Final[Mapping[str, str]] = {"when": "steps", "then": "assertions"}
_STEP = re.compile(r"(Given|When|Then|And|But|\*)\s+(.*)", re.DOTALL)
_PLACEHOLDER = re.compile(r"\{\{\s*(\w{1,64})\s*\}\}")
_GENERATOR = re.compile(r"unique_slug|random_email|random_string:([1-9]\d{0,2})")


def scenario_sha(name: str, steps: Sequence[str]) -> str:
    """The hash of a scenario's words, white space collapsed."""
    lines = (f"Scenario: {_collapsed(name)}", *(_collapsed(step) for step in steps))
    return hashlib.sha256("\n".join(lines).encode("utf-8", errors="replace")).hexdigest()


def problems_of(pin: Json, steps: Sequence[str]) -> list[str]:
    """What is wrong with the pin of this scenario, but for its hash; empty where it may be replayed."""
    if not isinstance(pin, Mapping):
        return ["the pin is no object"]
    found = [*_header(pin), *_trace(pin), *_mapping(pin, steps), *_inputs(pin)]
    return found[:REASONS_MAX]


def placeholders_in(value: Json) -> Iterator[str]:
    """The names of all `{{name}}` in a trace."""
    if isinstance(value, str):
        yield from (match[1] for match in _PLACEHOLDER.finditer(value))
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from placeholders_in(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from placeholders_in(each)


def filled_in(value: Json, values: Mapping[str, str]) -> Json:
    """The trace with fresh values for its placeholders."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), value)
    if isinstance(value, Mapping):
        return {key: filled_in(each, values) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [filled_in(each, values) for each in value]
    return value


def generated(name: str, generator: str, entropy: str) -> str:
    """The value a generator makes of this entropy (hexadecimal, enough of it)."""
    if generator == "unique_slug":
        return f"{name}-{entropy[:8]}"
    if generator == "random_email":
        return f"{entropy[:12]}@example.com"
    length = int(generator.partition(":")[2])
    return (entropy * (length // len(entropy) + 1))[:length]


def is_generator(generator: Json) -> bool:
    """True for one of the vocabulary."""
    return isinstance(generator, str) and _GENERATOR.fullmatch(generator) is not None


def _header(pin: JsonObject) -> Iterator[str]:
    if pin.get("pin_version") != VERSION:
        yield f"pin_version is {pin.get('pin_version')!r}, not {VERSION}"
    if pin.get("surface") not in SURFACES:
        yield f"surface is {pin.get('surface')!r}, none of {', '.join(SURFACES)}"


def _trace(pin: JsonObject) -> Iterator[str]:
    trace, surface = pin.get("trace"), pin.get("surface")
    if not isinstance(trace, Mapping):
        yield "trace is no object"
        return
    known = TRACE_KEYS.get(surface, frozenset[str]()) if isinstance(surface, str) else frozenset[str]()
    for key in trace:
        if known and key not in known:
            yield f"trace: unknown key {key[:64]!r}"


def _mapping(pin: JsonObject, steps: Sequence[str]) -> Iterator[str]:
    trace = _object(pin.get("trace"))
    is_cli = pin.get("surface") == "cli"
    is_one_run = is_cli and "script" not in trace
    acts = 1 if is_one_run else _length(trace.get("script" if is_cli else "steps"))
    expects = _length(trace.get("assertions")) + _length(_assertions_within(trace))
    entries = pin.get("map")
    rows = [row for row in entries if isinstance(row, Mapping)] if isinstance(entries, list) else []
    for row in rows:
        for key, length in (("steps", acts), ("assertions", expects)):
            if any(not 0 <= index < length for index in _indexes(row.get(key))):
                yield f"map: an index of {key} is out of range for {_collapsed(str(row.get('step')))[:80]!r}"
    for role, step in _roles(steps):
        aim = _MAPPED.get(role)
        if aim is None:
            continue
        if not any(_is_step(row.get("step"), step) and _indexes(row.get(aim)) for row in rows):
            yield f"{_collapsed(step)[:80]!r} is mapped to no {aim}"


def _assertions_within(trace: JsonObject) -> list[Json]:
    script = trace.get("script")
    runs = [run for run in script if isinstance(run, Mapping)] if isinstance(script, list) else []
    return [each for run in runs if isinstance(found := run.get("assertions"), list) for each in found]


def _inputs(pin: JsonObject) -> Iterator[str]:
    known = _object(pin.get("inputs"))
    for name in dict.fromkeys(placeholders_in(pin.get("trace"))):
        if name not in known:
            yield f"{{{{{name}}}}} has no input"
    for name, generator in known.items():
        if not is_generator(generator):
            yield f"input {name[:64]!r}: unknown generator {str(generator)[:64]!r}"


def _roles(steps: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each step with its class; And, But and * take the one before, and a leading one is Given."""
    role = "given"
    for step in steps:
        matched = _STEP.match(step.strip())
        word = matched[1].lower() if matched is not None else ""
        role = word if word in ("given", "when", "then") else role
        yield role, step


def _is_step(told: Json, step: str) -> bool:
    if not isinstance(told, str):
        return False
    matched = _STEP.match(step.strip())
    bare = matched[2] if matched is not None else step
    return _collapsed(told) in (_collapsed(step), _collapsed(bare))


def _indexes(value: Json) -> list[int]:
    return (
        [i for i in value if isinstance(i, int) and not isinstance(i, bool)]
        if isinstance(value, list)
        else []
    )


def _object(value: Json) -> JsonObject:
    return value if isinstance(value, Mapping) else _NOTHING


def _length(value: Json) -> int:
    return len(value) if isinstance(value, list) else 0


def _collapsed(text: str) -> str:
    return " ".join(text.split())
