"""A predicate of a kind that `kazid.toml` names: its parameters filled in, and the base kind's options checked.

What is stored is the base kind's predicate, so that a goal means the same whatever becomes of the settings; the name it
was authored by stays beside it. The settings were checked when they were read; only what depends on the parameters is
checked here.
"""

from kazid.core.json import JsonObject
from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems
from kazid.goalfile.table import is_sound
from kazid.ports.catalog import KindSpec


def base_options(
    kind: KindSpec, base: KindSpec, options: JsonObject, problems: Problems, *, path: Path, what: str
) -> JsonObject:
    """The options of the base kind; what does not fit is a problem of the entry, said in the base's words."""
    assert kind.expand is not None, "a named kind says how it is filled in"
    filled = kind.expand(options)
    path, what = (*path, "provider"), f"{what}: {kind.name} is {base.name}"
    before = problems.count
    for key, spec in base.keys.items():
        if key in filled:
            is_sound(filled[key], spec, problems, path=path, what=f"{what}: {key}")
        elif spec.required:
            problems.add(path, f'{what}: missing required key "{key}"', hint=spec.help)
    if problems.count == before and base.check is not None:
        for found in base.check(filled):
            problems.add(path, f"{what}: {found.message}", hint=found.hint)
    return filled
