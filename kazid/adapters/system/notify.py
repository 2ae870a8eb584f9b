"""The service manager's protocol in stdlib: notifications and socket activation.

Sources: sd_notify(3), sd_listen_fds(3), sd_watchdog_enabled(3).
"""

import os
import socket
import time
from collections.abc import Mapping

LISTEN_FDS_START = 3
FD_NAME = "api"


class ServiceManager:
    """Tells systemd (or whatever listens on NOTIFY_SOCKET) how the daemon is; silent when nobody listens."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        address = environ.get("NOTIFY_SOCKET")
        self._address = None if not address else ("\0" + address[1:] if address.startswith("@") else address)
        watchdog_pid = environ.get("WATCHDOG_PID")
        usec = environ.get("WATCHDOG_USEC")
        is_ours = watchdog_pid is None or watchdog_pid == str(os.getpid())
        self.watchdog_s = int(usec) / 1e6 if usec and usec.isdigit() and is_ours else None
        """How often the watchdog wants food at the latest; None without one."""

    def ready(self, status: str) -> None:
        """Started: clients may come."""
        self._send("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self._send(f"STATUS={text}")

    def feed_watchdog(self) -> None:
        """Alive: scheduler and store both answered."""
        self._send("WATCHDOG=1")

    def reloading(self) -> None:
        """Settings are read again."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={_monotonic_usec()}")

    def stopping(self) -> None:
        """Going down."""
        self._send("STOPPING=1", "STATUS=stopping")

    def _send(self, *lines: str) -> None:
        if self._address is None:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
                sender.settimeout(1.0)
                sender.connect(self._address)
                sender.sendall("\n".join(lines).encode())
        except OSError:
            return  # a manager that went away must not take the daemon with it


def _monotonic_usec() -> int:
    return time.monotonic_ns() // 1000


def activated_socket(environ: Mapping[str, str]) -> socket.socket | None:
    """The listening socket systemd passed, duplicated so that it survives our own close (restart by exec); or None."""
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return None
    count = int(environ.get("LISTEN_FDS", "0") or "0")
    names = (environ.get("LISTEN_FDNAMES") or "").split(":")
    for index in range(count):
        fd = LISTEN_FDS_START + index
        name = names[index] if index < len(names) else ""
        if name in (FD_NAME, "", "unknown", "kazid.socket"):
            return socket.socket(fileno=os.dup(fd))
    return None
