"""One scratch folder per daemon: private, made again when it is gone, and swept once its daemon is dead."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kazid.adapters.system.scratch import Scratch, remove_tree

HOLDS = """
import sys
from kazid.adapters.system.scratch import Scratch
print(Scratch(state_id="a", below=sys.argv[1]).folder(), flush=True)
sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def test_the_folder_is_named_by_state_and_pid_and_nobody_elses(tmp_path: Path) -> None:
    scratch = Scratch(state_id="a", below=str(tmp_path))
    assert names(tmp_path) == [], "nothing is made before it is asked for"
    folder = Path(scratch.folder() or "")
    assert folder == tmp_path / f"kazi-a-{os.getpid()}"
    assert (folder.stat().st_mode & 0o7777, folder.stat().st_uid) == (0o700, os.geteuid())
    assert scratch.folder() == str(folder)
    scratch.close()
    assert names(tmp_path) == []


def test_a_folder_that_somebody_removed_is_made_again(tmp_path: Path) -> None:
    scratch = Scratch(state_id="a", below=str(tmp_path))
    remove_tree(Path(scratch.folder() or ""))
    assert Path(scratch.folder() or "").is_dir()


def test_what_lies_there_under_our_name_is_never_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"kazi-a-{os.getpid()}").symlink_to(elsewhere)
    folder = Scratch(state_id="a", below=str(tmp_path)).folder()
    assert folder is not None
    assert not Path(folder).is_symlink()
    assert names(elsewhere) == []


def test_no_folder_is_none_and_no_crash(tmp_path: Path) -> None:
    assert Scratch(state_id="a", below=str(tmp_path / "no")).folder() is None


def test_the_dead_are_swept_and_the_living_and_others_are_not(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        living = Path(holder.stdout.readline().strip())
        dead, other = tmp_path / "kazi-a-4000000", tmp_path / "kazi-b-4000000"
        for folder in (dead / "clone" / "deep", other):
            folder.mkdir(parents=True)
        (dead / "clone" / "deep" / "file").write_text("x")
        (dead / "clone" / "deep").chmod(0o500)
        (tmp_path / "kazi-a-1").symlink_to(other)
        scratch = Scratch(state_id="a", below=str(tmp_path))
        own = Path(scratch.folder() or "")
        scratch.sweep_now()
        assert names(tmp_path) == sorted([living.name, own.name, other.name, "kazi-a-1"])
        holder.kill()
        holder.wait()
        scratch.sweep_now()
        assert living.name not in names(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become somebody whom modes bind")
def test_a_read_only_tree_is_removed_by_somebody_who_is_not_root(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "cache" / "deep").mkdir(parents=True)
    (tree / "cache" / "deep" / "file").write_text("x")
    for path in (tree, tree / "cache", tree / "cache" / "deep", tree / "cache" / "deep" / "file"):
        os.chown(path, 65534, 65534)
        path.chmod(0o500 if path.is_dir() else 0o400)
    tmp_path.chmod(0o777)
    pid = os.fork()
    if pid == 0:
        os.chdir(tmp_path)  # reached by an open folder: those above may be closed to nobody
        os.setuid(65534)
        remove_tree(Path("tree"))
        os._exit(0)
    os.waitpid(pid, 0)
    assert not tree.exists()
