"""What `[enforcement]`, `[seal]` and `[scope] deny` ask for, and the rule that a skipped test is not green. Pure.

A goal that creates is enforced without a word of it; any other one when it has the table. A pass under which a runner
says that something was skipped, expected to fail, or not there at all shows nothing, so it is a fail.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.goal import Goal, Mode, Predicate
from kazid.core.json import Json
from kazid.core.patterns import is_named
from kazid.core.verdict import Status, Verdict

SKIPPED = "tests_skipped"
CLEAN_FAILED = "no_clean_checkout"
"""Reason of a look at a guard or a held-out predicate for which no checkout could be made."""
CHARS_READ_MAX = 100_000
LABELS_MAX = 500
"""Files outside of what an agent may change that are told one by one, so that an event stays small."""

_COUNTED = re.compile(
    r"\b[1-9]\d* (?:skipped|xfailed|xpassed|ignored|pending|todo)\b"
    r"|\b(?:skipped|expected failures|unexpected successes|errors)=[1-9]\d*",
    re.IGNORECASE,
)
_INTERPRETER = re.compile(r"(?:ba|da|z|k)?sh|python[\d.]*|node|deno|ruby|perl|php|lua|Rscript")
_INLINE = frozenset({"-c", "-e", "-m", "--eval"})
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
    writable: tuple[str, ...] = ()
    """All that an agent may change; empty: it may change anything that is not read-only."""
    goal_file: str | None = None
    """Where the goal-file lies, absolute, that no agent may change."""
    clean_ref: str = "HEAD"
    """The commit that is the base, as it was when the goal was first looked at."""

    @property
    def needs_base(self) -> bool:
        """True when something is compared with, or judged on, the base: an agent works on the goal."""
        return self.seals_git


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
        wants_clean_tree=is_enabled
        and table.get("clean_tree", True) is not False
        and goal.harness is not None
        and any(is_graded_clean(p) for p in goal.predicates),
        fails_on_skip=is_enabled and table.get("fail_on_skip", True) is not False,
        read_only=(*leased, *goal.scope.deny),
        sealed=_texts(seal, "sealed_inputs") if is_sealed else (),
        mutable=_texts(seal, "mutable_inputs") if is_sealed else (),
        seals_git=goal.harness is not None,
        writable=tuple(goal.scope.write_paths) if goal.harness is not None else (),
        goal_file=goal.source_path if is_sealed and goal.harness is not None else None,
        clean_ref=_text(table, "clean_ref") or "HEAD",
    )


def is_graded_clean(predicate: Predicate) -> bool:
    """Whether it is judged where no agent works, when that is enforced: guards and what is held out."""
    return (predicate.guard or predicate.held_out) and not predicate.live


def beyond(changed: Mapping[str, str], writable: Sequence[str]) -> dict[str, str]:
    """Of what differs from the base, all that no pattern lets an agent change: at most LABELS_MAX, the rest in one."""
    if not writable:
        return {}
    outside = {p: t for p, t in sorted(changed.items()) if not any(is_named(p, w) for w in writable)}
    if len(outside) <= LABELS_MAX:
        return outside
    digest = hashlib.sha256(
        "\0".join(f"{p}\0{t}" for p, t in outside.items()).encode("utf-8", "surrogateescape")
    )
    return {"one of many files": digest.hexdigest()}


def pinned_for(goal: Goal, predicate: Predicate) -> tuple[str, ...]:
    """What a checkout keeps as it was at the base: all that is sealed or read-only, and the predicate's own script.

    Of a command only the script that is run, never its other arguments: those may be what it judges.
    """
    asked = enforcement_of(goal)
    return tuple(dict.fromkeys((*asked.sealed, *asked.read_only, *_script(predicate.options))))


def _script(options: Mapping[str, Json]) -> tuple[str, ...]:
    """The program of a command where it may be a file of the workspace, or what an interpreter is to run."""
    cmd, args = options.get("cmd"), options.get("args")
    words = (cmd, *args) if isinstance(args, list | tuple) else (cmd,)
    texts = [w for w in words if isinstance(w, str)]
    if not texts:
        return ()
    if not _INTERPRETER.fullmatch(texts[0].rpartition("/")[2]):
        return (texts[0],) if "/" in texts[0] and not texts[0].startswith("/") else ()
    script = next((t for t in texts[1:] if not t.startswith("-")), "")
    is_inline = any(t in _INLINE for t in texts[1:])
    return (script,) if script and not is_inline and not script.startswith("/") else ()


def without_skips(goal: Goal, predicate: Predicate, verdict: Verdict) -> Verdict:
    """The verdict, but for a pass of a check that did not run all it should: that one is a fail."""
    if verdict.status is not Status.PASS or predicate.live or not enforcement_of(goal).fails_on_skip:
        return verdict
    printed = "\n".join(v for v in verdict.evidence.values() if isinstance(v, str))[-CHARS_READ_MAX:]
    found = next((m for p in (_COUNTED, _NAMED, _NOTHING) if (m := p.search(printed))), None)
    if found is None:
        return verdict
    detail = f'it ended well, but says "{found[0]}": what did not run shows nothing'
    return replace(verdict, status=Status.FAIL, reason=SKIPPED, detail=detail, baseline=None)


def _table(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _text(table: Mapping[str, Json], key: str) -> str | None:
    value = table.get(key)
    return value if isinstance(value, str) else None


def _texts(table: Mapping[str, Json], key: str) -> tuple[str, ...]:
    value = table.get(key)
    return tuple(v for v in value if isinstance(v, str)) if isinstance(value, list | tuple) else ()
