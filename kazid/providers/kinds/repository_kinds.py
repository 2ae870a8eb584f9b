"""Kinds that read a repository's changes, and those the daemon makes itself.

Keys and load checks only (reference 4.15 to 4.18, 4.24, 4.25); the providers are elsewhere.
"""

from collections.abc import Iterator

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import bad_regexes

_BASE = KeySpec(
    type=KeyType.STRING, help="git ref that changes are counted from; found from origin/main when absent"
)


def _check_docs_updated(options: JsonObject) -> Iterator[KeyProblem]:
    for key in ("surface_patterns", "doc_patterns"):
        yield from bad_regexes(options.get(key), key)


NO_STUBS = KindSpec(
    name="no_stubs",
    summary="the added lines hold no stub, mock, placeholder or todo",
    verdicts="pass: no added line outside of tests holds one of the patterns; fail: one does; error: no "
    "git repository, or git failed",
    live=False,
    built=True,
    keys={
        "patterns": KeySpec(type=KeyType.STRING_LIST, help="words that are none of production's"),
        "base": _BASE,
        "exclude": KeySpec(type=KeyType.STRING_LIST, default=(), help="path prefixes that are not looked at"),
    },
)

DOCS_UPDATED = KindSpec(
    name="docs_updated",
    summary="commits that change the surface change the documentation, too",
    verdicts="pass: no surface changed, or documentation did, or a commit message says [no-docs]; fail: "
    "neither; error: no git repository, or git failed",
    live=False,
    built=True,
    keys={
        "base": _BASE,
        "surface_patterns": KeySpec(type=KeyType.STRING_LIST, help="regular expressions of surface paths"),
        "doc_patterns": KeySpec(type=KeyType.STRING_LIST, help="regular expressions of documentation paths"),
    },
    check=_check_docs_updated,
)

OSS_HYGIENE = KindSpec(
    name="oss_hygiene",
    summary="the added lines hold no private address, home folder or code name",
    live=False,
    built=False,
    keys={
        "codenames": KeySpec(type=KeyType.STRING_LIST, default=(), help="words that must not be published"),
        "base_ref": KeySpec(
            type=KeyType.STRING, default="origin/main", help="git ref that lines are added to"
        ),
    },
)

PLAN_EXPANDED = KindSpec(
    name="plan_expanded",
    summary="a phase of the plan has goals, each complete and approved",
    live=False,
    built=False,
    keys={"phase": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the roadmap or proposal")},
)

_WHERE = {
    "mode": KeySpec(type=KeyType.STRING, required=True, help="commit, branch, pr or merge"),
    "branch": KeySpec(type=KeyType.STRING, help="the branch it is landed on"),
    "base": KeySpec(type=KeyType.STRING, help="what it is landed onto"),
}

LANDED = KindSpec(
    name="landed",
    summary="the result is landed as far as [integration] mode says",
    verdicts="pass: all of the goal's work is committed, and as far as the mode says pushed, in a pull request or in "
    "the base, or there is none; fail: what is not, by name; error: no repository, or no answer of its remote or forge",
    live=False,
    built=True,
    keys={
        **_WHERE,
        "paths": KeySpec(type=KeyType.STRING_LIST, help="all that is the goal's to land"),
        "forge": KeySpec(type=KeyType.TABLE, help="who merges"),
    },
    synthesized=True,
)

DEPLOYED = KindSpec(
    name="deployed",
    summary="the commit that is serving has the landed work",
    verdicts="pass: what serves names a commit that is the landed one, or has it in its history; fail: it is older, "
    "unknown, names no commit, or nothing answers; error: it could not be asked",
    live=True,
    built=True,
    keys={
        **_WHERE,
        "version": KeySpec(type=KeyType.TABLE, required=True, help="where the serving commit is read"),
        "vars": KeySpec(type=KeyType.STRING_TABLE, help="variables that version_cmd gets"),
    },
    synthesized=True,
)

SCOPE_GUARD = KindSpec(
    name="scope_guard",
    summary="nothing below the denied paths changed",
    live=False,
    built=False,
    keys={"deny": KeySpec(type=KeyType.STRING_LIST, required=True, help="the denied paths")},
    synthesized=True,
)

KINDS = (NO_STUBS, DOCS_UPDATED, OSS_HYGIENE, PLAN_EXPANDED, LANDED, DEPLOYED, SCOPE_GUARD)
