"""What a goal-file asks for that this kazid does not do yet, by name.

Two lists. `unbuilt` would change a verdict or an act, so `apply` refuses the goal rather than hold a weaker promise
than was written. `notices` change neither: the table is stored and said to be inert. A row leaves when its behaviour
is built.
"""

from collections.abc import Iterator, Sequence

from kazid.core.errors import Problem
from kazid.core.goal import Goal
from kazid.core.ratchet import BASELINE_KEYS, STORED
from kazid.goalfile.positions import Path
from kazid.goalfile.predicates import LIVE_ONLY_KEYS, Read
from kazid.goalfile.problems import Problems
from kazid.goalfile.sections import Sections

NOT_BUILT = "not built yet"
REF_KINDS = ("ratchet", "static", "coverage")
"""Kinds that can be compared with what a commit measures."""
INERT = (("economy", "nobody is asked for a debrief yet"), ("memory", "no corpus is offered to agents yet"))


def unbuilt_of(sections: Sections, read: Sequence[Read], problems: Problems) -> list[Problem]:
    """Everything `apply` has to refuse, each with its place."""
    found = [*_in_tables(sections), *_in_predicates(read)]
    refused = [problems.located(path, f"{what} is {NOT_BUILT}") for path, what in found]
    return sorted(refused, key=lambda p: p.line or 0)


def notices_of(goal: Goal, sections: Sections, read: Sequence[Read]) -> Iterator[str]:
    """What is stored and does nothing, and which old names are used."""
    for name, why in INERT:
        if sections.tables[name].is_authored:
            yield f"[{name}] is stored; {why}"
    if sections.tables["scope"].has("repo"):
        yield "scope.repo is stored; nothing reads it"
    if sections.tables["integration"].has("branch_prefix"):
        yield "integration.branch_prefix is stored; nothing reads it: write the whole name as branch"
    seal = sections.tables["seal"]
    if seal.is_authored and seal.flag("enabled", default=True) and not seal.texts("sealed_inputs"):
        yield "[seal] names no inputs: the stored goal is sealed with or without it"
    for name, successor in {
        r.kind.name: r.kind.deprecated_for for r in read if r.kind.deprecated_for
    }.items():
        yield f'provider "{name}" is deprecated: write "{successor}" instead'
    for each in read:
        if not each.predicate.live:
            for key in LIVE_ONLY_KEYS:
                if each.table.has(key) and key not in each.kind.keys:
                    yield f'predicate "{each.predicate.id}": {key} has no effect on a code predicate'


def _in_tables(sections: Sections) -> Iterator[tuple[Path, str]]:
    if sections.captures:
        yield sections.captures[0].path, "[[capture]]"
    for group in sections.groups.groups:
        table = sections.groups.tables.get(group.id)
        if table is not None and table.has("budget"):
            yield (*table.path, "budget"), f'group "{group.id}": budget'


def _in_predicates(read: Sequence[Read]) -> Iterator[tuple[Path, str]]:
    kinds_named: set[str] = set()
    for each in read:
        predicate, kind = each.predicate, each.kind
        if not kind.built and kind.name not in kinds_named:
            kinds_named.add(kind.name)
            yield (*each.path, "provider"), f'predicate "{predicate.id}": provider "{kind.name}"'
        for key in BASELINE_KEYS:
            baseline = predicate.options.get(key)
            is_ref = isinstance(baseline, str) and baseline.lower() not in STORED
            if kind.built and is_ref and kind.name not in REF_KINDS:
                yield (
                    (*each.path, key),
                    f'predicate "{predicate.id}": a git ref as baseline ("{str(baseline)[:40]}")',
                )
