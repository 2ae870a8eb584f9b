"""What a person says yes to: one act, told so exactly that whatever is different is another plan (ADR 10). Values only.

Names of variables and digests stand for what is secret or long. The goal's digest covers every word of its file and the
evidence's is of normalised text; an agent's prompt is made of these two. A plan is asked for once, for one attempt.
"""

import hashlib

import msgspec

from kazid.core.goal import Goal
from kazid.core.ids import Epoch, Generation, PredicateId
from kazid.core.level import Gate
from kazid.core.roles import Role


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that an approval binds. A field that changes makes it another plan."""

    gate: Gate
    act: str
    """A rung, or `deliver`."""
    title: str
    predicates: tuple[PredicateId, ...]
    evidence: str
    """Fingerprint of what is red, why, and in which tree."""
    trees: tuple[str, ...] = ()
    """Content of what code predicates judged: for landing and delivering it is the patch itself."""
    argv: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()
    harness: str | None = None
    model: str | None = None
    effort: str | None = None
    workspace: str | None = None
    spec_sha256: str
    generation: Generation
    epoch: Epoch
    episode: int
    attempt: int
    executor_uid: int | None = None
    """Whom the act runs as."""
    roles: tuple[Role, ...]
    count: int
    """How many of these roles have to say yes."""
    until_wall_s: float
    """After that it is another plan, too."""

    @property
    def sha256(self) -> str:
        """Its name: what people are shown, what they say yes to, and what the act's intent records."""
        return hashlib.sha256(msgspec.json.encode(self, order="deterministic")).hexdigest()


class Yes(msgspec.Struct, frozen=True, kw_only=True):
    """One person's approval."""

    by: str
    uid: int


class Asked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A request that stands."""

    plan: Plan
    sha256: str
    since_wall_s: float
    given: tuple[Yes, ...] = ()
    rejected_by: str | None = None
    rejected_reason: str = ""


class HeldChange(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A looser spec that waits for people, while the one before it stays in force (`core/loosening.py`)."""

    goal: Goal
    asked: Asked
    loosened: tuple[str, ...]
    """What it loosens, each in a sentence."""
    by: str


def differences(before: Plan, after: Plan) -> list[str]:
    """The fields in which two plans differ."""
    names = Plan.__struct_fields__
    return [name for name in names if getattr(before, name) != getattr(after, name)]
