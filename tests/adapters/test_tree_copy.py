"""A copy for trials is bounded, whole or none, and nothing in it leads out."""

import os
import socket
from pathlib import Path

import pytest

from kazid.adapters.system.tree_copy import CopyBounds, TooMuch, copy_tree

BOUNDS = CopyBounds(bytes=1000, files=20, seconds=60.0)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    (source / "src" / "deep").mkdir(parents=True)
    (source / "src" / "deep" / "a.txt").write_text("A")
    script = source / "check.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o755)
    return source


@pytest.fixture
def target(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.mkdir()
    return target


def _names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_copy_holds_what_the_tree_holds(source: Path, target: Path) -> None:
    (source / "link").symlink_to("src/deep/a.txt")
    (source / "src" / "up").symlink_to("../check.sh")
    copy_tree(source, target, BOUNDS)
    assert _names(target) == _names(source)
    assert (target / "link").read_text() == "A"
    assert os.access(target / "src" / "up", os.X_OK)
    (target / "link").write_text("changed")
    assert (source / "src" / "deep" / "a.txt").read_text() == "A"


@pytest.mark.parametrize(
    "aim",
    ["/etc", "../outside", "src/../../outside", "/source/check.sh"],
    ids=["absolute", "up", "around", "own"],
)
def test_a_link_that_leads_out_is_left_out(source: Path, target: Path, aim: str) -> None:
    (source.parent / "outside").mkdir()
    (source / "way").symlink_to(aim)
    copy_tree(source, target, BOUNDS)
    assert not os.path.lexists(target / "way")


def test_links_that_lead_out_only_together_are_cut(source: Path, target: Path) -> None:
    (source / "here").symlink_to(".")
    (source / "src" / "out").symlink_to("../here/..")
    (source / "src" / "further").symlink_to("out/outside")
    (source.parent / "outside").write_text("theirs")
    copy_tree(source, target, BOUNDS)
    assert (target / "here").is_symlink()
    assert not os.path.lexists(target / "src" / "out")
    reached = [path for path in target.rglob("*") if path.exists()]
    assert all(path.resolve().is_relative_to(target.resolve()) for path in reached)


def test_what_is_no_file_is_left_out_and_nothing_waits_for_it(source: Path, target: Path) -> None:
    os.mkfifo(source / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        before = os.getcwd()
        os.chdir(source)  # the name of a socket is short
        try:
            listener.bind("sock")
        finally:
            os.chdir(before)
        copy_tree(source, target, BOUNDS)
    assert _names(target) == ["check.sh", "src", "src/deep", "src/deep/a.txt"]


@pytest.mark.parametrize(
    ("bytes_", "files", "seconds", "is_too_much"),
    [
        pytest.param(11, 4, 60.0, False, id="exactly-as-much"),
        pytest.param(10, 4, 60.0, True, id="a-byte-more"),
        pytest.param(11, 3, 60.0, True, id="a-file-more"),
        pytest.param(11, 4, -1.0, True, id="too-slow"),
    ],
)
def test_a_copy_is_bounded(
    source: Path, target: Path, bytes_: int, files: int, seconds: float, is_too_much: bool
) -> None:
    bounds = CopyBounds(bytes=bytes_, files=files, seconds=seconds)
    if is_too_much:
        with pytest.raises(TooMuch):
            copy_tree(source, target, bounds)
    else:
        copy_tree(source, target, bounds)


def test_a_tree_that_vanishes_makes_no_copy(
    source: Path, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FileNotFoundError):
        copy_tree(source / "gone", target, BOUNDS)
    opened = os.open

    def gone_meanwhile(path: object, *args: object, **more: object) -> int:
        if str(path).endswith("a.txt"):
            raise FileNotFoundError(path)
        return opened(path, *args, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", gone_meanwhile)
    with pytest.raises(FileNotFoundError):
        copy_tree(source, target, BOUNDS)
