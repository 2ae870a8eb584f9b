"""The Workspaces port: a contract for every adapter, and what only folders and git can do wrong."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.adapters.system import tree_content
from kazid.adapters.system.workspace import SystemWorkspaces
from kazid.core.ids import TreeHash
from kazid.ports.workspace import Workspaces

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def git(*args: str, cwd: Path) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false")
    subprocess.run(
        ("git", *identity, "-c", "protocol.file.allow=always", *args),
        cwd=cwd,
        check=True,
        capture_output=True,
    )


def commit(folder: Path, message: str = "more") -> None:
    git("add", "-A", cwd=folder)
    git("commit", "-q", "--allow-empty", "-m", message, cwd=folder)


async def hash_of(folder: Path) -> TreeHash:
    found = await SystemWorkspaces().tree_hash(str(folder))
    assert found is not None
    return found


@pytest.fixture(params=["git", "plain"])
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A folder with a few files, as a repository and as none."""
    folder = tmp_path / "tree"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("a = 1\n")
    (folder / "README").write_text("read me\n")
    if request.param == "git":
        git("init", "-q", ".", cwd=folder)
        commit(folder)
    return folder


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git("init", "-q", ".", cwd=folder)
    (folder / "a").write_text("a\n")
    (folder / ".gitignore").write_text("ignored\n")
    commit(folder)
    return folder


class WorkspacesContract:
    """Each sentence of the port, on every adapter."""

    workspaces: Workspaces
    path: str

    def write(self, name: str, text: str) -> None:
        raise NotImplementedError

    def replace_folder(self) -> None:
        raise NotImplementedError

    async def test_a_folder_is_named_by_device_and_inode(self) -> None:
        found = await self.workspaces.identify(self.path)
        assert found is not None
        assert found.path == self.path
        assert found == await self.workspaces.identify(self.path)

    async def test_another_folder_in_its_place_is_another(self) -> None:
        before = await self.workspaces.identify(self.path)
        self.replace_folder()
        assert await self.workspaces.identify(self.path) not in (None, before)

    async def test_a_missing_folder_is_none(self) -> None:
        assert await self.workspaces.identify("/no/such/folder") is None
        assert await self.workspaces.tree_hash("/no/such/folder") is None

    async def test_equal_content_gives_equal_hashes(self) -> None:
        self.write("x", "1")
        before = await self.workspaces.tree_hash(self.path)
        self.write("x", "2")
        between = await self.workspaces.tree_hash(self.path)
        self.write("x", "1")
        assert before is not None
        assert before == await self.workspaces.tree_hash(self.path)
        assert between != before

    async def test_a_new_file_counts(self) -> None:
        before = await self.workspaces.tree_hash(self.path)
        self.write("new", "")
        assert await self.workspaces.tree_hash(self.path) not in (None, before)

    async def test_files_are_named_by_path_folder_and_glob(self) -> None:
        self.write("t1.py", "1")
        self.write("t2.py", "2")
        by_path = await self.workspaces.file_hashes(self.path, ["t1.py"])
        by_glob = await self.workspaces.file_hashes(self.path, ["t?.py"])
        assert by_path is not None
        assert by_glob is not None
        assert [*by_path] == ["t1.py"]
        assert {*by_glob} == {"t1.py", "t2.py"}
        assert by_glob["t1.py"] == by_path["t1.py"] != by_glob["t2.py"]

    async def test_equal_content_gives_equal_file_hashes(self) -> None:
        self.write("t1.py", "1")
        before = await self.workspaces.file_hashes(self.path, ["t1.py"])
        self.write("t1.py", "2")
        between = await self.workspaces.file_hashes(self.path, ["t1.py"])
        self.write("t1.py", "1")
        assert before == await self.workspaces.file_hashes(self.path, ["t1.py"])
        assert before != between

    async def test_a_path_that_names_nothing_has_a_hash_of_its_own(self) -> None:
        nothing = await self.workspaces.file_hashes(self.path, ["later.py", "no-*.py"])
        assert nothing is not None
        assert [*nothing] == ["later.py"]
        self.write("later.py", "")
        assert await self.workspaces.file_hashes(self.path, ["later.py", "no-*.py"]) not in (None, nothing)


class TestMemory(WorkspacesContract):
    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.path = "/w"
        self.workspaces = self.memory = MemoryWorkspaces(self.path)

    def write(self, name: str, text: str) -> None:
        self.memory.write(self.path, name, text)

    def replace_folder(self) -> None:
        self.memory.make(self.path)

    async def test_what_cannot_be_read_is_none(self) -> None:
        self.memory.make_unreadable(self.path)
        assert await self.memory.tree_hash(self.path) is None
        self.memory.remove(self.path)
        assert await self.memory.identify(self.path) is None


class TestSystem(WorkspacesContract):
    @pytest.fixture(autouse=True)
    def _made(self, tree: Path) -> None:
        self.path = str(tree)
        self.workspaces = SystemWorkspaces()

    def write(self, name: str, text: str) -> None:
        Path(self.path, name).write_text(text)

    def replace_folder(self) -> None:
        folder = Path(self.path)
        folder.rename(folder.with_name("old"))
        shutil.copytree(folder.with_name("old"), folder)


async def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert await SystemWorkspaces().identify(str(tmp_path / "file")) is None
    assert await SystemWorkspaces().tree_hash(str(tmp_path / "file")) is None


@pytest.mark.parametrize("path", ["", "nul\0byte", "x" * 5000])
async def test_an_impossible_path_is_none(path: str) -> None:
    assert await SystemWorkspaces().identify(path) is None
    assert await SystemWorkspaces().tree_hash(path) is None


async def test_touching_changes_nothing(tree: Path) -> None:
    before = await hash_of(tree)
    os.utime(tree / "src" / "a.py", (1_000_000_000, 1_000_000_000))
    assert await hash_of(tree) == before


@pytest.mark.parametrize("cache", sorted(tree_content.SKIPPED_NAMES - {".git"}))
async def test_a_cache_that_looking_writes_does_not_count(tree: Path, cache: str) -> None:
    before = await hash_of(tree)
    (tree / "src" / cache / "deep").mkdir(parents=True)
    (tree / "src" / cache / "deep" / "x").write_text("x")
    assert await hash_of(tree) == before


@pytest.mark.parametrize("change", ["delete", "rename", "executable", "link", "replace-by-folder", "empty"])
async def test_every_change_of_content_counts(tree: Path, change: str) -> None:
    before = await hash_of(tree)
    file = tree / "README"
    match change:
        case "delete":
            file.unlink()
        case "rename":
            file.rename(tree / "README2")
        case "executable":
            file.chmod(0o755)
        case "link":
            (tree / "link").symlink_to("README")
        case "replace-by-folder":
            file.unlink()
            file.mkdir()
            (file / "x").write_text("x")
        case _:
            file.write_text("")
    assert await hash_of(tree) != before


async def test_links_are_not_followed(tree: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (tree / "link").symlink_to(outside)
    before = await hash_of(tree)
    (outside / "x").write_text("x")
    assert await hash_of(tree) == before


async def test_a_file_nobody_may_read_and_a_pipe_do_not_hang_it(tree: Path) -> None:
    before = await hash_of(tree)
    os.mkfifo(tree / "pipe")
    assert await hash_of(tree) not in (None, before) or (tree / ".git").exists(), "git does not list pipes"


async def test_a_commit_changes_nothing(repository: Path) -> None:
    (repository / "a").write_text("changed\n")
    (repository / "new file").write_text("new\n")
    (repository / "run").write_text("#!/bin/sh\n")
    (repository / "run").chmod(0o755)
    (repository / "link").symlink_to("a")
    (repository / "ünïcode\n").write_text("odd name\n")
    working = await hash_of(repository)
    git("add", "-A", cwd=repository)
    assert await hash_of(repository) == working, "staged"
    commit(repository)
    assert await hash_of(repository) == working, "committed"
    commit(repository, "empty commit")
    assert await hash_of(repository) == working, "two commits with one content"


async def test_two_histories_of_one_content_are_one(repository: Path) -> None:
    before = await hash_of(repository)
    (repository / "a").write_text("away\n")
    commit(repository)
    assert await hash_of(repository) != before
    (repository / "a").write_text("a\n")
    commit(repository)
    assert await hash_of(repository) == before


async def test_a_repository_and_a_plain_folder_of_one_content_are_one(
    repository: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain"
    shutil.copytree(repository, plain, ignore=shutil.ignore_patterns(".git"))
    assert await hash_of(plain) == await hash_of(repository)


async def test_ignored_files_do_not_count(repository: Path) -> None:
    before = await hash_of(repository)
    (repository / "ignored").write_text("x")
    assert await hash_of(repository) == before


@pytest.mark.parametrize("flag", ["--assume-unchanged", "--skip-worktree"])
async def test_git_told_not_to_look_does_not_hide_a_change(repository: Path, flag: str) -> None:
    before = await hash_of(repository)
    git("update-index", flag, "a", cwd=repository)
    assert await hash_of(repository) == before
    (repository / "a").write_text("cheated\n")
    assert await hash_of(repository) != before


async def test_a_deletion_is_the_same_before_and_after_its_commit(repository: Path) -> None:
    (repository / "a").unlink()
    working = await hash_of(repository)
    commit(repository)
    assert await hash_of(repository) == working


async def test_a_conflict_is_told_by_the_files(repository: Path) -> None:
    git("checkout", "-q", "-b", "other", cwd=repository)
    (repository / "a").write_text("theirs\n")
    commit(repository)
    git("checkout", "-q", "-", cwd=repository)
    (repository / "a").write_text("ours\n")
    commit(repository)
    with pytest.raises(subprocess.CalledProcessError):
        git("merge", "-q", "other", cwd=repository)
    in_conflict = await hash_of(repository)
    (repository / "a").write_text("resolved\n")
    assert await hash_of(repository) != in_conflict


async def test_a_folder_of_a_repository_is_its_own_tree(repository: Path) -> None:
    (repository / "sub").mkdir()
    (repository / "sub" / "x").write_text("x")
    commit(repository)
    before = await hash_of(repository / "sub")
    (repository / "a").write_text("elsewhere\n")
    assert await hash_of(repository / "sub") == before
    (repository / "sub" / "y").write_text("y")
    assert await hash_of(repository / "sub") != before


async def test_an_ignored_folder_is_walked(repository: Path) -> None:
    workspace = repository / "ignored"
    workspace.mkdir()
    (workspace / "x").write_text("1")
    before = await hash_of(workspace)
    (workspace / "x").write_text("2")
    assert await hash_of(workspace) != before


async def test_a_repository_within_a_repository_counts_by_content(repository: Path) -> None:
    nested = repository / "nested"
    nested.mkdir()
    git("init", "-q", ".", cwd=nested)
    (nested / "x").write_text("1")
    commit(nested)
    before = await hash_of(repository)
    commit(nested, "nothing new")
    assert await hash_of(repository) == before
    (nested / "x").write_text("2")
    assert await hash_of(repository) != before


async def test_a_submodule_counts_by_content(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    git("init", "-q", ".", cwd=library)
    (library / "x").write_text("1")
    commit(library)
    git("submodule", "add", "-q", str(library), "sub", cwd=repository)
    commit(repository)
    before = await hash_of(repository)
    (repository / "sub" / "x").write_text("2")
    changed = await hash_of(repository)
    assert changed != before
    commit(repository / "sub")
    assert await hash_of(repository) == changed


async def test_a_repository_git_refuses_is_walked(repository: Path) -> None:
    before = await hash_of(repository)
    (repository / ".git" / "HEAD").unlink()
    assert await hash_of(repository) == before, "the same content, told by walking"


async def test_a_big_file_is_told_by_size_and_time(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_content, "BIG_FILE_BYTES", 10)
    big = tree / "big"
    big.write_text("x" * 100)
    before = await hash_of(tree)
    assert await hash_of(tree) == before
    os.utime(big, ns=(1, 1))
    assert await hash_of(tree) != before


async def test_a_tree_beyond_the_bound_cannot_be_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        (tree / f"new-{number}").touch()
    monkeypatch.setattr(tree_content, "FILES_MAX", 10)
    assert await SystemWorkspaces().tree_hash(str(tree)) is None


async def test_a_tree_too_slow_to_read_cannot_be_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "new").touch()
    monkeypatch.setattr(tree_content.Bounds, "seconds_left", 0.0)
    assert await SystemWorkspaces().tree_hash(str(tree)) is None


async def test_looking_changes_nothing(repository: Path) -> None:
    def seen() -> dict[str, bytes]:
        return {str(path): path.read_bytes() for path in repository.rglob("*") if path.is_file()}

    (repository / "a").write_text("dirty\n")
    (repository / "new").write_text("new\n")
    before = seen()
    await hash_of(repository)
    assert seen() == before


names = st.sampled_from(["a", "b", "d/a", "d/e/f", "z"])
trees = st.dictionaries(names, st.tuples(st.text(max_size=5), st.booleans()), max_size=4)


def lay_out(folder: Path, content: dict[str, tuple[str, bool]]) -> None:
    for entry in folder.iterdir():
        if entry.name != ".git":
            shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
    for name, (text, is_executable) in content.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, newline="")
        file.chmod(0o755 if is_executable else 0o644)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(committed=trees, working=trees)
async def test_hashes_are_equal_exactly_when_contents_are(
    tmp_path_factory: pytest.TempPathFactory,
    committed: dict[str, tuple[str, bool]],
    working: dict[str, tuple[str, bool]],
) -> None:
    folder = tmp_path_factory.mktemp("tree")
    git("init", "-q", ".", cwd=folder)
    lay_out(folder, committed)
    commit(folder)
    first = await hash_of(folder)
    lay_out(folder, working)
    assert (await hash_of(folder) == first) == (committed == working)
    commit(folder)
    assert (await hash_of(folder) == first) == (committed == working)


async def test_a_folder_means_all_in_it_and_links_are_told_as_links(tree: Path) -> None:
    (tree / "tests" / "deep").mkdir(parents=True)
    (tree / "tests" / "deep" / "test_a.py").write_text("a")
    (tree / "tests" / "__pycache__").mkdir()
    (tree / "tests" / "__pycache__" / "a.pyc").write_text("b")
    found = await SystemWorkspaces().file_hashes(str(tree), ["tests"])
    assert found is not None
    assert [*found] == ["tests/deep/test_a.py"]
    assert await SystemWorkspaces().file_hashes(str(tree), ["tests/**/*.py"]) == found
    (tree / "tests" / "deep" / "test_a.py").unlink()
    (tree / "tests" / "deep" / "test_a.py").symlink_to("/etc/hostname")
    linked = await SystemWorkspaces().file_hashes(str(tree), ["tests"])
    assert linked == {"tests/deep/test_a.py": "link /etc/hostname"}
    (tree / "tests" / "deep" / "test_a.py").unlink()
    assert await SystemWorkspaces().file_hashes(str(tree), ["tests"]) == {}


async def test_an_executable_bit_and_a_set_beyond_the_bound_count(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tree / "grade").write_text("x")
    before = await SystemWorkspaces().file_hashes(str(tree), ["grade"])
    (tree / "grade").chmod(0o755)
    assert await SystemWorkspaces().file_hashes(str(tree), ["grade"]) not in (None, before)
    monkeypatch.setattr("kazid.adapters.system.file_hashes.FILES_MAX", 0)
    assert await SystemWorkspaces().file_hashes(str(tree), ["grade"]) is None
