"""The daemon's command line, and where this daemon lives: state folder, socket, settings file, mode."""

import argparse
import os
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import msgspec

from kazid.settings import settings_path
from kazid.wire import paths


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where this daemon lives."""

    mode: str
    state_dir: str
    socket: str
    settings_file: str | None


def parsed(argv: Sequence[str]) -> argparse.Namespace:
    """The command line. Ends the process where it is none."""
    parser = argparse.ArgumentParser(
        prog="kazid", description="keeps goals true: the daemon that kazictl talks to", allow_abbrev=False
    )
    parser.add_argument(
        "--config", metavar="FILE", type=_given, help="settings (default: /etc/kazi/kazid.toml or the user's)"
    )
    parser.add_argument(
        "--state-dir", metavar="DIR", type=_given, help="where journal and attempts live (KAZI_STATE_DIR)"
    )
    parser.add_argument(
        "--socket", metavar="PATH", type=_given, help="the Unix socket to listen on (KAZI_SOCKET)"
    )
    parser.add_argument("--version", action="version", version=f"kazid {version('kazi')}")
    return parser.parse_args(argv)


def _given(value: str) -> str:
    """A path that is there: an empty one is a variable that was not set, and must not mean the default."""
    if not value.strip():
        raise argparse.ArgumentTypeError("it is empty")
    return value


def place_of(arguments: argparse.Namespace) -> Place:
    """System mode is what systemd's StateDirectory= says; everything else is a user's own daemon."""
    system_state = os.environ.get("STATE_DIRECTORY")
    is_system = (
        system_state is not None and arguments.state_dir is None and "KAZI_STATE_DIR" not in os.environ
    )
    state_dir = arguments.state_dir or (system_state if is_system else paths.user_state_dir())
    assert state_dir is not None
    if arguments.state_dir is not None:
        default_socket = str(Path(arguments.state_dir) / "run" / "kazid.sock")
    else:
        default_socket = paths.SYSTEM_SOCKET if is_system else paths.user_socket()
    socket_path = arguments.socket or os.environ.get("KAZI_SOCKET") or default_socket
    config_home = os.environ.get("XDG_CONFIG_HOME") or str(Path("~/.config").expanduser())
    return Place(
        mode="system" if is_system else "user",
        state_dir=str(Path(state_dir.split(":")[0]).absolute()),
        socket=str(Path(socket_path).absolute()),
        settings_file=settings_path(arguments.config, is_system=is_system, config_home=config_home),
    )
