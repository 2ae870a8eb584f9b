"""An attempt outlives its daemon by a grace, and a daemon that comes back takes it over."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.shim.shims import Shims

GRACE_S = 0.4


@pytest.fixture
def daemon(shims: Shims) -> Iterator[subprocess.Popen[bytes]]:
    """A process that stands for the daemon."""
    with subprocess.Popen(["sleep", "60"]) as process:
        shims.be_daemon(process.pid)
        yield process
        process.kill()


def end(daemon: subprocess.Popen[bytes]) -> None:
    daemon.kill()
    daemon.wait()


def test_an_attempt_whose_daemon_is_gone_ends_after_the_grace(
    shims: Shims, daemon: subprocess.Popen[bytes]
) -> None:
    shim = shims.shell("echo ready; sleep 60", orphan_grace_s=GRACE_S)
    shim.until_printed(b"ready")
    end(daemon)
    result = shim.result()
    assert (result["ended"], result["survivors"]) == ("orphaned", [])
    assert result["duration_s"] >= GRACE_S
    assert [pid for pid in shim.marked() if pid != shim.pid] == []


def test_an_attempt_whose_daemon_lives_goes_on(shims: Shims, daemon: subprocess.Popen[bytes]) -> None:
    shim = shims.shell(f"sleep {3 * GRACE_S}", orphan_grace_s=GRACE_S)
    assert shim.result()["ended"] == "exited"
    assert daemon.poll() is None


def test_a_new_daemon_that_says_so_takes_the_attempt_over(
    shims: Shims, daemon: subprocess.Popen[bytes]
) -> None:
    shim = shims.shell("echo ready; sleep 2.5", orphan_grace_s=1.5)
    shim.until_printed(b"ready")
    with subprocess.Popen(["sleep", "60"]) as another:
        end(daemon)
        shims.be_daemon(another.pid)
        assert shim.result()["ended"] == "exited"
        another.kill()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"pid": 1}', '{"pid": "x", "start_time": 1, "boot_id": ""}']
)
def test_a_daemon_file_that_says_nothing_is_no_daemon(shims: Shims, content: str) -> None:
    shims.daemon_file.write_text(content)
    shim = shims.shell("sleep 60", orphan_grace_s=0.1)
    assert shim.result()["ended"] == "orphaned"


def test_a_pid_given_to_somebody_else_is_no_daemon(shims: Shims, daemon: subprocess.Popen[bytes]) -> None:
    started = shims.daemon_file.read_text()
    shims.daemon_file.write_text(started.replace('"start_time": ', '"start_time": 9'))
    shim = shims.shell("sleep 60", orphan_grace_s=0.1)
    assert shim.result()["ended"] == "orphaned"


def test_a_product_is_nobodys_orphan(shims: Shims, daemon: subprocess.Popen[bytes]) -> None:
    shim = shims.shell("(sleep 0.8; echo product) & exit 0", keep_on_success=True, orphan_grace_s=0.1)
    shim.result()
    end(daemon)
    shim.until_printed(b"product")
