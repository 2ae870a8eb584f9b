"""Where the socket and the state are, for both sides. Only `os`; costs nothing to import.

System mode: /run/kazi/kazid.sock and $STATE_DIRECTORY. User mode: $XDG_RUNTIME_DIR/kazi/kazid.sock, else a 0700 folder
under the state home. KAZI_SOCKET and KAZI_STATE_DIR override (issue, SEMANTICS §8).
"""

import os

SYSTEM_SOCKET = "/run/kazi/kazid.sock"
SYSTEM_SOCKET_UNITS = (
    "/etc/systemd/system/kazid.socket",
    "/run/systemd/system/kazid.socket",
    "/usr/lib/systemd/system/kazid.socket",
    "/lib/systemd/system/kazid.socket",
)
SOCKET_PATH_BYTES_MAX = 107
"""sun_path on Linux holds 108 bytes with the closing NUL."""


def user_state_home() -> str:
    """$XDG_STATE_HOME/kazi, or ~/.local/state/kazi."""
    base = os.environ.get("XDG_STATE_HOME") or os.path.join(os.path.expanduser("~"), ".local", "state")
    return os.path.join(base, "kazi")


def user_state_dir() -> str:
    """The state folder of a user daemon: KAZI_STATE_DIR wins."""
    return os.environ.get("KAZI_STATE_DIR") or user_state_home()


def user_socket() -> str:
    """The socket of a user daemon: under XDG_RUNTIME_DIR, else under the state folder."""
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime:
        return os.path.join(runtime, "kazi", "kazid.sock")
    return os.path.join(user_state_dir(), "run", "kazid.sock")


def socket_lock(socket: str) -> str:
    """The file beside a socket that the daemon holds locked, with its pid in it."""
    return socket + ".lock"


def has_system_unit() -> bool:
    """True where a system socket unit is installed: no user daemon is started there."""
    return any(os.path.exists(unit) for unit in SYSTEM_SOCKET_UNITS)


def is_socket_path_too_long(path: str) -> bool:
    """True when the kernel would refuse to bind or connect to this path."""
    return len(os.fsencode(path)) > SOCKET_PATH_BYTES_MAX
