"""Who is on the other end of a connection, by the kernel's word, and whether they may talk to this daemon.

User mode: the daemon's own uid and root. System mode: root, whoever has a role, and owners of goals. Anybody else gets
403 with what is missing. What a role allows is `core/roles.py`; whether a peer is an agent of a live attempt is the
service's question.
"""

import pwd
import socket
import struct
from asyncio.trsock import TransportSocket
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import msgspec

from kazid.api.accounts import Groups
from kazid.api.context import MODE_SYSTEM
from kazid.api.problem import denied
from kazid.core.roles import Given, grants_for
from kazid.runtime.views import Caller

ROOT_UID = 0
_CREDENTIALS = struct.Struct("iII")
"""struct ucred: user ids are unsigned, and directories do give out ids beyond 2³¹."""
_STATE_FIELD, _START_TIME_FIELD = 0, 19
"""Of /proc/PID/stat, counted from behind the command's closing parenthesis (proc(5): fields 3 and 22)."""
_ENDED = (b"Z", b"X")
"""A zombie keeps its pid and has lost all that would tell what it was."""


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A process as it was when it connected. `started` and pid together name one process, for ever."""

    pid: int
    """0 for a process outside our pid namespace, which is therefore nothing that we started."""
    uid: int
    gid: int
    started: int | None


def peer_of(connection: socket.socket | TransportSocket) -> Peer | None:
    """The peer of an accepted Unix connection; None for any other kind of socket."""
    if connection.family != socket.AF_UNIX:
        return None
    raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, gid = _CREDENTIALS.unpack(raw)
    return Peer(pid=pid, uid=uid, gid=gid, started=_started(pid))


def is_here(peer: Peer) -> bool:
    """True while the process that connected is the one that has its pid.

    Asked after every look at what the process is: one that left the connection to a child and ended could otherwise
    pass for a stranger, and an agent for its owner.
    """
    return peer.pid == 0 or (peer.started is not None and _started(peer.pid) == peer.started)


class Gate:
    """Says who is behind a peer, and what they were given."""

    def __init__(
        self,
        *,
        mode: str,
        own_uid: int,
        roles: Callable[[], Sequence[Given]],
        login_of: Callable[[int], Awaitable[str | None]],
        groups: Groups | None = None,
    ) -> None:
        self._mode = mode
        self._own_uid = own_uid
        self._roles = roles
        self._login_of = login_of
        self._groups = groups or Groups()

    async def admit(self, peer: Peer | None, *, owns_goals: Callable[[str], bool]) -> Caller:
        """The caller behind a peer. Raises Refusal (403)."""
        if peer is None:
            raise denied(
                "this connection does not tell who you are", hint="connect to the daemon's Unix socket"
            )
        login = await self._login_of(peer.uid)
        if login is None:
            raise denied(
                f"the machine's user database does not say who uid {peer.uid} is",
                hint="try again in a moment",
            )
        if self._mode == MODE_SYSTEM:
            return await self._admit_member(peer, login, owns_goals)
        if peer.uid not in (self._own_uid, ROOT_UID):
            owner = await self._login_of(self._own_uid) or str(self._own_uid)
            raise denied(
                f"this daemon is {owner}'s own (uid {self._own_uid}), and you are {login} (uid {peer.uid})",
                hint="use a daemon of your own: kazictl starts one",
            )
        return Caller(uid=peer.uid, login=login, pid=peer.pid, is_unlimited=True)

    async def _admit_member(self, peer: Peer, login: str, owns_goals: Callable[[str], bool]) -> Caller:
        """Anybody with a role or a goal; and what the daemon started, which the table of routes keeps in its place."""
        if peer.uid == ROOT_UID:
            return Caller(uid=peer.uid, login=login, pid=peer.pid, is_unlimited=True)
        given = self._roles()
        groups = await self._groups.of(peer.uid, peer.gid) if any(g.groups for g in given) else ()
        grants = grants_for(given, login=login, groups=groups)
        is_owner = not grants and owns_goals(login)
        if not (grants or is_owner or peer.uid == self._own_uid):
            wanted = sorted({name for g in given for name in g.groups})
            ways = [f"become a member of {' or '.join(wanted)}"] if wanted else []
            ways.append(f'have a [[role]] with users = ["{login}"] added to its settings')
            raise denied(f"{login} (uid {peer.uid}) has no role on this daemon", hint=", or ".join(ways))
        return Caller(uid=peer.uid, login=login, pid=peer.pid, grants=grants, owns_goals=is_owner)


def login_of(uid: int) -> str:
    """The login name of a uid; its digits where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _started(pid: int) -> int | None:
    """When a process started, in clock ticks after boot; None when it has ended or is not ours to see."""
    if pid <= 0:
        return None
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = stat.rpartition(b")")[2].split()
    return None if fields[_STATE_FIELD] in _ENDED else int(fields[_START_TIME_FIELD])
