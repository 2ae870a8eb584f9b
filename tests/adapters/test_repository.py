"""The Repositories port: a contract for every adapter, and what an agent may try to hide from git."""

import subprocess
from pathlib import Path

import pytest

from kazid.adapters.memory.repository import MemoryRepositories
from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.adapters.system.repository import CHANGED_MAX, SystemRepositories
from kazid.adapters.system.workspace import SystemWorkspaces
from kazid.ports.repository import ABSENT, Repositories

pytestmark = pytest.mark.anyio


def git(*args: str, cwd: Path) -> str:
    done = subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@t", *args),
        cwd=cwd,
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip()


class RepositoriesContract:
    """Each sentence of the port, on every adapter."""

    repositories: Repositories
    path: str

    def write(self, name: str, text: str) -> None:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def commit(self) -> str:
        raise NotImplementedError

    def read(self, folder: str, name: str) -> str | None:
        raise NotImplementedError

    def scribble(self, folder: str) -> None:
        """Write into a checkout."""
        raise NotImplementedError

    async def test_a_commit_is_named_by_its_full_id(self) -> None:
        assert await self.repositories.commit(self.path) is None, "no commit yet"
        self.write("a", "1")
        first = self.commit()
        self.write("a", "2")
        second = self.commit()
        assert await self.repositories.commit(self.path) == second != first
        assert await self.repositories.commit(self.path, first) == first
        assert await self.repositories.commit(self.path, "no-such-ref") is None
        assert await self.repositories.commit("/no/such/folder") is None

    async def test_changes_are_told_by_content_whether_committed_or_not(self) -> None:
        self.write("kept", "1")
        self.write("edited", "1")
        self.write("deleted", "1")
        self.write("committed", "1")
        base = self.commit()
        assert await self.repositories.changed(self.path, base) == {}
        self.write("committed", "2")
        self.commit()
        self.write("edited", "2")
        self.write("new", "1")
        self.delete("deleted")
        changed = await self.repositories.changed(self.path, base)
        assert changed is not None
        assert {*changed} == {"edited", "deleted", "committed", "new"}
        assert changed["deleted"] == ABSENT
        self.write("edited", "1")
        again = await self.repositories.changed(self.path, base)
        assert again is not None
        assert "edited" not in again, "what was put back is no change"

    async def test_without_a_base_every_file_counts(self) -> None:
        self.write("a", "1")
        changed = await self.repositories.changed(self.path, None)
        assert changed is not None
        assert [*changed] == ["a"]
        assert await self.repositories.changed(self.path, "0" * 40) is None

    async def test_a_candidate_is_the_base_with_the_changes_but_for_what_is_pinned(self) -> None:
        self.write("grade/check", "honest")
        self.write("app", "old")
        self.write("gone", "x")
        base = self.commit()
        self.write("grade/check", "cheated")
        self.write("grade/extra", "planted")
        self.write("app", "mended")
        self.write("new", "y")
        self.delete("gone")
        async with self.repositories.candidate(
            self.path, base=base, pinned=("grade",), name="g/p"
        ) as checkout:
            folder = checkout.folder
            assert folder is not None, checkout.reason
            assert checkout.pinned == ("grade/check", "grade/extra")
            assert self.read(folder, "grade/check") == "honest"
            assert self.read(folder, "grade/extra") is None
            assert (self.read(folder, "app"), self.read(folder, "new")) == ("mended", "y")
            assert self.read(folder, "gone") is None
            self.scribble(folder)
        assert self.read(folder, "app") is None, "gone after use"
        assert self.read(self.path, "app") == "mended", "nothing done in it reaches the workspace"

    async def test_two_checkouts_of_one_name_are_one_after_the_other_in_the_same_place(self) -> None:
        self.write("a", "1")
        base = self.commit()
        places: list[str | None] = []
        for _ in range(2):
            async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
                places.append(checkout.folder)
        assert places[0] == places[1] is not None

    async def test_without_a_repository_there_is_a_reason(self) -> None:
        async with self.repositories.candidate(
            "/no/such/folder", base="0" * 40, pinned=(), name="n"
        ) as checkout:
            assert checkout.folder is None
            assert checkout.reason


class TestMemory(RepositoriesContract):
    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.path = "/w"
        self.workspaces = MemoryWorkspaces(self.path)
        self.repositories = self.memory = MemoryRepositories(self.workspaces)

    def write(self, name: str, text: str) -> None:
        self.workspaces.write(self.path, name, text)

    def delete(self, name: str) -> None:
        self.workspaces.delete(self.path, name)

    def commit(self) -> str:
        return self.memory.make_commit(self.path)

    def read(self, folder: str, name: str) -> str | None:
        return (self.workspaces.files(folder) or {}).get(name)

    def scribble(self, folder: str) -> None:
        self.workspaces.write(folder, "app", "scribbled")


class TestSystem(RepositoriesContract):
    @pytest.fixture(autouse=True)
    def _made(self, tmp_path: Path) -> None:
        self.tree = tmp_path / "tree"
        self.tree.mkdir()
        self.path = str(self.tree)
        git("init", "-q", cwd=self.tree)
        self.scratch = tmp_path / "scratch"
        self.repositories = self.system = SystemRepositories(SystemWorkspaces(), scratch=self.scratch)

    def write(self, name: str, text: str) -> None:
        (self.tree / name).parent.mkdir(exist_ok=True)
        (self.tree / name).write_text(text)

    def delete(self, name: str) -> None:
        (self.tree / name).unlink()

    def commit(self) -> str:
        git("add", "-A", cwd=self.tree)
        git("commit", "-q", "--allow-empty", "-m", "m", cwd=self.tree)
        return git("rev-parse", "HEAD", cwd=self.tree)

    def read(self, folder: str, name: str) -> str | None:
        path = Path(folder, name)
        return path.read_text() if path.exists() else None

    def scribble(self, folder: str) -> None:
        Path(folder, "app").write_text("scribbled")
        git("commit", "-aqm", "scribbled", cwd=Path(folder))

    async def test_nothing_is_written_into_the_repository(self) -> None:
        self.write("a", "1")
        base = self.commit()
        self.write("a", "2")

        def state() -> dict[str, bytes]:
            files = (p for p in (self.tree / ".git").rglob("*") if p.is_file() and p.name != "index")
            return {str(p): p.read_bytes() for p in files}

        before = state()
        async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
            assert checkout.folder is not None
            assert git("status", "--porcelain", cwd=Path(checkout.folder)) == "M a", "a repository of its own"
        assert state() == before

    @pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
    async def test_a_change_that_git_was_told_not_to_see_is_seen(self, flag: str) -> None:
        self.write("a", "1")
        base = self.commit()
        git("update-index", flag, "a", cwd=self.tree)
        self.write("a", "2")
        assert [*(await self.repositories.changed(self.path, base) or {})] == ["a"]

    async def test_a_rewritten_history_does_not_move_the_base(self) -> None:
        self.write("a", "1")
        base = self.commit()
        self.write("a", "2")
        git("add", "-A", cwd=self.tree)
        git("commit", "-q", "--amend", "-m", "as if it had always been", cwd=self.tree)
        assert [*(await self.repositories.changed(self.path, base) or {})] == ["a"]
        async with self.repositories.candidate(self.path, base=base, pinned=("a",), name="n") as checkout:
            assert checkout.folder is not None
            assert self.read(checkout.folder, "a") == "1"

    async def test_ignored_files_are_no_part_of_a_candidate(self) -> None:
        self.write(".gitignore", "*.pyc\n")
        self.write("a", "1")
        base = self.commit()
        self.write("planted.pyc", "evil")
        async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
            assert checkout.folder is not None
            assert self.read(checkout.folder, "planted.pyc") is None

    async def test_a_workspace_within_a_repository_is_judged_in_its_place(self) -> None:
        self.write("lib", "1")
        self.write("sub/app", "1")
        base = self.commit()
        self.write("lib", "2")
        self.write("sub/app", "2")
        inner = str(self.tree / "sub")
        assert [*(await self.repositories.changed(inner, base) or {})] == ["app"]
        async with self.repositories.candidate(inner, base=base, pinned=("app",), name="n") as checkout:
            assert checkout.folder is not None
            assert checkout.folder.endswith("/sub")
            assert self.read(checkout.folder, "app") == "1"
            assert self.read(checkout.folder, "../lib") == "2"

    async def test_links_and_modes_are_kept_and_a_file_may_become_a_folder(self) -> None:
        self.write("was-file", "1")
        self.write("was-folder/x", "1")
        base = self.commit()
        self.delete("was-file")
        self.write("was-file/x", "2")
        self.delete("was-folder/x")
        (self.tree / "was-folder").rmdir()
        self.write("was-folder", "2")
        (self.tree / "link").symlink_to("/etc/passwd")
        self.write("run", "#!/bin/sh\n")
        (self.tree / "run").chmod(0o755)
        async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
            assert checkout.folder is not None, checkout.reason
            folder = Path(checkout.folder)
            assert (folder / "was-file/x").read_text() == "2"
            assert (folder / "was-folder").read_text() == "2"
            assert (folder / "link").is_symlink()
            assert (folder / "run").stat().st_mode & 0o111

    async def test_a_link_in_the_base_leads_no_write_out_of_the_checkout(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (self.tree / "dir").symlink_to(outside)
        base = self.commit()
        (self.tree / "dir").unlink()
        self.write("dir/x", "planted")
        async with self.repositories.candidate(self.path, base=base, pinned=("dir",), name="n") as checkout:
            assert checkout.folder is not None, checkout.reason
        async with self.repositories.candidate(self.path, base=base, pinned=("d?r",), name="n") as checkout:
            assert checkout.folder is not None, checkout.reason
        assert list(outside.iterdir()) == []

    async def test_hooks_and_filters_of_the_repository_do_not_run(self, tmp_path: Path) -> None:
        ran = tmp_path / "ran"
        hook = self.tree / ".git/hooks/post-checkout"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {ran}\n")
        hook.chmod(0o755)
        git("config", "filter.evil.smudge", f"sh -c 'touch {ran}; cat'", cwd=self.tree)
        self.write(".gitattributes", "* filter=evil\n")
        self.write("a", "1")
        base = self.commit()
        ran.unlink(missing_ok=True)
        async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
            assert checkout.folder is not None, checkout.reason
            assert self.read(checkout.folder, "a") == "1"
        assert not ran.exists()

    async def test_too_much_is_none_and_says_so(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert CHANGED_MAX > 2
        monkeypatch.setattr("kazid.adapters.system.repository.CHANGED_MAX", 2)
        self.write("a", "1")
        base = self.commit()
        for name in "bcd":
            self.write(name, "1")
        assert await self.repositories.changed(self.path, base) is None
        async with self.repositories.candidate(self.path, base=base, pinned=(), name="n") as checkout:
            assert checkout.folder is None
            assert "too much" in (checkout.reason or "")

    async def test_what_a_killed_daemon_left_is_swept(self) -> None:
        (self.scratch / "old/.git").mkdir(parents=True)
        await self.system.sweep()
        assert not self.scratch.exists()
