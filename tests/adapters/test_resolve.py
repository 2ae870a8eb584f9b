"""One resolver for checks, remedies and agents: which file a `cmd` means."""

import errno
import os
from pathlib import Path

import pytest

from kazid.adapters.system.resolve import Refusal, Runnable, refusal_of, resolve


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, mode in (
        ("bin/tool", 0o755),
        ("other/tool", 0o755),
        ("denied/tool", 0o644),
        ("w/bin/tool", 0o755),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("#!/bin/sh\n")
        file.chmod(mode)
    return tmp_path


@pytest.mark.parametrize(
    ("cmd", "path", "expected"),
    [
        pytest.param("tool", "{0}/bin:{0}/other", "{0}/bin/tool", id="the-first-on-the-path"),
        pytest.param(
            "tool", "{0}/nope:{0}/other", "{0}/other/tool", id="a-folder-that-is-not-there-is-passed-over"
        ),
        pytest.param(
            "tool", "{0}/denied:{0}/other", "{0}/other/tool", id="what-may-not-be-executed-is-passed-over"
        ),
        pytest.param("tool", "::{0}/bin:", "{0}/bin/tool", id="empty-entries-mean-nothing"),
        pytest.param("tool", "bin", "{0}/w/bin/tool", id="a-relative-entry-is-the-workspaces"),
        pytest.param("bin/tool", "{0}/other", "{0}/w/bin/tool", id="a-path-is-one-in-the-workspace"),
        pytest.param("../other/tool", "", "{0}/w/../other/tool", id="or-beside-it"),
        pytest.param("{0}/other/tool", "", "{0}/other/tool", id="an-absolute-path-is-itself"),
    ],
)
def test_a_command_means(folder: Path, cmd: str, path: str, expected: str) -> None:
    found = resolve(cmd.format(folder), cwd=str(folder / "w"), path=path.format(folder))
    assert found == Runnable(expected.format(folder))


@pytest.mark.parametrize(
    ("cmd", "path", "reason"),
    [
        pytest.param("tool", "", "not found: tool", id="no-path"),
        pytest.param("tool", "{0}/denied", "permission denied: tool", id="found-but-not-executable"),
        pytest.param("w", "{0}", "not found: w", id="a-folder-on-the-path"),
        pytest.param("bin", "", "not found: bin", id="a-bare-name-is-never-the-workspaces"),
        pytest.param("", "{0}/bin", "not a command: ''", id="empty"),
        pytest.param("./bin/tool/x", "", "not found: ./bin/tool/x", id="a-file-as-folder"),
        pytest.param("x" * 5000, "{0}/bin", "not found: " + "x" * 5000, id="too-long-a-name"),
    ],
)
def test_what_cannot_be_run_says_why(folder: Path, cmd: str, path: str, reason: str) -> None:
    found = resolve(cmd, cwd=str(folder / "w"), path=path.format(folder))
    assert found == Refusal(code="cmd_unrunnable", reason=reason)


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOENT, "cmd_unrunnable"), (errno.EACCES, "cmd_unrunnable"), (errno.ENOEXEC, "cmd_unrunnable"),
        (errno.E2BIG, "cmd_unrunnable"), (errno.EMFILE, "transient"), (errno.EAGAIN, "transient"),
        (errno.ETXTBSY, "transient"), (errno.EIO, "transient"), (errno.ENOMEM, "transient"),
    ],
)  # fmt: skip
def test_what_the_kernel_says_at_the_start_is_permanent_or_passes(
    number: int, code: str, tmp_path: Path
) -> None:
    refused = refusal_of(OSError(number, os.strerror(number), "/x"), cmd="x", cwd=str(tmp_path))
    assert refused.code == code
    assert "x" in refused.reason
