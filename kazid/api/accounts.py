"""The groups of a user, as the machine's user database has them now.

Asked anew every few seconds, for who is taken out of a group must lose its roles though their sessions go on (the
kernel's SO_PEERGROUPS keeps what a session began with). A database that does not answer gives no group and no role.
"""

import grp
import os
import pwd
import time
from collections.abc import Callable, Sequence

import anyio
import anyio.to_thread

KNOWN_S = 5.0
"""How long an answer counts: a member who is removed has lost the role within this."""
ANSWER_TIMEOUT_S = 2.0
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


class Logins:
    """Login names of uids, remembered for a few seconds: a uid may lose its name, and be given to somebody else."""

    def __init__(self, look_up: Callable[[int], str], *, now_s: Callable[[], float] = time.monotonic) -> None:
        self._look_up = look_up
        self._now_s = now_s
        self._known: dict[int, tuple[float, str]] = {}

    def __call__(self, uid: int) -> str:
        """The name that this uid has now."""
        now_s = self._now_s()
        known = self._known.pop(uid, None)
        if known is None or now_s - known[0] >= KNOWN_S:
            known = (now_s, self._look_up(uid))
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
        self._timeout_s = timeout_s
        self._known: dict[int, tuple[float, Sequence[str]]] = {}
        self._limiter: anyio.CapacityLimiter | None = None

    async def of(self, uid: int, gid: int) -> Sequence[str]:
        """The user's groups; none while the database does not answer."""
        now_s = anyio.current_time()
        known = self._known.get(uid)
        if known is not None and now_s - known[0] < KNOWN_S:
            return known[1]
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(LOOKUPS_AT_ONCE)
        found: Sequence[str] = ()
        with anyio.move_on_after(self._timeout_s):
            found = await anyio.to_thread.run_sync(
                self._look_up, uid, gid, abandon_on_cancel=True, limiter=self._limiter
            )
        self._known.pop(uid, None)
        self._known[uid] = (now_s, found)
        while len(self._known) > USERS_MAX:
            del self._known[next(iter(self._known))]
        return found
