"""The forge that merges: pull requests, their checks, and the merge, always by rebase.

Contract: `find` answers the open pull request of a branch onto a base, else the one merged last, else None; `open_pull`
opens one and answers it, and answers the open one where there is one already; `checks` tells what has been said of a
commit by now; `merge` rebases the pull request onto its base and refuses where its head is another commit than was
said. Nothing is retried here. What cannot be done raises `ForgeFailed`, which says whether trying again may help.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class ForgeFailed(Exception):
    """The forge did not do it. `reason` is one word for programs; retrying helps where it `is_passing`."""

    def __init__(self, reason: str, detail: str, *, is_passing: bool = False) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.is_passing = is_passing


class Pull(msgspec.Struct, frozen=True, kw_only=True):
    """One pull request. `head` is the commit it ends at."""

    number: int
    head: str
    is_open: bool
    is_merged: bool
    url: str = ""


class Checks(msgspec.Struct, frozen=True, kw_only=True):
    """What was said of a commit, by name."""

    pending: Sequence[str] = ()
    failed: Sequence[str] = ()
    passed: Sequence[str] = ()


class Forge(Protocol):
    """One repository of one forge. Adapters: its REST API, the `gh` command, memory."""

    async def find(self, *, branch: str, base: str) -> Pull | None:
        """The pull request of this branch, open before merged."""
        ...

    async def open_pull(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """Open one, or answer the one that is open."""
        ...

    async def checks(self, commit: str) -> Checks:
        """What is known of the commit now."""
        ...

    async def merge(self, number: int, *, head: str) -> None:
        """Rebase-merge it, if it still ends at `head`."""
        ...
