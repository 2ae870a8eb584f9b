"""`[[predicate]]`: each entry checked against its kind, key by key, and resolved into what the loop reads.

Reads no option itself: shapes come from the kind's `KindSpec`, and what shapes cannot tell from its `check`. A gherkin
entry becomes one predicate for each scenario, where it stands.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from kazid.core import gherkin, waiver
from kazid.core.duration import DURATION_S_MAX
from kazid.core.goal import Group, Predicate
from kazid.core.ids import PredicateId
from kazid.core.json import Json, JsonObject
from kazid.core.level import Level
from kazid.core.watch import Wake
from kazid.goalfile import vocabulary
from kazid.goalfile.cadence import cadence_of
from kazid.goalfile.groups import Groups, normalised
from kazid.goalfile.named import base_options
from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems, did_you_mean, has_control_characters, listed, quoted
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Entry, Table, entries_of, is_sound, read_table
from kazid.goalfile.wake import read_wake
from kazid.ports.catalog import KindSpec

ID_CHARS_MAX = 256
PREDICATES_MAX = 1000
"""Of one goal, scenarios of feature files included: a turn looks at all of them."""
LIVE_ONLY_KEYS = ("confirm", "recover", "recheck", "samples")
"""Keys that mean something for live kinds; `samples` also where the kind itself takes samples."""

_KEY_PART = re.compile(r"([^.\[\]]+)|\[([0-9]+)\]")


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What an entry is read against. `read_feature` gives a feature file's text, or raises OSError."""

    kinds: Mapping[str, KindSpec]
    observe: Table
    standing: bool
    read_feature: Callable[[str], str]


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """One predicate with where it was authored and the keys that nothing reads."""

    predicate: Predicate
    path: Path
    table: Table
    kind: KindSpec
    group: Group | None = None
    """The group its feature file makes."""

    @property
    def notes(self) -> JsonObject:
        """What importers wrote: kept, read by nobody."""
        keys = [k for k in vocabulary.IMPORTED if k not in self.kind.keys and self.table.has(k)]
        return {key: self.table.value(key) for key in keys}


def read_predicates(raw: object, problems: Problems, context: Context, *, path: Path) -> list[Read]:
    """The sound predicates in file order; whatever is wrong with the others is a problem."""
    if raw is None or raw == []:
        problems.add(path, "a goal needs at least one [[predicate]]")
        return []
    read = [
        predicate
        for entry in entries_of(raw, problems, path=path, name="predicate")
        for predicate in _read_entry(entry, problems, context)
    ]
    if len(read) > PREDICATES_MAX:
        problems.add(path, f"a goal has at most {PREDICATES_MAX} predicates, this one {len(read)}")
    return read


def check_predicate_ids(read: Sequence[Read], problems: Problems) -> None:
    """No two predicates of a goal share an id: verdicts are kept by it."""
    seen: set[PredicateId] = set()
    for each in read:
        if each.predicate.id in seen:
            problems.add((*each.path, "id"), f"duplicate predicate id {shown(each.predicate.id)}")
        seen.add(each.predicate.id)


def check_waivers(read: Sequence[Read], problems: Problems) -> None:
    """Waivers leave something that has to hold."""
    why = waiver.excess([each.predicate for each in read])
    if why is not None:
        first = next(each for each in read if each.predicate.on_unknown == waiver.WAIVE)
        problems.add((*first.path, "on_unknown"), f'on_unknown = "waive": {why}')


def check_predicate_groups(read: Sequence[Read], groups: Groups, problems: Problems) -> None:
    """Every group a predicate names is declared."""
    declared = {g.id for g in groups.groups}
    for each in read:
        group = each.predicate.group
        if group is not None and group not in declared:
            path = (*each.path, "group")
            problems.add_unknown(
                path, f"predicate {shown(each.predicate.id)}: unknown group", group, declared
            )


def check_id(text: str, problems: Problems, *, path: Path, what: str) -> None:
    """An id is printed, logged and typed by people."""
    if has_control_characters(text):
        problems.add(path, f"{what} must have no control characters")
    elif unseen := next((c for c in text if not c.isprintable()), None):
        problems.add(path, f"{what} must have no character that nobody sees, as U+{ord(unseen):04X} is")
    if len(text) > ID_CHARS_MAX:
        problems.add(path, f"{what} must have at most {ID_CHARS_MAX} characters, not {len(text)}")


def check_env(env: Mapping[str, str], problems: Problems, *, path: Path, what: str) -> None:
    """Names of environment variables are not empty and have no equals sign."""
    for name in env:
        if not name or "=" in name:
            problems.add((*path, name), f"{what}: {shown(name)} is no name for an environment variable")


def _read_entry(entry: Entry, problems: Problems, context: Context) -> Iterator[Read]:
    authored_id = entry.values.get("id")
    what = (
        f"predicate {shown(authored_id)}"
        if authored_id and isinstance(authored_id, str)
        else f"[[predicate]] {entry.number}"
    )
    kind = _kind(entry, problems, context.kinds, what=what)
    if kind is None:
        _check_known(entry, problems, what=what)
        return
    table = read_table(entry.values, vocabulary.fields_of(kind), problems, path=entry.path, what=what)
    options = {key: table.value(key) for key in entry.values if key in kind.keys and table.has(key)}
    _check_common(table, problems, what=what)
    wake = read_wake(table, problems, what=what)
    _check_options(kind, options, problems, path=entry.path, what=what)
    base = kind if kind.base is None else context.kinds[kind.base]
    if base is not kind:
        options = dict(base_options(kind, base, options, problems, path=entry.path, what=what))
    if kind.name == vocabulary.GHERKIN:
        yield from _expand(table, options, kind, problems, context, what=what, wake=wake)
    elif (predicate_id := table.text("id")) is not None:
        yield Read(
            predicate=_predicate(predicate_id, table, options, kind, context, base=base, wake=wake),
            path=entry.path,
            table=table,
            kind=kind,
        )


def _kind(entry: Entry, problems: Problems, kinds: Mapping[str, KindSpec], *, what: str) -> KindSpec | None:
    path = (*entry.path, "provider")
    name = entry.values.get("provider")
    authorable = [k.name for k in kinds.values() if not k.synthesized]
    if name is None:
        misspelt = next((key for key in entry.values if did_you_mean(key, ["provider"])), None)
        hint = None if misspelt is None else f"is {quoted(misspelt)} meant to be it?"
        problems.add(path, f'{what}: missing required key "provider"; known: {listed(authorable)}', hint=hint)
    elif not isinstance(name, str):
        problems.add(path, f"{what}: provider must be a string, not {shown(name)}")
    elif name not in kinds:
        problems.add_unknown(path, f"{what}: unknown provider", name, authorable, label="known")
    elif kinds[name].synthesized:
        problems.add(
            path,
            f"{what}: {shown(name)} is made by the daemon and cannot be authored; known: {listed(authorable)}",
        )
    elif (why := kinds[name].unusable) is not None:
        problems.add(path, f"{what}: provider {shown(name)} cannot be used here: {why}")
    else:
        return kinds[name]
    return None


def _check_known(entry: Entry, problems: Problems, *, what: str) -> None:
    """Without a kind, only the keys that every predicate has can be judged."""
    for key, spec in vocabulary.PREDICATE.items():
        path = (*entry.path, key)
        if key in entry.values and key != "provider":
            is_sound(entry.values[key], spec, problems, path=path, what=f"{what}: {key}")
        elif spec.required and key != "provider":
            problems.add(path, f'{what}: missing required key "{key}"', hint=spec.help)


def _check_common(table: Table, problems: Problems, *, what: str) -> None:
    if (predicate_id := table.text("id")) is not None:
        check_id(predicate_id, problems, path=(*table.path, "id"), what=f"{what}: id")
    if table.flag("guard", default=False) and table.flag("acceptance", default=False):
        message = f"{what} cannot be both guard and acceptance: one holds before, the other does not"
        problems.add((*table.path, "acceptance"), message)
    if (timeout_ms := table.integer("timeout_ms")) is not None and timeout_ms > DURATION_S_MAX * 1000:
        problems.add((*table.path, "timeout_ms"), f"{what}: timeout_ms must be at most a year")
    check_env(table.text_table("env"), problems, path=(*table.path, "env"), what=f"{what}: env")


def _check_options(kind: KindSpec, options: JsonObject, problems: Problems, *, path: Path, what: str) -> None:
    """What the kind itself objects to, unless the key is known to be wrong already."""
    if kind.check is None:
        return
    for found in kind.check(options):
        found_path = (*path, *_path_of(found.key))
        if not problems.has(found_path):
            problems.add(found_path, f"{what}: {found.message}", hint=found.hint)


def _path_of(key: str) -> Path:
    """`assertions[2].type` as a path; entries count from one in keys and from zero in paths."""
    return tuple(int(m[2]) - 1 if m[2] else m[1] for m in _KEY_PART.finditer(key))


def _predicate(
    predicate_id: str,
    table: Table,
    options: Mapping[str, Json],
    kind: KindSpec,
    context: Context,
    *,
    base: KindSpec | None = None,
    description: str | None = None,
    group: str | None = None,
    wake: Wake | None = None,
) -> Predicate:
    base = base or kind
    live = table.flag("live", default=kind.live)
    authored_group = table.text("group")
    return Predicate(
        id=PredicateId(predicate_id),
        provider=base.name,
        kind=None if base is kind else kind.name,
        cadence=cadence_of(
            live=live,
            standing=context.standing,
            observe=context.observe,
            own=table,
            samples_are_native="samples" in kind.keys,
        ),
        live=live,
        description=description or table.text("description"),
        guard=table.flag("guard", default=False),
        acceptance=table.flag("acceptance", default=False),
        held_out=table.flag("held_out", default=False),
        group=group if authored_group is None else normalised(authored_group),
        on_unknown=table.text("on_unknown") or waiver.BLOCK,
        options=options,
        wake=wake,
        playbook=table.text("playbook"),
        autonomy=Level(table.text("autonomy") or Level.ACT.value),
    )


def _expand(
    table: Table,
    options: Mapping[str, Json],
    kind: KindSpec,
    problems: Problems,
    context: Context,
    *,
    what: str,
    wake: Wake | None = None,
) -> Iterator[Read]:
    """The predicates of a feature file, or the reason there are none."""
    feature_file = table.text("feature")
    if feature_file is None:
        return
    path = (*table.path, "feature")
    try:
        text = context.read_feature(feature_file)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        problems.add(path, f"{what}: cannot read feature {shown(feature_file)}: {reason}")
        return
    if len(text) > gherkin.FEATURE_CHARS_MAX:
        problems.add(
            path,
            f"{what}: feature {shown(feature_file)} has more than {gherkin.FEATURE_CHARS_MAX} characters",
        )
        return
    features = gherkin.parse_features(text)
    if not any(f.scenarios for f in features):
        problems.add(path, f"{what}: feature {shown(feature_file)} has no scenario")
    defaults: dict[str, Json] = {"verdict_format": kind.keys["verdict_format"].default, "runner_args": []}
    for feature in features:
        group = Group(
            id=normalised(feature.name) or gherkin.UNGROUPED, name=feature.name or gherkin.UNGROUPED
        )
        for scenario in feature.scenarios:
            predicate = _predicate(
                scenario.id,
                table,
                {**defaults, **options, **scenario.options()},
                kind,
                context,
                description=scenario.title,
                group=group.id,
                wake=wake,
            )
            own_group = None if table.has("group") else group
            yield Read(predicate=predicate, path=table.path, table=table, kind=kind, group=own_group)
