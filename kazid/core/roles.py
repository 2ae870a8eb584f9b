"""Who may do what to which goal: roles given to people, what a verb asks for, and what is missing. Pure.

A role is given for all goals, or for those of some owners or with some labels. Owners see and steer their own whatever
roles they have; evidence and logs are their owner's alone. Knows no user database: who has which grants is asked by
`kazid/api/peer.py`. An agent is not its owner, and that is decided before any role (`runtime/callers.py`).
"""

import enum
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

import msgspec

ANY_OWN = "@me"
"""In a grant's owners: the goals of whoever has the grant."""


class Role(enum.Enum):
    """What somebody is to the daemon, as `kazid.toml` spells it."""

    VIEWER = "viewer"
    """Lists goals and reads their standing."""
    OPERATOR = "operator"
    """Submits and steers."""
    APPROVER = "approver"
    """Says yes or no to what waits for a person."""
    ADMIN = "admin"
    """All of the daemon, but no approval: that is given by name."""


class Need(enum.Enum):
    """What a verb asks of who calls it."""

    PRESENCE = "presence"
    """Any role, or a goal of one's own."""
    READ = "read"
    EVIDENCE = "evidence"
    """What checks saw and executors printed: the goal's owner, nobody else."""
    STEER = "steer"
    SUBMIT = "submit"
    FLEET = "fleet"
    """Steer every goal there is."""
    APPROVE = "approve"
    ADMIN = "admin"


INCLUDED: Mapping[Role, AbstractSet[Role]] = {
    Role.VIEWER: {Role.VIEWER},
    Role.OPERATOR: {Role.VIEWER, Role.OPERATOR},
    Role.APPROVER: {Role.VIEWER, Role.APPROVER},
    Role.ADMIN: {Role.VIEWER, Role.OPERATOR, Role.ADMIN},
}
ROLE_FOR: Mapping[Need, Role] = {
    Need.READ: Role.VIEWER,
    Need.STEER: Role.OPERATOR,
    Need.SUBMIT: Role.OPERATOR,
    Need.FLEET: Role.OPERATOR,
    Need.APPROVE: Role.APPROVER,
    Need.ADMIN: Role.ADMIN,
}
ALSO_FOR: Mapping[Need, AbstractSet[Role]] = {Need.APPROVE: {Role.OPERATOR}}
"""Who may ask, too: whether an operator's word counts is the goal's to say (`[[approval]] from`)."""
OWNER_MAY: AbstractSet[Need] = {Need.PRESENCE, Need.READ, Need.EVIDENCE, Need.STEER}
"""Without any role. Submitting is acting, so it takes one."""
FOR_ALL_GOALS: AbstractSet[Need] = {Need.FLEET, Need.ADMIN}
"""A grant for some goals is not enough."""

assert INCLUDED.keys() == set(Role), "every role says what is in it"
assert ROLE_FOR.keys() | {Need.PRESENCE, Need.EVIDENCE} == set(Need), "every need is answered"


class Grant(msgspec.Struct, frozen=True, kw_only=True):
    """One role that somebody has. Empty selections select every goal; both must match."""

    role: Role
    owners: Sequence[str] = ()
    labels: Mapping[str, str] = {}

    @property
    def is_for_all(self) -> bool:
        """True when no goal is left out."""
        return not self.owners and not self.labels

    def selects(self, target: "Target", *, login: str) -> bool:
        """True for a goal that the grant is about; `login` has the grant."""
        is_owner = not self.owners or any(
            target.owner == (login if owner == ANY_OWN else owner) for owner in self.owners
        )
        return is_owner and all(target.labels.get(key) == value for key, value in self.labels.items())


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """A grant and whom it is given to, as the settings have it."""

    grant: Grant
    users: Sequence[str] = ()
    groups: Sequence[str] = ()


def grants_for(given: Sequence[Given], *, login: str, groups: Sequence[str]) -> Sequence[Grant]:
    """What somebody with this login, in these groups, has."""
    return tuple(g.grant for g in given if login in g.users or not set(groups).isdisjoint(g.groups))


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The goal that a verb is about. A goal that is not there has no labels."""

    owner: str
    labels: Mapping[str, str] = {}


def missing(need: Need, target: Target | None, grants: Sequence[Grant], *, login: str) -> str | None:
    """What this caller lacks, in words that say what would be enough; None when nothing is missing.

    `target` None: the verb is about no goal in particular, or about each that the caller may see.
    """
    is_owner = target is not None and target.owner == login
    if is_owner and need in OWNER_MAY:
        return None
    if need is Need.PRESENCE:
        return None if grants else "a role"
    if need is Need.EVIDENCE:
        return None if target is None else f"to be {target.owner}: evidence and logs are their owner's alone"
    role = ROLE_FOR[need]
    enough = {role, *ALSO_FOR.get(need, ())}
    having = [grant for grant in grants if not INCLUDED[grant.role].isdisjoint(enough)]
    if need in FOR_ALL_GOALS:
        having = [grant for grant in having if grant.is_for_all]
        return None if having else f"the role {role.value} for all goals"
    if target is None:
        return None if having or need is Need.READ else f"the role {role.value}"
    if any(grant.selects(target, login=login) for grant in having):
        return None
    return f"the role {role.value} for goals of {'your own' if is_owner else target.owner}"
