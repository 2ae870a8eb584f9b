"""What the loader is asked and what it answers: who submits a text with which defaults, and the goal it means."""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kazid.core.errors import Problem
from kazid.core.goal import Goal, Route
from kazid.core.ids import PredicateId
from kazid.goalfile import vocabulary
from kazid.goalfile.lint import LintFinding
from kazid.ports.catalog import Catalog


class Defaults(msgspec.Struct, frozen=True, kw_only=True):
    """What a goal-file leaves open, from the settings."""

    harness: str = "claude"
    harness_ids: Sequence[str] = vocabulary.HARNESS_IDS
    """Every agent that there is, built in or declared."""
    dispatches_per_episode_max: int = 10
    dispatches_per_day_max: int = 20
    tokens_per_dispatch: int = 200_000
    cost_usd_per_dispatch: float = 2.0
    idle_timeout_s: float = 600.0
    total_timeout_s: float = 3600.0
    routes: Sequence[Route] = ()
    """`[[route]]` of the settings."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """Who submits a goal-file and what was said beside it. `path` and `caller_cwd` are absolute."""

    owner: str
    path: str | None = None
    caller_cwd: str | None = None
    workspace_flag: str | None = None
    standing_flag: bool = False
    harness_flag: str | None = None
    model_flag: str | None = None
    env_flag: str | None = None
    """Which `[deploy.env.NAME]`."""
    caller_path: str = ""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """All that loading needs besides the text. `read_text` takes an absolute path and raises OSError."""

    source: Source
    catalog: Catalog
    defaults: Defaults
    read_text: Callable[[str], str]


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """A goal-file that loads.

    `notices`: what a person should know and nothing hangs on. `unbuilt`: what would change a verdict or an act and is
    not built, so `apply` refuses the goal and names each. `findings`: what is doubtful about it.
    """

    goal: Goal
    notices: tuple[str, ...] = ()
    unbuilt: tuple[Problem, ...] = ()
    findings: tuple[LintFinding, ...] = ()
    lines: Mapping[PredicateId, int] = {}
    """Where each predicate begins."""
