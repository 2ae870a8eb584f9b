"""Where socket and state are: the same answer on both sides of the socket."""

from pathlib import Path

import pytest

from kazid.wire import paths


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_RUNTIME_DIR", "XDG_STATE_HOME", "KAZI_STATE_DIR", "KAZI_SOCKET"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/home/ops")


def test_the_socket_is_in_the_runtime_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/7")
    assert paths.user_socket() == "/run/user/7/kazi/kazid.sock"


def test_without_a_runtime_folder_it_is_under_the_state_home() -> None:
    assert paths.user_socket() == "/home/ops/.local/state/kazi/run/kazid.sock"


def test_the_state_folder_may_be_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "/state")
    assert paths.user_state_dir() == "/state/kazi"
    monkeypatch.setenv("KAZI_STATE_DIR", "/elsewhere")
    assert paths.user_state_dir() == "/elsewhere"


def test_a_path_is_measured_in_bytes() -> None:
    assert not paths.is_socket_path_too_long("/" + "x" * 106)
    assert paths.is_socket_path_too_long("/" + "x" * 107)
    assert paths.is_socket_path_too_long("/" + "é" * 60)


def test_a_system_unit_is_seen_wherever_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    unit = tmp_path / "kazid.socket"
    monkeypatch.setattr(paths, "SYSTEM_SOCKET_UNITS", ("/nowhere", str(unit)))
    assert not paths.has_system_unit()
    unit.touch()
    assert paths.has_system_unit()
