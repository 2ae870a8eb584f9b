"""The words of the trust ladder: how far a goal may go by itself, how risky an act is, and when a person is asked.

Values only. Which level counts for which act is `core/autonomy.py`'s, who may say yes is `core/approval.py`'s.
"""

import enum
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from kazid.core.roles import Role

EXPIRES_S = 86_400.0
"""How long a request stands that names no other time."""


class Level(enum.Enum):
    """How far it may go, lowest first."""

    OBSERVE = "observe"
    """It reports, and never acts."""
    PROPOSE = "propose"
    """What it would do is worked out and kept; nothing of it leaves the goal's own tree."""
    APPROVE = "approve"
    """The same, and a person's yes to exactly that carries it out."""
    ACT = "act"


class Risk(enum.Enum):
    """What an act may break, least first. Looking is below all of them and no act."""

    RESTART = "restart"
    CONFIG = "config"
    CODE = "code"
    DEPLOY = "deploy"
    DATA = "data"


class Gate(enum.Enum):
    """Where a person is asked, in the order in which an act meets them."""

    DETECTION = "detection"
    """Before an agent is sent: is the finding one?"""
    EXECUTION = "execution"
    """Before a remedy runs, or an agent is sent: this plan."""
    LANDING = "landing"
    """Before what an agent made leaves its tree: this tree."""
    DEPLOY = "deploy"
    """Before a deploy: this command, of this tree."""
    CHANGE = "change"
    """Before a looser spec is in force (`core/loosening.py`). No act meets it, and no goal-file names it."""


class ApprovalRule(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[[approval]]`: who has to say yes at a gate, how many of them, and for how long a request stands."""

    gate: Gate
    roles: Sequence[Role] = (Role.APPROVER,)
    count: int = 1
    expires_s: float = EXPIRES_S


class Autonomy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`[autonomy]`: a level for the goal, and lower ones from a risk class on."""

    level: Level = Level.ACT
    risks: Mapping[str, Level] = {}
    """By risk class: for that one and all that are riskier."""


def lowest(levels: Iterable[Level]) -> Level:
    """The lowest of these; `act` of none."""
    order = list(Level)
    return order[min((order.index(level) for level in levels), default=len(order) - 1)]


def lowered_by(level: Level, rungs: int) -> Level:
    """So many rungs down; there is none below `observe`."""
    order = list(Level)
    return order[max(0, order.index(level) - rungs)]


def is_beyond(level: Level, ceiling: Level) -> bool:
    """True when a level is higher than a ceiling lets it be."""
    return lowest((level, ceiling)) is not level
