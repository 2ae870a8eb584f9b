"""What the API is given: the daemon's verbs, what goal-files are read with, and the facts `info` tells.

Made by `main`, read by every route. What may change while the daemon runs (settings, SIGHUP) is a function.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio
import msgspec

from kazid.core.goal import Goal, Predicate
from kazid.core.policy import Policy
from kazid.core.roles import Given
from kazid.goalfile.load import Defaults
from kazid.ports.audit import AuditTrail
from kazid.ports.briefer import Briefer
from kazid.ports.catalog import Catalog
from kazid.ports.doctor import Doctor
from kazid.ports.harness import ListedHarness
from kazid.ports.history import History
from kazid.ports.programs import Programs
from kazid.ports.sandbox import Sandbox
from kazid.ports.trial import Trials
from kazid.runtime.approving import Approving
from kazid.runtime.executor import PromptBuilder
from kazid.runtime.hooks import Hooks
from kazid.runtime.service import Service
from kazid.runtime.try_out import Tried
from kazid.runtime.views import Caller


class Acknowledge(Protocol):
    """`runtime/acknowledging.py` says what it does."""

    async def __call__(
        self, owner: str, goal_id: str, *, reason: str, caller: Caller, idempotency_key: str | None = None
    ) -> None:
        """Record it. Raises UnknownGoal, JournalUnavailable."""
        ...


MODE_SYSTEM = "system"
LOADS_AT_ONCE = 2
"""Goal-files parsed at one moment, each in a thread: the largest takes seconds of CPU."""


class ApiContext(msgspec.Struct, frozen=True, kw_only=True):
    """All that routes need; `read_text` gives the text of a file a goal-file refers to, or raises OSError."""

    service: Service
    catalog: Catalog
    defaults: Callable[[], Defaults]
    version: str
    place_mode: str
    """`user` or `system`."""
    socket: str
    state_dir: str
    settings_file: Callable[[], str | None]
    harnesses: Callable[[], Sequence[ListedHarness]]
    """Every agent; follows the settings."""
    build_prompt: PromptBuilder
    briefer: Briefer
    roles: Callable[[], Sequence[Given]]
    """Who may do what on a system daemon, root apart."""
    policies: Callable[[], Sequence[Policy]]
    """What goals may ask for at most."""
    own_uid: int
    read_text: Callable[[str], str]
    acknowledge: "Acknowledge"
    approving: Approving
    try_out: Callable[[Goal, Sequence[Predicate]], Awaitable[Sequence[Tried]]]
    """Looks at these predicates of a goal once."""
    audit: AuditTrail
    history: History
    hooks: Hooks
    listen: str = ""
    """Where hooks are answered besides the socket; "" where nowhere."""
    doctor: Doctor | None = None
    """Looks at the machine; None: nothing is found."""
    sandbox: Sandbox | None = None
    """What agents can be confined by here; None: nobody asks before one starts."""
    programs: Programs | None = None
    """Where agents are looked for; None: nobody says that one is missing."""
    trials: Trials | None = None
    """Where lint tries checks; None: it never runs any."""
    loads: anyio.CapacityLimiter = msgspec.field(default_factory=lambda: anyio.CapacityLimiter(LOADS_AT_ONCE))
