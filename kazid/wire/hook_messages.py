"""What is said about hooks over the socket: that one was rung, and to its goal's owner what its token is."""

import msgspec

from kazid.wire.names import SCHEMA_VERSION


class HookAccepted(msgspec.Struct, frozen=True, kw_only=True):
    """The hook's predicate is looked at soon."""

    schema_version: int = SCHEMA_VERSION
    accepted: bool


class HookDocument(msgspec.Struct, frozen=True, kw_only=True):
    """One hook with its token, for who owns the goal. `listen`: where it answers besides the socket."""

    schema_version: int = SCHEMA_VERSION
    goal_id: str
    owner: str
    ref: str
    predicate: str
    token: str
    path: str
    socket: str
    listen: str | None
