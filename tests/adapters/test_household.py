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


def connects(place: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(place))
        except OSError:
            return False
    return True


@pytest.mark.parametrize("taken_away", ["the socket", "the socket and its lock", "the whole folder"])
def test_a_socket_whose_name_was_taken_away_is_bound_anew(tmp_path: Path, taken_away: str) -> None:
    place = tmp_path / "run" / "s"
    ours = ApiSocket(str(place))
    assert ours.listen_again() is None, "nothing happened to it"
    first = ours.socket
    place.unlink()
    if taken_away != "the socket":
        (tmp_path / "run" / "s.lock").unlink()
    if taken_away == "the whole folder":
        (tmp_path / "run").rmdir()
    assert not connects(place)
    again = ours.listen_again()
    assert again is ours.socket is not first
    assert connects(place)
    assert place.stat().st_mode & 0o777 == 0o600
    with pytest.raises(StartRefused, match="another kazid listens"):
        ApiSocket(str(place))
    assert ours.listen_again() is None
    first.close()
    ours.close()
    assert not place.exists()


def test_a_name_that_is_somebody_elses_now_is_left_to_them_until_they_go(tmp_path: Path) -> None:
    place = tmp_path / "s"
    ours = ApiSocket(str(place))
    place.unlink()
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(place))
        other.listen(0)
        with pytest.raises(StartRefused, match="somebody else listens"):
            ours.listen_again()
        with pytest.raises(StartRefused, match="somebody else listens"):
            ours.listen_again()  # the look before this fills its backlog: who is busy listens, too
        ours.close()
        assert place.exists(), "a daemon that goes takes nobody's socket along"


def test_another_daemon_in_a_folder_that_came_back_empty_keeps_it(tmp_path: Path) -> None:
    place = tmp_path / "s"
    ours = ApiSocket(str(place))
    place.unlink()
    (tmp_path / "s.lock").unlink()
    other = ApiSocket(str(place))
    with pytest.raises(StartRefused, match="another kazid listens"):
        ours.listen_again()
    ours.close()
    assert connects(place)
    other.close()
