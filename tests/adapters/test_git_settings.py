"""What makes git run or rewrite something is found as git finds it, and each change of it is seen."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kazid.adapters.system import git_settings as module
from kazid.adapters.system.git_settings import git_settings
from kazid.adapters.system.tree_content import Bounds
from kazid.adapters.system.workspace import SystemWorkspaces


def git(*args: str, cwd: Path) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false")
    subprocess.run(("git", *identity, *args), cwd=cwd, check=True, capture_output=True)


def settings_of(folder: Path) -> dict[str, str]:
    return git_settings(str(folder), Bounds(seconds=10.0))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    (folder / "src").mkdir(parents=True)
    git("init", "-q", "-b", "main", ".", cwd=folder)
    git("commit", "-q", "--allow-empty", "-m", "first", cwd=folder)
    git("remote", "add", "origin", ".", cwd=folder)
    return folder


def _config(*args: str) -> Callable[[Path], None]:
    return lambda folder: git("config", *args, cwd=folder)


def _write(name: str, text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        path = folder / ".git" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    return write


def _append(text: str) -> Callable[[Path], None]:
    def append(folder: Path) -> None:
        with (folder / ".git" / "config").open("a") as file:
            file.write(text)

    return append


CHANGES = [
    pytest.param(_config("filter.x.clean", "sh -c evil"), {"config"}, id="a-filter"),
    pytest.param(_config("core.hooksPath", "mine"), {"config"}, id="another-hooks-folder"),
    pytest.param(_config("branch.main.pushRemote", "elsewhere"), {"config"}, id="an-unusual-key-of-a-branch"),
    pytest.param(_append('[branch "b"] fsmonitor = x\n'), {"config"}, id="a-key-beside-a-branch"),
    pytest.param(_append('[branch "b"]\n[core]\n\tfsmonitor = x\n'), {"config"}, id="a-section-after-a-branch"),
    pytest.param(_write("config.worktree", "[core]\n"), {"config.worktree"}, id="a-config-of-one-worktree"),
    pytest.param(_write("hooks/pre-commit", "#!/bin/sh\n"), {"hooks/pre-commit"}, id="a-hook"),
    pytest.param(_write("info/attributes", "* filter=x\n"), {"info/attributes"}, id="attributes"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "names"), CHANGES)
def test_each_change_is_seen_and_named(
    repository: Path, change: Callable[[Path], None], names: set[str]
) -> None:
    before = settings_of(repository)
    change(repository)
    after = settings_of(repository)
    assert {n for n in before | after if before.get(n) != after.get(n)} == names


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda f: git("commit", "-q", "--allow-empty", "-m", "more", cwd=f), id="a-commit"),
        pytest.param(lambda f: git("fetch", "-q", "origin", cwd=f), id="a-fetch"),
        pytest.param(lambda f: git("push", "-q", "-u", "origin", "main:other", cwd=f), id="a-tracked-push"),
        pytest.param(_write("hooks/pre-push.sample", "#!/bin/sh\n"), id="a-sample"),
    ],
)
def test_everyday_git_is_no_change(repository: Path, change: Callable[[Path], None]) -> None:
    git("fetch", "-q", "origin", cwd=repository)
    before = settings_of(repository)
    change(repository)
    assert settings_of(repository) == before


def test_a_folder_below_and_a_linked_worktree_have_those_of_the_repository(
    repository: Path, tmp_path: Path
) -> None:
    linked = tmp_path / "linked"
    git("worktree", "add", "-q", "--detach", str(linked), cwd=repository)
    below, beside = settings_of(repository / "src"), settings_of(linked)
    assert below == settings_of(repository)
    _config("core.fsmonitor", "x")(repository)
    _write("hooks/pre-commit", "#!/bin/sh\n")(repository)
    assert settings_of(repository / "src")["config"] != below["config"]
    assert settings_of(linked)["config"] != beside["config"]
    assert "hooks/pre-commit" in settings_of(linked)


def test_a_repository_put_before_the_one_that_was_there_is_a_change(repository: Path) -> None:
    before = settings_of(repository / "src")
    git("init", "-q", ".", cwd=repository / "src")
    assert settings_of(repository / "src")["folder"] != before["folder"]


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_what_cannot_be_read_cannot_be_told(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert await SystemWorkspaces().git_settings(str(repository))
    monkeypatch.setattr(module, "CONFIG_BYTES_MAX", 10)
    assert await SystemWorkspaces().git_settings(str(repository)) is None
