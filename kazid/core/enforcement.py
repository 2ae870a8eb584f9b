"""What `[enforcement]`, `[seal]` and `[scope] deny` ask for, and the rule that a skipped test is not green. Pure.

A goal that creates is enforced without a word of it; any other one when it has the table. A pass under which a runner
says that something was skipped, expected to fail, or not there at all shows nothing, so it is a fail.
"""

import re
from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Goal, Mode, Predicate
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict

SKIPPED = "tests_skipped"
CHARS_READ_MAX = 100_000

_COUNTED = re.compile(
    r"\b[1-9]\d* (?:skipped|xfailed|xpassed|ignored|pending|todo)\b"
    r"|\b(?:skipped|expected failures|unexpected successes|errors)=[1-9]\d*",
    re.IGNORECASE,
)
_NAMED = re.compile(r"<skipped\b|<error\b|\bxfail\b|--- SKIP\b|# SKIP\b", re.IGNORECASE)
_NOTHING = re.compile(
    r"\bno tests (?:ran|to run|found|collected)\b|\bran 0 tests\b|\bcollected 0 items\b|\[no test files\]"
    r"|\b0 passing\b",
    re.IGNORECASE,
)


class Enforcement(msgspec.Struct, frozen=True, kw_only=True):
    """The profile of one goal. Paths are relative to its workspace; a folder means all in it, globs are globs."""

    is_enabled: bool
    fails_on_skip: bool
    wants_clean_tree: bool
    """Guards and held-out predicates are to be graded in a checkout that no agent touched."""
    read_only: tuple[str, ...] = ()
    """What no agent may change."""
    sealed: tuple[str, ...] = ()
    """What nobody may change while the goal is driven."""
    mutable: tuple[str, ...] = ()
    """Exceptions from what is sealed."""
    seals_git: bool = False
    """Nobody may change the repository's config, hooks and attributes: an agent works on the goal."""


def enforcement_of(goal: Goal) -> Enforcement:
    """What is enforced for this goal."""
    authored = goal.tables.get("enforcement")
    table = _table(authored)
    is_enabled = table.get("enabled", True) is not False if authored is not None else goal.mode is Mode.CREATE
    fixer = _table(_table(table.get("roles")).get("fixer"))
    seal = _table(goal.tables.get("seal"))
    is_sealed = seal.get("enabled", True) is not False
    leased = (*_texts(table, "read_only_paths"), *_texts(fixer, "read_only_paths")) if is_enabled else ()
    return Enforcement(
        is_enabled=is_enabled,
        wants_clean_tree=is_enabled and table.get("clean_tree", True) is not False,
        fails_on_skip=is_enabled and table.get("fail_on_skip", True) is not False,
        read_only=(*leased, *goal.scope.deny),
        sealed=_texts(seal, "sealed_inputs") if is_sealed else (),
        mutable=_texts(seal, "mutable_inputs") if is_sealed else (),
        seals_git=goal.harness is not None,
    )


def without_skips(goal: Goal, predicate: Predicate, verdict: Verdict) -> Verdict:
    """The verdict, but for a pass of a check that did not run all it should: that one is a fail."""
    if verdict.status is not Status.PASS or predicate.live or not enforcement_of(goal).fails_on_skip:
        return verdict
    printed = "\n".join(v for v in verdict.evidence.values() if isinstance(v, str))[-CHARS_READ_MAX:]
    found = next((m for p in (_COUNTED, _NAMED, _NOTHING) if (m := p.search(printed))), None)
    if found is None:
        return verdict
    detail = f'it ended well, but says "{found[0]}": what did not run shows nothing'
    return replace(verdict, status=Status.FAIL, reason=SKIPPED, detail=detail)


def _table(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _texts(table: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = table.get(key)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()
