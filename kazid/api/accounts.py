"""The groups of a user, as the machine's user database has them now.

Asked anew every few seconds, for who is taken out of a group must lose its roles though their sessions go on (the
kernel's SO_PEERGROUPS keeps what a session began with). A database that does not answer gives no group and no role.
"""

import grp
import os
import pwd
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

import anyio
import anyio.to_thread

T = TypeVar("T")
KNOWN_S = 5.0
"""How long an answer counts: a member who is removed has lost the role within this."""
ANSWER_TIMEOUT_S = 2.0
LOGIN_TIMEOUT_S = 30.0
"""Of a name: without it nobody is let in, and who asks is the only one that waits."""
USERS_MAX = 1024
LOOKUPS_AT_ONCE = 4


def groups_of(uid: int, gid: int) -> Sequence[str]:
    """Names of the groups that a user is in, the primary one included; none for a uid without a name."""
    try:
        login = pwd.getpwuid(uid).pw_name
    except KeyError:
        return ()
    found: list[str] = []
    for number in os.getgrouplist(login, gid):
        try:
            found.append(grp.getgrgid(number).gr_name)
        except KeyError:
            continue
    return found


class UserDatabase:
    """Look-ups in threads, bounded in number and in time: a directory that hangs holds up nobody else."""

    def __init__(self, *, timeout_s: float = LOGIN_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._limiter: anyio.CapacityLimiter | None = None

    async def ask(self, look_up: Callable[[], T]) -> T | None:
        """What it answers; None while it does not."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)
        with anyio.move_on_after(self._timeout_s):
            return await anyio.to_thread.run_sync(look_up, abandon_on_cancel=True, limiter=self._limiter)
        return None


class Logins:
    """Login names of uids, remembered for a few seconds: a uid may lose its name, and be given to somebody else."""

    def __init__(
        self,
        look_up: Callable[[int], str],
        *,
        now_s: Callable[[], float] = time.monotonic,
        timeout_s: float = LOGIN_TIMEOUT_S,
    ) -> None:
        self._look_up = look_up
        self._now_s = now_s
        self._known: dict[int, tuple[float, str]] = {}
        self._database = UserDatabase(timeout_s=timeout_s)

    async def of(self, uid: int) -> str | None:
        """The name that this uid has now; None while the database does not answer, and nobody is taken for anybody."""
        now_s = self._now_s()
        known = self._known.pop(uid, None)
        if known is None or now_s - known[0] >= KNOWN_S:
            found = await self._database.ask(partial(self._look_up, uid))
            if found is None:
                return None
            known = (now_s, found)
        self._known[uid] = known
        while len(self._known) > USERS_MAX:
            del self._known[next(iter(self._known))]
        return known[1]


class Groups:
    """`groups_of` in a thread, remembered for a few seconds, and bounded in time."""

    def __init__(
        self,
        look_up: Callable[[int, int], Sequence[str]] = groups_of,
        *,
        timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._look_up = look_up
        self._known: dict[int, tuple[float, Sequence[str]]] = {}
        self._database = UserDatabase(timeout_s=timeout_s)

    async def of(self, uid: int, gid: int) -> Sequence[str]:
        """The user's groups; none while the database does not answer."""
        now_s = anyio.current_time()
        known = self._known.get(uid)
        if known is not None and now_s - known[0] < KNOWN_S:
            return known[1]
        found = await self._database.ask(partial(self._look_up, uid, gid)) or ()
        self._known.pop(uid, None)
        self._known[uid] = (now_s, found)
        while len(self._known) > USERS_MAX:
            del self._known[next(iter(self._known))]
        return found
