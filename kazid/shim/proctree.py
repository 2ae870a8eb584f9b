"""Which processes there are, read from /proc, and how a whole tree of them is ended and verified gone.

Stdlib only: used by the shim and by the daemon. A pid alone names nothing; pid and start time do, and a signal goes
through a pidfd so that it never reaches a later process of the same number. Agent CLIs start their tools in sessions
of their own, so trees are found by parentage (the shim is their subreaper) and by an environment marker, never by
process group alone. Nothing here knows attempts or checks.
"""

import os
import signal
import time
from collections.abc import Callable, Iterable

KILL_ROUNDS_MAX = 200
ROUND_S = 0.02
"""Between two rounds of killing. Rounds times this bounds the kill, however long a round takes."""

GRACE_ROUND_S_MAX = 0.1
"""While a tree ends by itself it is looked at less and less often: a look costs some 10 ms with 500 processes."""

EMPTY_ROUNDS = 2
"""One empty look proves little: a process that forked and ended during it was seen as neither itself nor its child."""

_ENDED = ("Z", "X", "x")


def boot_id() -> str:
    """The id of the present boot; empty where the kernel does not say."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def start_time(pid: int) -> int | None:
    """When it started, in clock ticks since boot; None when there is none. With the pid this is an identity."""
    fields = _stat(pid)
    return None if fields is None else int(fields[19])


def is_alive(pid: int, started: int | None = None) -> bool:
    """True while it runs (a zombie has ended) and, when `started` is given, is still the same process."""
    fields = _stat(pid)
    if fields is None or not _runs(fields):
        return False
    return started is None or int(fields[19]) == started


def parent(pid: int) -> int | None:
    """The pid of its parent; None when there is no such process."""
    fields = _stat(pid)
    return None if fields is None else int(fields[1])


def descendants(root: int) -> list[int]:
    """The children of `root` and theirs, zombies left out."""
    children: dict[int, list[int]] = {}
    running: set[int] = set()
    for pid in _pids():
        fields = _stat(pid)
        if fields is not None:
            children.setdefault(int(fields[1]), []).append(pid)
            if _runs(fields):
                running.add(pid)
    found: list[int] = []
    queue = [root]
    while queue:
        below = children.get(queue.pop(), [])
        found += [pid for pid in below if pid in running]
        queue += below
    return found


def environment_value(pid: int, name: str) -> str | None:
    """What `name` was when the process was started; None when it was not there or must not be read."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            content = file.read()
    except OSError:
        return None
    prefix = name.encode() + b"="
    if prefix not in content:
        return None
    for entry in content.split(b"\0"):
        if entry.startswith(prefix):
            return os.fsdecode(entry[len(prefix) :])
    return None


def marked(name: str, value: str) -> list[int]:
    """Live processes started with exactly `name=value`, this one left out."""
    me = os.getpid()
    return [pid for pid in _pids() if pid != me and environment_value(pid, name) == value and is_alive(pid)]


def marked_by_prefix(name: str, prefix: str) -> dict[int, str]:
    """Pid and value of every other live process whose `name` begins with this prefix."""
    me = os.getpid()
    values = {pid: environment_value(pid, name) for pid in _pids() if pid != me}
    return {p: v for p, v in values.items() if v is not None and v.startswith(prefix) and is_alive(p)}


def signal_process(pid: int, number: int, started: int | None) -> bool:
    """Signal a process if it is still the one that started then; False when it is gone or refuses.

    Never pid 0, 1 or this process itself, whatever is asked.
    """
    if pid <= 1 or pid == os.getpid() or started is None:
        return False
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return False
    try:
        if start_time(pid) != started:
            return False
        signal.pidfd_send_signal(fd, number)
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class Hunt:
    """The processes of one tree over many looks: who was seen once is not lost when its parent ends."""

    def __init__(self, find: Callable[[], Iterable[int]]) -> None:
        self._find = find
        self._known: dict[int, int] = {}
        self._empty_looks = 0

    @property
    def is_over(self) -> bool:
        """True once EMPTY_ROUNDS looks in a row found nobody."""
        return self._empty_looks >= EMPTY_ROUNDS

    def look(self) -> list[int]:
        """Who of them is alive now, pids 0, 1 and this process left out."""
        me = os.getpid()
        for pid in self._find():
            if pid > 1 and pid != me and not is_alive(pid, self._known.get(pid, -1)):
                started = start_time(pid)
                if started is not None:
                    self._known[pid] = started
        self._known = {pid: started for pid, started in self._known.items() if is_alive(pid, started)}
        self._empty_looks = 0 if self._known else self._empty_looks + 1
        return sorted(self._known)

    def signal(self, pids: Iterable[int], number: int) -> None:
        """Signal those of them that are still the ones that were seen."""
        for pid in pids:
            signal_process(pid, number, self._known.get(pid))


def kill_tree(
    find: Callable[[], Iterable[int]],
    *,
    grace_s: float,
    reap: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
    kill_all: Callable[[], object] = lambda: None,
) -> list[int]:
    """End what `find` finds: TERM once each, grace, KILL in rounds, until nobody is found. Returns the survivors.

    `reap` is called between rounds, `pause` waits between them (a shim reads its pipes meanwhile). `kill_all` is a
    kill that the kernel does at one stroke, where there is one: it comes first in each round. Takes at most the
    grace plus KILL_ROUNDS_MAX rounds; survivors are in uninterruptible sleep, belong to somebody else, or fork faster
    than they are found.
    """
    hunt = Hunt(find)
    termed: set[int] = set()
    deadline_s = time.monotonic() + grace_s
    round_s = ROUND_S
    while time.monotonic() < deadline_s and not hunt.is_over:
        alive = hunt.look()
        hunt.signal([pid for pid in alive if pid not in termed], signal.SIGTERM)
        termed.update(alive)
        if alive:
            pause(min(round_s, max(0.0, deadline_s - time.monotonic())))
            round_s = min(round_s * 1.5, GRACE_ROUND_S_MAX)
        reap()
    alive = []
    deadline_s = time.monotonic() + KILL_ROUNDS_MAX * ROUND_S
    for _ in range(KILL_ROUNDS_MAX):
        alive = hunt.look()
        if hunt.is_over or time.monotonic() > deadline_s:
            break
        kill_all()
        hunt.signal(alive, signal.SIGKILL)
        if alive:
            pause(ROUND_S)
        reap()
    return alive


def _runs(fields: list[str]) -> bool:
    """A zombie with more than one thread is a process whose first thread ended: the others go on."""
    return fields[0] not in _ENDED or int(fields[17]) > 1


def _pids() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """The fields after the name, state first, of /proc/PID/stat; the name may hold anything, blanks and ')' too."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].decode("ascii").split()
    except OSError:
        return None
