"""Connecting to a daemon that may be between two processes: after `kazictl restart` its socket is gone for a while.

The daemon writes its pid into the lock beside its socket and keeps it through a restart. While that process lives and
is a kazid, an absent socket means "not yet" and is waited for; else it means that no daemon is there, at once.
"""

import os
import time

from kazictl.connection import Unreachable, open_connection
from kazid.wire.paths import socket_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket

START_S_MAX = 15.0
"""A daemon with thousands of goals on a busy machine is back within some seconds."""
POLL_S = 0.05
PID_BYTES_MAX = 20


def connect(path: str) -> "_socket.socket":
    """A connected socket. Raises Unreachable when no daemon listens or is about to, Failure as open_connection."""
    deadline_s = time.monotonic() + START_S_MAX
    while True:
        try:
            return open_connection(path)
        except Unreachable:
            if time.monotonic() >= deadline_s or not is_coming(path):
                raise
        time.sleep(POLL_S)


def is_coming(path: str) -> bool:
    """Whether the kazid that last listened here is alive still."""
    try:
        with open(socket_lock(path), "rb") as lock:
            pid = lock.read(PID_BYTES_MAX).strip()
        if not pid.isdigit():
            return False
        with open(os.path.join("/proc", pid.decode(), "cmdline"), "rb") as file:
            return b"kazid" in file.read()
    except OSError:
        return False
