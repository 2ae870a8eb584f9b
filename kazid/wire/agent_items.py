"""Parts of the API's bodies about who acts: attempts, and what an agent would be sent for. See `messages.py`."""

from collections.abc import Sequence

import msgspec


class AttemptItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One executor attempt. `ending` null: it is running."""

    number: int
    id: str
    rung: str
    title: str
    predicates: Sequence[str]
    ending: str | None = None
    exit_code: int | None = None
    duration_s: float | None = None
    reason: str | None = None
    tokens: int | None = None
    broke: Sequence[str] = ()
    """Predicates that were green when it began and red after it."""
    model: str | None = None
    effort: str | None = None
    chosen_by: str | None = None
    """Of an agent: `[harness]`, or the route that chose it."""


class DispatchItem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an agent would be sent for now: the slice, and which agent with which model, chosen by what."""

    predicates: Sequence[str]
    harness: str
    chosen_by: str
    model: str | None = None
    effort: str | None = None


class WorktreeItem(msgspec.Struct, frozen=True, kw_only=True):
    """The tree that the goal's agents work in, while there is one."""

    path: str
    branch: str
    base: str
    """The commit it was cut at."""
    repository: str
    """The working tree it was cut from."""
    take: str | None = None
    """The command that writes what agents changed in it into the workspace; null while none worked."""


class LadderItem(msgspec.Struct, frozen=True, kw_only=True):
    """The model ladder: which rung the episode is on, and what that rung has used of its own budget."""

    rung: int
    """From 1."""
    models: Sequence[str]
    dispatches: int
    max_dispatches: int | None
    tokens: int
    max_tokens: int | None
    cost_usd: float
    max_cost_usd: float | None
