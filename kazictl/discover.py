"""Where the daemon is, and when the client may start one: SEMANTICS §8 as code.

`--socket`, then `KAZI_SOCKET`, then the live user socket, then the system socket. A user daemon is started for the
verbs that the table marks, and never where a socket was named, where a system socket unit is installed, or as root
without `--start`. Two clients may start one at the same time: the daemon's own lock decides, and both wait
for the socket.
"""

import os
import time

from kazictl.client import Client
from kazictl.connection import Unreachable
from kazictl.failure import Failure
from kazictl.incoming import connect
from kazid.wire import exit_codes, paths

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

START_WAIT_S = 5.0
"""How long a starter waits for the socket, its own daemon's or another starter's (SEMANTICS §8)."""
POLL_S = 0.05
LOG_TAIL_BYTES = 4096
LOG_BYTES_MAX = 16 * 1024 * 1024
"""A longer log of daemons before is set aside as `kazid.log.1` when the next one starts."""

MAY, MAY_AS_ROOT, MUST_NOT = "may", "may-as-root", "must-not"
"""What the command line says about starting: nothing, `--start`, `--no-start`."""


def find_daemon(
    named: str | None,
    *,
    starts_daemon: bool,
    starting: str = MAY,
    note: "Callable[[str], None]",
    launch: "Callable[[str], None] | None" = None,
) -> Client:
    """A client that is connected already. `named`: the path of `--socket`. Raises Failure (exit 8) when there is none.

    `note` gets a line for people when a daemon is started. `launch` starts it, logging to the file it is given.
    """
    socket = named or os.environ.get("KAZI_SOCKET")
    if socket:
        return _named_daemon(socket, origin="--socket" if named else "KAZI_SOCKET")
    client = _live_daemon()
    if client is not None:
        return client
    refusal = _why_not_start(starts_daemon=starts_daemon, starting=starting)
    if refusal is not None:
        raise refusal
    return _start(note=note, launch=launch or launch_daemon)


def _named_daemon(socket: str, *, origin: str) -> Client:
    if paths.is_socket_path_too_long(socket):
        raise Failure(
            f"the path of {origin} is longer than {paths.SOCKET_PATH_BYTES_MAX} bytes: {socket}",
            exit_code=exit_codes.USAGE,
            kind="socket",
            hint="the kernel takes no longer one; use a shorter path",
        )
    try:
        return Client(socket, connect(socket))
    except Unreachable:
        raise _no_daemon(
            f"no daemon listens on {socket} (from {origin})", f"kazid --socket {socket}"
        ) from None


def _live_daemon() -> Client | None:
    """The first of the user's and the system's daemon that listens."""
    user = paths.user_socket()
    for socket in (user, paths.SYSTEM_SOCKET):
        if paths.is_socket_path_too_long(socket):
            continue
        try:
            return Client(socket, connect(socket))
        except Unreachable:
            continue
        except Failure as failure:
            # A user socket that is not ours (XDG_RUNTIME_DIR kept by su) is no reason to miss the system's.
            if socket is user and failure.kind == "denied":
                continue
            raise
    return None


def _why_not_start(*, starts_daemon: bool, starting: str) -> Failure | None:
    """The Failure that stands against starting a user daemon here; None when nothing does."""
    if paths.has_system_unit():
        return _no_daemon(f"no daemon listens on {paths.SYSTEM_SOCKET}", "systemctl start kazid.socket")
    socket = paths.user_socket()
    if paths.is_socket_path_too_long(socket):
        return _no_daemon(f"the socket's path is too long: {socket}", "KAZI_SOCKET=/a/shorter/path kazid")
    if not starts_daemon or starting == MUST_NOT:
        return _no_daemon(f"no daemon listens on {socket}", "kazid")
    if os.geteuid() == 0 and starting != MAY_AS_ROOT:
        return _no_daemon(
            f"no daemon listens on {socket}, and none is started as root by itself",
            "kazid (or repeat with --start)",
        )
    return None


def _start(*, note: "Callable[[str], None]", launch: "Callable[[str], None]") -> Client:
    log = os.path.join(paths.user_state_dir(), "kazid.log")
    note(f"kazictl: no daemon is running; starting kazid (its log: {log})")
    launch(log)
    deadline_s = time.monotonic() + START_WAIT_S
    while time.monotonic() < deadline_s:
        client = _live_daemon()
        if client is not None:
            return client
        time.sleep(POLL_S)
    said = _last_line(log)
    raise Failure(
        f"kazid was started and does not listen after {START_WAIT_S:g} s",
        exit_code=exit_codes.NO_DAEMON,
        kind="no_daemon",
        detail=f"its last words: {said}" if said else "",
        hint=f"look at {log}, or start it in a terminal to see why: kazid",
    )


def launch_daemon(log: str) -> None:
    """Start kazid in a session of its own, so that it outlives this terminal; its stderr goes to `log`.

    `-P` and the root folder: a `kazid` in the caller's folder must not be the one that starts.
    """
    import subprocess
    import sys

    try:
        os.makedirs(os.path.dirname(log), mode=0o700, exist_ok=True)
        if os.path.exists(log) and os.path.getsize(log) > LOG_BYTES_MAX:
            os.replace(log, f"{log}.1")
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(log, flags, 0o600)
    except OSError as error:
        raise _no_daemon(
            f"cannot write {log}: {error.strerror or error}", "KAZI_STATE_DIR=DIR kazid"
        ) from None
    try:
        daemon = subprocess.Popen(
            [sys.executable, "-P", "-m", "kazid"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=descriptor,
            cwd="/",
            start_new_session=True,
        )
    except OSError as error:
        raise _no_daemon(f"cannot start kazid: {error.strerror or error}", "kazid") from None
    finally:
        os.close(descriptor)
    daemon.returncode = 0  # it is not ours to wait for; Popen would warn of it when this process ends


def _last_line(log: str) -> str:
    """The end of the log, for a message; empty when there is nothing to tell."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, os.path.getsize(log) - LOG_TAIL_BYTES))
            lines = file.read(LOG_TAIL_BYTES).decode("utf-8", "replace").split("\n")
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _no_daemon(message: str, command: str) -> Failure:
    return Failure(
        message, exit_code=exit_codes.NO_DAEMON, kind="no_daemon", hint=f"start one with: {command}"
    )
