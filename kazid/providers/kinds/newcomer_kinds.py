"""Kinds that do what a newcomer does: start from the commit alone, with nothing of anybody's machine.

Keys and load checks only; the providers are elsewhere.
"""

from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import ENV, TIMEOUT_MS

LANGUAGES: Final = ("sh", "bash", "shell", "console")
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _check_fresh_clone(options: JsonObject) -> Iterator[KeyProblem]:
    if bool(options.get("readme")) == bool(options.get("commands")):
        key = "commands" if options.get("readme") else "readme"
        yield KeyProblem(key=key, message="readme or commands says what to run: one of the two")
    if options.get("commands"):
        for key in ("section", "languages"):
            if key in options:
                yield KeyProblem(key=key, message=f"{key} means nothing without readme")


FRESH_CLONE = KindSpec(
    name="fresh_clone",
    summary="the commit, cloned into an empty folder with an empty HOME, does what its README says",
    verdicts="pass: every block ran to its end in one shell and no command failed; fail: one failed, each with its "
    "line, or the commit has no such file; error: no clone, nothing to run, or no end in time",
    live=False,
    built=True,
    keys={
        "readme": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="the file whose shell blocks are run, e.g. README.md"
        ),
        "section": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="only blocks below the heading with this text"
        ),
        "languages": KeySpec(type=KeyType.STRING_LIST, default=LANGUAGES, help="which fenced blocks are run"),
        "commands": KeySpec(type=KeyType.STRING_LIST, help="shell lines to run instead of a README's"),
        "ref": KeySpec(type=KeyType.NON_EMPTY_STRING, default="HEAD", help="the commit that is cloned"),
        "env": ENV,
        "path": KeySpec(
            type=KeyType.NON_EMPTY_STRING, default=PATH, help="PATH of the shell: not the caller's"
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_fresh_clone,
)

KINDS = (FRESH_CLONE,)
