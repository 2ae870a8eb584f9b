"""What a process belongs to, told from real processes that try to look like somebody else's."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from kazid.adapters.system import ancestry
from kazid.adapters.system.ancestry import Ancestry
from kazid.ports.belonging import Belonging

ANCESTRY = Ancestry(check_prefix="abc123.", environ={})
SHIM = r"""
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
os.execvp("sh", ["sh", "-c", sys.argv[1] + "\nread line"])
"""
"""As the shim: a subreaper that stays while its tree lives."""
SAY = "echo $$; exec sleep 1000"


@contextmanager
def _tree(line: str, **environment: str) -> Iterator[int]:
    """Runs a shell line as an attempt's command; the pid that it prints."""
    with subprocess.Popen(
        [sys.executable, "-c", SHIM, line],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], **environment},
    ) as shim:
        assert shim.stdout is not None
        pid = int(shim.stdout.readline())
        try:
            yield pid
        finally:
            os.kill(pid, 9)
            shim.kill()


@pytest.mark.parametrize(
    ("line", "found"),
    [
        pytest.param(f"sh -c '{SAY}' &", ("a1",), id="child"),
        pytest.param(f"(setsid sh -c '{SAY}' &) &", ("a1", "a1"), id="double-fork-and-setsid"),
        pytest.param(f"env -i /bin/sh -c '{SAY}' &", ("a1",), id="cleared-environment"),
        pytest.param(f"(env -i /usr/bin/setsid /bin/sh -c '{SAY}' &) &", ("a1",), id="orphan-without-environment"),
        pytest.param(f"nohup sh -c '{SAY}' 2>&1 &", ("a1", "a1"), id="nohup"),
        pytest.param(f"KAZI_ATTEMPT=none sh -c '{SAY}' &", ("none", "a1"), id="forged"),
    ],
)  # fmt: skip
def test_what_an_attempt_started_belongs_to_it(line: str, found: tuple[str, ...]) -> None:
    with _tree(line, KAZI_ATTEMPT="a1") as pid:
        belonging = ANCESTRY.belonging_of(pid)
    assert set(belonging.attempts) == set(found)
    assert belonging.attempts[-1] == "a1", "the outermost mark is the shim's"
    assert belonging.is_clear


@pytest.mark.parametrize(
    ("mark", "is_check"),
    [("abc123.77.1", True), ("other1.77.1", False)],
    ids=["of-this-daemon", "of-another-one"],
)
def test_what_a_check_started_belongs_to_the_check(mark: str, is_check: bool) -> None:
    with _tree(f"env -i sh -c '{SAY}' &", KAZI_CHECK=mark) as pid:
        assert ANCESTRY.belonging_of(pid) == Belonging(is_check=is_check)


def test_an_attempt_does_not_become_the_daemon_that_judges_it(tmp_path: Path) -> None:
    ask = (
        "import sys, pathlib; from kazid.adapters.system.ancestry import refuse_attempts; "
        "refuse_attempts(pathlib.Path(sys.argv[1]))"
    )
    (tmp_path / "attempts" / "goal" / "a1").mkdir(parents=True)
    for mark, code in (("a1", 1), ("of-another-daemon", 0)):
        asked = [
            "env",
            f"KAZI_ATTEMPT={mark}",
            "sh",
            "-c",
            '"$@"; exit $?',
            "sh",
            "env",
            "-u",
            "KAZI_ATTEMPT",
        ]
        run = subprocess.run([*asked, sys.executable, "-c", ask, tmp_path], capture_output=True, check=False)
        assert run.returncode == code, run.stderr
        assert (b"session of your own" in run.stderr) is bool(code)


def test_a_person_belongs_to_nothing() -> None:
    with _tree(f"sh -c '{SAY}' &") as pid:
        assert ANCESTRY.belonging_of(pid) == Belonging()
    assert ANCESTRY.belonging_of(os.getpid()) == Belonging()
    assert ANCESTRY.belonging_of(0) == Belonging()


def test_a_process_that_is_gone_is_nobodys_owner() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    assert not ANCESTRY.belonging_of(child.pid).is_clear


def test_who_hides_behind_many_ancestors_is_nobodys_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ancestry, "DEPTH_MAX", 3)
    nested = "exec sleep 1000"
    line = f'sh -c \'env -i sh -c "sh -c \\"echo \\\\$\\\\$; {nested}\\"; true"; true\' &'
    with _tree(line, KAZI_ATTEMPT="a1") as pid:
        assert not ANCESTRY.belonging_of(pid).is_clear


def test_a_parent_that_ends_during_the_walk_hides_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ancestry.proctree.parent
    looks = 0

    def parent(pid: int) -> int | None:
        nonlocal looks
        looks += 1
        return None if looks == 2 else real(pid)

    with _tree(f"env -i sh -c '{SAY}' &", KAZI_ATTEMPT="a1") as pid:
        monkeypatch.setattr(ancestry.proctree, "parent", parent)
        assert ANCESTRY.belonging_of(pid).attempts == ("a1",)


def test_whoever_lives_in_the_daemons_own_unit_is_not_its_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    unit = "/system.slice/kazid.service"
    groups = {os.getpid(): unit}
    monkeypatch.setattr(ancestry, "_control_group", lambda pid: groups.get(pid, unit))
    ours = Ancestry(check_prefix="abc123.", environ={"SYSTEMD_EXEC_PID": str(os.getpid())})
    shared = Ancestry(check_prefix="abc123.", environ={"SYSTEMD_EXEC_PID": "1"})
    with _tree(f"sh -c '{SAY}' &") as pid:
        assert not ours.belonging_of(pid).is_clear
        assert shared.belonging_of(pid).is_clear, "a daemon that a person started shares the person's group"
        groups[pid] = "/user.slice/session-1.scope"
        assert ours.belonging_of(pid).is_clear
    assert Path(f"/proc/{os.getpid()}/cgroup").exists()
