"""One authored table read by its field table: unknown keys, missing keys, wrong shapes and wrong words become problems.

What comes out holds only keys whose value is sound, so that whoever builds on it never meets a wrong type; what was
wrong is already reported. The field tables are `KeySpec`s, the same that describe provider options.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kazid.core.duration import duration_s
from kazid.core.json import Json
from kazid.goalfile.document import is_list, is_table, to_json
from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems, closest, did_you_mean, listed
from kazid.goalfile.shapes import is_number, misfits, mismatch, shown
from kazid.ports.catalog import KeySpec

HINT_KEYS_MAX = 12
"""A table with at most so many keys is described by listing them."""
ENTRIES_MAX = 1000
"""Of one array of tables. The documented goal-files have 15 predicates at most, and a turn looks at all of them."""

Fields = Mapping[str, KeySpec]


class Entry(NamedTuple):
    """One table of an array of tables; `number` counts from one."""

    number: int
    path: Path
    values: Mapping[str, object]


class Table:
    """The sound keys of one authored table. Getters answer None (or empty) for what is absent or was wrong."""

    def __init__(self, values: Mapping[str, object], *, path: Path = (), is_authored: bool = False) -> None:
        self._values = values
        self.path = path
        self.is_authored = is_authored
        """True when the file has this table at all."""

    def has(self, key: str) -> bool:
        """True when the key is authored and sound."""
        return key in self._values

    def value(self, key: str) -> Json:
        """The value as JSON."""
        return to_json(self._values.get(key))

    def text(self, key: str) -> str | None:
        """A string."""
        value = self._values.get(key)
        return value if isinstance(value, str) else None

    def flag(self, key: str, *, default: bool) -> bool:
        """A boolean."""
        value = self._values.get(key)
        return value if isinstance(value, bool) else default

    def number(self, key: str) -> float | None:
        """A number, as a float."""
        value = self._values.get(key)
        return float(value) if is_number(value) else None

    def integer(self, key: str) -> int | None:
        """An integer."""
        value = self._values.get(key)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def seconds(self, key: str) -> float | None:
        """A duration in seconds."""
        return duration_s(self._values.get(key))

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self._values.get(key)
        return tuple(v for v in value if isinstance(v, str)) if is_list(value) else ()

    def text_table(self, key: str) -> Mapping[str, str]:
        """A table of strings."""
        value = self._values.get(key)
        return {k: v for k, v in value.items() if isinstance(v, str)} if is_table(value) else {}

    def raw(self, key: str) -> object:
        """The value as TOML gave it, for tables that are read further."""
        return self._values.get(key)


def read_table(
    raw: object, fields: Fields, problems: Problems, *, path: Path, what: str, also: Sequence[str] = ()
) -> Table:
    """The sound keys of a table. `what` names it in errors; `also` are keys that the caller reads by itself."""
    if not is_table(raw):
        problems.add(path, f"{what} must be a table, not {shown(raw)}")
        return Table({}, path=path)
    for key in raw:
        if key not in fields and key not in also:
            add_unknown_key(problems, (*path, key), what=what, known=[*fields, *also])
    sound: dict[str, object] = {}
    for key, spec in fields.items():
        if key not in raw:
            if spec.required:
                problems.add((*path, key), f'{what}: missing required key "{key}"', hint=spec.help)
        elif is_sound(raw[key], spec, problems, path=(*path, key), what=f"{what}: {key}"):
            sound[key] = raw[key]
    return Table(sound, path=path, is_authored=True)


def read_tables(raw: object, fields: Fields, problems: Problems, *, path: Path, name: str) -> list[Table]:
    """The tables of an array such as `[[remedy]]`; entries that are no tables are reported and left out."""
    return [
        read_table(entry.values, fields, problems, path=entry.path, what=f"[[{name}]] {entry.number}")
        for entry in entries_of(raw, problems, path=path, name=name)
    ]


def entries_of(raw: object, problems: Problems, *, path: Path, name: str) -> list[Entry]:
    """The entries of an array of tables. What is not one becomes a problem, and absent is empty."""
    if raw is None:
        return []
    if not is_list(raw):
        hint = f"write [[{name}]]" if is_table(raw) else None
        problems.add(path, f"{name} must be an array of tables, not {shown(raw)}", hint=hint)
        return []
    if len(raw) > ENTRIES_MAX:
        problems.add(path, f"a goal-file has at most {ENTRIES_MAX} [[{name}]], this one {len(raw)}")
    entries: list[Entry] = []
    for index, values in enumerate(raw[:ENTRIES_MAX]):
        if is_table(values):
            entries.append(Entry(index + 1, (*path, index), values))
        else:
            problems.add((*path, index), f"[[{name}]] {index + 1} must be a table, not {shown(values)}")
    return entries


def is_sound(value: object, spec: KeySpec, problems: Problems, *, path: Path, what: str) -> bool:
    """True when a value has the shape and one of the words its key demands; otherwise that is a problem."""
    wrong = mismatch(value, spec.type)
    if wrong is not None:
        _add_misfit(value, spec, problems, path=path, what=what, wrong=wrong)
        return False
    if spec.choices and value not in spec.choices:
        hint = did_you_mean(value, spec.choices) if isinstance(value, str) and not problems.is_full else None
        problems.add(path, f"{what} must be one of {listed(spec.choices)}, not {shown(value)}", hint=hint)
        return False
    return True


def _add_misfit(
    value: object, spec: KeySpec, problems: Problems, *, path: Path, what: str, wrong: str
) -> None:
    """Report each entry that does not fit, or the whole value where it is no list or table at all."""
    is_said = False
    for part, why in misfits(value, spec.type):
        is_said = True
        if isinstance(part, int):
            problems.add(path, f"{what}[{part + 1}] {why}")  # an option is one key, whatever its list holds
        else:
            problems.add((*path, part), f"{what}.{part} {why}")
    if not is_said:
        problems.add(path, f"{what} {wrong}")


def add_unknown_key(problems: Problems, path: Path, *, what: str, known: Sequence[str]) -> None:
    """Report a key nobody knows, with what was probably meant."""
    word = str(path[-1])
    close = None if problems.is_full else closest(word, known)
    if close is not None:
        hint = f'did you mean "{close}"?'
    elif len(known) <= HINT_KEYS_MAX:
        hint = f"known keys: {listed(known)}"
    else:
        hint = None
    problems.add(path, f"{what}: unknown key {shown(word)}", hint=hint)
