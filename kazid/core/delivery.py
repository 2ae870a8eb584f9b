"""Where a goal's result goes once its code holds: `[integration]` and `[deploy]` as the loop reads them. Values only.

The result is landed by git alone or through a forge, and deployed by the goal's own command. Both are claims in the
vector, `landed` and `deployed`, that are looked at like any other; `core/landing.py` says who acts on them, and when.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.ids import PredicateId
from kazid.core.json import Json

LANDED = PredicateId("landed")
DEPLOYED = PredicateId("deployed")

LAND = "land"
DEPLOY = "deploy"
ROLLBACK = "rollback"
OUTCOME_MARK = "kazid-landing: "
"""How the line begins that tells how a delivery ended."""
RUNGS = frozenset({LAND, DEPLOY, ROLLBACK})
"""Acts that deliver. They are neither a remedy's nor an agent's."""


class Forge(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Who merges. `kind`: `gh`, `rest` or `none` (the remote's base is pushed to); empty: gh where it is there."""

    kind: str = ""
    url: str = ""
    """Of the REST API, without a slash at its end."""
    repo: str = ""
    """`owner/name`."""
    token_env: str = ""
    """The variable of the daemon's environment that holds the token; its value is nowhere else."""


class Integration(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How far a result is landed, and where. `paths`: all that is the goal's to land; empty: any file."""

    mode: str
    branch: str
    base: str | None = None
    paths: Sequence[str] = ()
    message: str = ""
    forge: Forge = Forge()
    attempts: int = 3
    timeout_s: float = 1800.0
    checks_timeout_s: float = 1200.0


class Version(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the commit that is serving is read: an answer's header or JSON, or what a command prints."""

    url: str = ""
    header: str = ""
    jsonpath: str = ""
    cmd: str = ""
    args: Sequence[str] = ()


class Deploy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What brings the landed commit to where it serves. `layers`: what has to hold on the way, lowest first."""

    cmd: str
    args: Sequence[str] = ()
    timeout_s: float = 1800.0
    rollback_cmd: str | None = None
    rollback_args: Sequence[str] = ()
    ref: str = ""
    """The tag of a release; `{goal}`, `{commit}`, `{short}` and `{env}` are filled in."""
    env_name: str = ""
    """Which `[deploy.env.NAME]` was asked for."""
    vars: Mapping[str, str] = {}
    attempts: int = 3
    version: Version = Version()
    layers: Sequence[PredicateId] = ()


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One order to the program that lands: everything it needs, and nothing it would have to ask the daemon."""

    goal: str
    tree: str
    """The work tree that is landed, absolute."""
    scratch: str
    """A folder that is the program's alone."""
    integration: Integration | None = None
    is_ours: bool = False
    """The tree was made by the daemon: it may be rebased in place."""
    since: str = ""
    """The commit the goal began from; empty where it is not known."""
    began_in: str = ""
    """The top of the tree that `since` and `foreign` were seen in."""
    foreign: Mapping[str, str] = {}
    """What was uncommitted already when the goal began, with its content's token."""
    title: str = ""
    body: str = ""
    deploy: Deploy | None = None
    serving: str = ""
    """What serves now, when it is asked whether that has the goal's work."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """How the program says that it ended: one word, the rest for people, and whether trying again is pointless."""

    name: str
    detail: str
    is_permanent: bool = False


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What the program saw. `commit`: the landed one, or empty; `carry`: for the next look and for the landing."""

    status: str
    reason: str = ""
    detail: str = ""
    commit: str = ""
    evidence: Mapping[str, Json] = {}
    carry: Mapping[str, Json] = {}
    serves: bool | None = None
    """Whether what serves (`Plan.serving`) has the goal's work; None where nobody asked, or it cannot be told."""


class Begun(msgspec.Struct, frozen=True, kw_only=True):
    """How the tree was when `landed` was first looked at; the provider's carry."""

    since: str = ""
    foreign: Mapping[str, str] = {}
    top: str = ""


def begun_of(carry: Json) -> Begun:
    """What is known of the beginning; nothing before the first look."""
    try:
        return msgspec.convert(carry, Begun) if carry is not None else Begun()
    except msgspec.ValidationError:
        return Begun()
