"""A coding agent as data: how to start it and how to read what it printed. No judgement: its "done" is a claim.

Contract: `build` and `parse` are pure; the prompt is not in argv where the CLI has another way; `parse` reads stdout
only, tolerates noise, and leaves absent what was not reported.
"""

import enum
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice


class Invocation(msgspec.Struct, frozen=True, kw_only=True):
    """How to start the agent: argv, where the prompt goes, and which variables it needs by name."""

    argv: Sequence[str]
    stdin_text: str | None
    env: Mapping[str, str] = {}
    env_names: Sequence[str] = ()
    config_homes: Sequence[str] = ()
    """Of these, the variables that name a folder of its own."""


class TroubleKind(enum.Enum):
    """What keeps an agent from working that another dispatch would meet again."""

    QUOTA = "quota"
    """A usage limit or too many requests: it passes by itself."""
    AUTH = "auth"
    """No credential, or one that is refused: a person has to act."""
    UNSEEN_PROMPT = "unseen_prompt"
    """It asks something, and nobody is there to answer."""


class Trouble(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of them, and when a quota is over: seconds after the end, or a wall-clock time. Absent: unknown."""

    kind: TroubleKind
    after_s: float | None = None
    at_wall_s: float | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the agent said about itself. Absent is absent."""

    text: str | None = None
    session_id: str | None = None
    usage: Usage | None = None
    is_error: bool = False
    error: str | None = None
    denials: Sequence[str] = ()
    turns: int | None = None
    tools: Mapping[str, int] = {}
    """How often it called each of its tools, where it says so."""
    model: str | None = None
    version: str | None = None
    """Its own, where it says so."""
    trouble: Trouble | None = None
    cost_by_table: str | None = None
    """The day of the price table that `usage.cost_usd` was worked out with; None: the agent's own figure, or none."""


class ListedHarness(msgspec.Struct, frozen=True, kw_only=True):
    """One agent as people see it: what a dispatch of it would use. Credentials by name, never by value."""

    id: str
    command: str
    """"" where the goal-file names it."""
    version_args: Sequence[str]
    tier: str
    lacks: Sequence[str]
    takes: Sequence[str]
    prompt_by: str
    is_default: bool
    is_stub_tested: bool
    credentials: Sequence[str]
    credentials_set: Sequence[str]
    """Of them, those that the daemon has and would pass on."""
    config_home: str | None
    """Where its login lies; None: nowhere that is known."""


class Harness(Protocol):
    """One agent CLI."""

    @property
    def id(self) -> str:
        """The name goal-files use."""
        ...

    def build(self, choice: HarnessChoice, *, prompt: str, cost_usd_max: float | None = None) -> Invocation:
        """The command line for one dispatch, which may cost so much where the CLI takes an amount."""
        ...

    def parse(self, stdout: str) -> Report:
        """What its output says."""
        ...
