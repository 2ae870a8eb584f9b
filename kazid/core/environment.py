"""The environment of everything kazid starts: checks, remedies and agents are given one built here, never the daemon's.

It is built from an allow-list, so that what the daemon was started with (its virtualenv, its sockets, its
credentials) reaches a child only when a goal or a profile named it. Pure: the daemon's own environment is an
argument. The marker is how a process that left its group and its session is still found through /proc.
"""

from collections.abc import Iterable, Mapping

ALLOWED_NAMES = frozenset(
    {"HOME", "LANG", "LOGNAME", "SHELL", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER"}
)
"""Taken from the daemon's environment where they are set, and `LC_*` with them."""

_ALLOWED_PREFIX = "LC_"
_NEVER_NAMES = frozenset(
    {"CREDENTIALS_DIRECTORY", "NOTIFY_SOCKET", "PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV"}
)
_NEVER_PREFIXES = ("KAZI_", "LISTEN_", "WATCHDOG_")
"""The daemon's own business: an agent that could say READY or find the socket would speak in its name."""

LANG_DEFAULT = "C.UTF-8"
"""Under systemd nothing sets LANG, and a tool in the C locale mangles or refuses what is not ASCII."""

PATH_DEFAULT = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def build_environment(
    base: Mapping[str, str],
    *,
    path: str,
    extra: Mapping[str, str],
    names: Iterable[str] = (),
    marker: tuple[str, str],
) -> dict[str, str]:
    """Return the whole environment of one child.

    `base` is the daemon's environment; `names` are taken from it on top of the allow-list (credentials a profile
    needs), but never what belongs to the daemon. `path` is the caller's PATH and is kept as it is; where it is empty
    the daemon's own serves, without the bin folder of the daemon's virtualenv. `extra` is authored and wins over all
    but `marker`.
    """
    taken = {name: value for name, value in base.items() if _is_allowed(name)}
    named = {name: base[name] for name in names if name in base and not is_daemons_own(name)}
    return {
        "LANG": LANG_DEFAULT,
        **taken,
        **named,
        "TERM": "dumb",
        "PATH": path or daemon_path(base),
        **extra,
        marker[0]: marker[1],
    }


def _is_allowed(name: str) -> bool:
    return name in ALLOWED_NAMES or name.startswith(_ALLOWED_PREFIX)


def is_daemons_own(name: str) -> bool:
    """True for a variable that is the daemon's own business, whoever asks for it by name."""
    return name in _NEVER_NAMES or name.startswith(_NEVER_PREFIXES)


def daemon_path(base: Mapping[str, str]) -> str:
    """The daemon's PATH without its virtualenv: `python` in a check means the machine's, not kazid's."""
    virtualenv = base.get("VIRTUAL_ENV", "").rstrip("/")
    entries = base.get("PATH", "").split(":")
    kept = [
        entry for entry in entries if entry and not (virtualenv and entry.rstrip("/") == f"{virtualenv}/bin")
    ]
    return ":".join(kept) or PATH_DEFAULT
