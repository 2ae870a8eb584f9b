"""The git function: what a repository may not make it do, and that nothing git does raises."""

import os
import subprocess
import time
from pathlib import Path

import anyio
import pytest

from kazid.adapters.system.git import git
from kazid.shim.proctree import is_alive

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def setup_git(*args: str, cwd: Path) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org", "-c", "commit.gpgSign=false")
    subprocess.run(("git", *identity, *args), cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    setup_git("init", "-q", ".", cwd=tmp_path)
    (tmp_path / "a").write_text("a\n")
    setup_git("add", "-A", cwd=tmp_path)
    setup_git("commit", "-q", "-m", "first", cwd=tmp_path)
    return tmp_path


AUTHOR = {
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


async def test_it_says_what_git_said(repository: Path) -> None:
    result = await git(("ls-files", "-z"), cwd=str(repository))
    assert result.is_ok
    assert result.stdout == b"a\0"


async def test_a_failure_is_a_value_in_english(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    result = await git(("rev-parse", "no-such-ref"), cwd=str(repository))
    assert result.exit_code == 128
    assert "unknown revision" in result.stderr


async def test_hooks_do_not_run(repository: Path) -> None:
    hook = repository / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ntouch hooked\n")
    hook.chmod(0o755)
    await git(("commit", "-q", "--allow-empty", "-m", "second"), cwd=str(repository), env=AUTHOR)
    assert (await git(("log", "--format=%s"), cwd=str(repository))).stdout == b"second\nfirst\n"
    assert not (repository / "hooked").exists()


@pytest.mark.parametrize("key", ["core.fsmonitor", "diff.external", "core.pager", "core.askPass"])
async def test_no_program_of_the_config_runs(repository: Path, key: str) -> None:
    program = repository.parent / f"{repository.name}-evil"
    program.write_text(f"#!/bin/sh\ntouch {repository}/ran\n")
    program.chmod(0o755)
    setup_git("config", key, str(program), cwd=repository)
    (repository / "a").write_text("changed\n")
    for args in (("status",), ("diff",), ("log", "-p")):
        await git(args, cwd=str(repository))
    assert not (repository / "ran").exists()


async def test_the_ext_protocol_is_refused(repository: Path) -> None:
    result = await git(("ls-remote", f"ext::sh -c touch% {repository}/ran"), cwd=str(repository))
    assert result.exit_code == 128
    assert "not allowed" in result.stderr
    assert not (repository / "ran").exists()


async def test_variables_of_the_caller_do_not_leak_in(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nope")
    monkeypatch.setenv("GIT_INDEX_FILE", "/nope/index")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", "/nope/diff")
    assert (await git(("status", "--porcelain"), cwd=str(repository))).is_ok


async def test_a_status_takes_no_lock_and_writes_nothing(repository: Path) -> None:
    index = repository / ".git" / "index"
    before = index.read_bytes()
    os.utime(repository / "a", (1, 1))
    assert (await git(("status", "--porcelain"), cwd=str(repository))).stdout == b""
    assert index.read_bytes() == before


async def test_its_deadline_ends_git_and_what_git_started(repository: Path) -> None:
    ssh = repository.parent / f"{repository.name}-ssh"
    ssh.write_text('#!/bin/sh\necho $$ > "$PIDFILE"; sleep 300\n')
    ssh.chmod(0o755)
    pidfile = repository.parent / f"{repository.name}-pid"
    started = time.monotonic()
    result = await git(
        ("ls-remote", "ssh://host.invalid/x"),
        cwd=str(repository), deadline_s=0.5, env={"GIT_SSH_COMMAND": str(ssh), "PIDFILE": str(pidfile)},
    )  # fmt: skip
    assert result.exit_code is None
    assert result.reason == "no end within 0.5 s"
    assert time.monotonic() - started < 120
    assert not is_alive(int(pidfile.read_text()))


async def test_output_is_bounded_and_said_to_be(repository: Path) -> None:
    (repository / "big").write_bytes(b"x\n" * 500_000)
    setup_git("add", "big", cwd=repository)
    result = await git(("show", ":big"), cwd=str(repository), output_bytes_max=10_000)
    assert (result.exit_code, result.truncated, result.is_ok) == (0, True, False)
    assert len(result.stdout) <= 10_000


async def test_a_folder_that_is_not_there_is_a_value(tmp_path: Path) -> None:
    result = await git(("status",), cwd=str(tmp_path / "gone"))
    assert (result.exit_code, result.reason) == (None, f"no such folder: {tmp_path}/gone")


async def test_a_machine_without_git_is_a_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = await git(("status",), cwd=str(tmp_path))
    assert (result.exit_code, result.reason) == (None, "not found: git")


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a repository away")
async def test_a_repository_of_somebody_else_is_refused(repository: Path) -> None:
    for path in (repository, repository / ".git"):
        os.chown(path, 12345, 12345)
    result = await git(("status",), cwd=str(repository))
    assert result.exit_code == 128
    assert "dubious ownership" in result.stderr


async def test_stderr_is_redacted(repository: Path) -> None:
    result = await git(("ls-remote", "https://ada:correct-horse@host.invalid:1/x"), cwd=str(repository))
    assert result.exit_code != 0
    assert "correct-horse" not in result.stderr


async def test_cancelling_the_caller_ends_git(repository: Path) -> None:
    started = time.monotonic()
    with anyio.move_on_after(0.3):
        await git(
            ("ls-remote", "ssh://host.invalid/x"), cwd=str(repository),
            env={"GIT_SSH_COMMAND": "sh -c 'sleep 300'"},
        )  # fmt: skip
    assert time.monotonic() - started < 120
