"""The socket's place: what is not a socket there, or a link to somewhere else, is left alone and refused."""

import os
import socket
from pathlib import Path

import pytest

from kazid.adapters.system.household import ApiSocket
from kazid.core.errors import StartRefused


@pytest.mark.parametrize("target", ["a file", "a socket nobody listens on", "nothing"])
def test_a_link_in_the_sockets_place_is_refused_and_what_it_names_is_left(
    tmp_path: Path, target: str
) -> None:
    elsewhere, place = tmp_path / "elsewhere", tmp_path / "s"
    if target == "a file":
        elsewhere.write_text("precious")
    elif target != "nothing":
        with socket.socket(socket.AF_UNIX) as left:
            left.bind(str(elsewhere))
    before = os.lstat(elsewhere).st_ino if target != "nothing" else None
    place.symlink_to(elsewhere)
    with pytest.raises(StartRefused, match="is not a socket"):
        ApiSocket(str(place))
    assert place.is_symlink()
    assert (os.lstat(elsewhere).st_ino if elsewhere.exists() else None) == before


def test_a_link_to_a_socket_that_somebody_listens_on_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other"))
        other.listen()
        (tmp_path / "s").symlink_to(tmp_path / "other")
        with pytest.raises(StartRefused, match="somebody else listens"):
            ApiSocket(str(tmp_path / "s"))


def test_a_link_in_the_locks_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / "s.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StartRefused, match="cannot open lock"):
        ApiSocket(str(tmp_path / "s"))
    assert (tmp_path / "precious").read_text() == "kept"


def test_a_socket_that_a_killed_daemon_left_is_taken_over_and_is_its_owners_alone(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "s"))
    taken = ApiSocket(str(tmp_path / "s"))
    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
    taken.close()
    assert not (tmp_path / "s").exists()
