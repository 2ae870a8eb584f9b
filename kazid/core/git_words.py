"""What every git call of kazid begins with, so that a repository cannot make git run what it likes.

Off, whatever the repository's own config says: hooks, fsmonitor, the ext protocol, prompts, pagers, editors, external
diffs, signature checks, background maintenance. The adapter and the predicate kinds that ask git share these words.
"""

from collections.abc import Mapping
from types import MappingProxyType

SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "core.hooksPath": "/dev/null",
        "core.fsmonitor": "false",
        "protocol.ext.allow": "never",
        "core.pager": "cat",
        "core.askPass": "",
        "core.quotePath": "false",
        "credential.interactive": "false",
        "diff.external": "",
        "log.showSignature": "false",
        "gc.auto": "0",
        "maintenance.auto": "false",
        "advice.detachedHead": "false",
    }
)

ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_PAGER": "cat",
        "GIT_EDITOR": "true",
        "GIT_SEQUENCE_EDITOR": "true",
        "GIT_ASKPASS": "",
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
        "LC_ALL": "C",
    }
)


def git_words(*args: str, also: Mapping[str, str] | None = None) -> tuple[str, ...]:
    """What comes after `git`: the settings, those in `also` besides, and what is asked."""
    settings = {**SETTINGS, **(also or {})}
    return (
        "--no-pager",
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
        *args,
    )
