"""Finding the daemon, and the rules of starting one (SEMANTICS §8). Nothing real starts here."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kazictl import discover, incoming
from kazictl.discover import MAY, MAY_AS_ROOT, MUST_NOT, find_daemon
from kazictl.failure import Failure
from kazictl.verbs import VERBS
from kazid.wire import exit_codes, paths
from tests.kazictl.fake_daemon import FakeDaemon


class _Machine:
    """One machine with a user socket and a system socket, none of them live yet."""

    def __init__(self, folder: Path) -> None:
        (folder / "run" / "kazi").mkdir(parents=True)
        self.user = FakeDaemon(str(folder / "run" / "kazi" / "kazid.sock"))
        self.system = FakeDaemon(str(folder / "system.sock"))
        self.unit = folder / "kazid.socket"
        self.log = folder / "state" / "kazi" / "kazid.log"
        self.launched: list[str] = []
        self.notes: list[str] = []

    def find(
        self,
        named: str | None = None,
        *,
        starts_daemon: bool = True,
        starting: str = MAY,
        launch: Callable[[str], None] | None = None,
    ) -> str:
        client = find_daemon(
            named,
            starts_daemon=starts_daemon,
            starting=starting,
            note=self.notes.append,
            launch=launch or self.launch,
        )
        client.close()
        return client.path

    def launch(self, log: str) -> None:
        self.launched.append(log)
        self.user.start()

    def refusal(self, *arguments: str, **options: object) -> Failure:
        with pytest.raises(Failure) as caught:
            self.find(*arguments, **options)  # type: ignore[arg-type]
        assert self.launched == []
        return caught.value


@pytest.fixture
def machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Machine]:
    built = _Machine(folder)
    for name in ("KAZI_SOCKET", "KAZI_STATE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder / "run"))
    monkeypatch.setenv("XDG_STATE_HOME", str(folder / "state"))
    monkeypatch.setattr(paths, "SYSTEM_SOCKET", built.system.path)
    monkeypatch.setattr(paths, "SYSTEM_SOCKET_UNITS", (str(built.unit),))
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(discover, "START_WAIT_S", 0.3)
    yield built
    for fake in (built.user, built.system):
        fake.stop()


def test_the_order_is_option_variable_user_system(
    machine: _Machine, daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.system.start()
    assert machine.find() == machine.system.path
    machine.user.start()
    assert machine.find() == machine.user.path
    monkeypatch.setenv("KAZI_SOCKET", daemon.path)
    assert machine.find() == daemon.path
    assert machine.find(machine.system.path) == machine.system.path


def test_a_dead_user_socket_does_not_hide_the_system_daemon(machine: _Machine) -> None:
    Path(machine.user.path).touch()
    machine.system.start()
    assert machine.find() == machine.system.path
    os.unlink(machine.user.path)


def test_a_daemon_is_started_where_none_listens_and_that_is_said(machine: _Machine) -> None:
    assert machine.find() == machine.user.path
    assert machine.launched == [str(machine.log)]
    assert machine.notes == [f"kazictl: no daemon is running; starting kazid (its log: {machine.log})"]


def test_only_the_verbs_that_need_one_start_one() -> None:
    assert {verb.name for verb in VERBS if verb.starts_daemon} == {"apply", "lint", "schema", "try", "watch"}


def test_other_verbs_start_none_and_give_the_command(machine: _Machine) -> None:
    failure = machine.refusal(starts_daemon=False)
    assert failure.exit_code == exit_codes.NO_DAEMON
    assert failure.hint == "start one with: kazid"


def test_none_is_started_with_no_start(machine: _Machine) -> None:
    assert machine.refusal(starting=MUST_NOT).exit_code == exit_codes.NO_DAEMON


def test_none_is_started_where_a_socket_was_named(machine: _Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    failure = machine.refusal("/nowhere/s")
    assert failure.exit_code == exit_codes.NO_DAEMON
    assert "--socket" in failure.message
    assert failure.hint == "start one with: kazid --socket /nowhere/s"
    monkeypatch.setenv("KAZI_SOCKET", "/nowhere/t")
    failure = machine.refusal(starting=MAY_AS_ROOT)
    assert "KAZI_SOCKET" in failure.message
    assert failure.hint == "start one with: kazid --socket /nowhere/t"


def test_none_is_started_where_a_system_socket_unit_is_installed(machine: _Machine) -> None:
    machine.unit.touch()
    failure = machine.refusal(starting=MAY_AS_ROOT)
    assert failure.exit_code == exit_codes.NO_DAEMON
    assert failure.hint == "start one with: systemctl start kazid.socket"


def test_none_is_started_as_root_unless_allowed(machine: _Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    failure = machine.refusal()
    assert failure.exit_code == exit_codes.NO_DAEMON
    assert "--start" in failure.hint
    assert machine.find(starting=MAY_AS_ROOT) == machine.user.path


def test_two_starters_both_get_the_one_daemon(machine: _Machine) -> None:
    started = threading.Lock()

    def launch(_: str) -> None:
        if started.acquire(blocking=False):
            threading.Timer(0.1, machine.user.start).start()

    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(machine.find(launch=launch))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [machine.user.path] * 2


def test_a_daemon_that_does_not_come_up_is_quoted(machine: _Machine) -> None:
    def launch(log: str) -> None:
        Path(log).parent.mkdir(parents=True)
        Path(log).write_text("first\nkazid: the database is newer than this kazid\n\n")

    with pytest.raises(Failure) as caught:
        machine.find(launch=launch)
    assert caught.value.exit_code == exit_codes.NO_DAEMON
    assert caught.value.detail == "its last words: kazid: the database is newer than this kazid"
    assert str(machine.log) in caught.value.hint


def test_a_socket_path_that_is_too_long_is_one_clear_line(machine: _Machine) -> None:
    failure = machine.refusal("/" + "x" * 200)
    assert failure.exit_code == exit_codes.USAGE
    assert "longer than 107 bytes" in failure.message


def test_a_too_long_user_socket_does_not_hide_the_system_daemon(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/" + "x" * 200)
    failure = machine.refusal()
    assert failure.exit_code == exit_codes.NO_DAEMON
    assert "too long" in failure.message
    machine.system.start()
    assert machine.find() == machine.system.path


@pytest.fixture
def a_kazid() -> Iterator[subprocess.Popen[bytes]]:
    """A process that is called kazid and listens nowhere."""
    program = "print(flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", program, "kazid"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.readline()  # a program has its command line some moments after it has its process
    yield process
    process.kill()
    process.communicate()


def test_a_daemon_between_two_processes_is_waited_for(
    machine: _Machine, a_kazid: "subprocess.Popen[bytes]", monkeypatch: pytest.MonkeyPatch
) -> None:
    Path(f"{machine.user.path}.lock").write_text(f"{a_kazid.pid}\n")
    monkeypatch.setattr(incoming.time, "sleep", lambda _: machine.user.start())
    assert machine.find(starts_daemon=False) == machine.user.path
    assert machine.find(machine.user.path) == machine.user.path


@pytest.mark.parametrize(
    "holder",
    [
        pytest.param("", id="nobody"),
        pytest.param("what", id="garbage"),
        pytest.param(str(2**22 + 1), id="gone"),
    ],
)
def test_nobody_waits_for_a_daemon_that_is_gone(
    machine: _Machine, monkeypatch: pytest.MonkeyPatch, holder: str
) -> None:
    def no_sleep(_: float) -> None:
        raise AssertionError("waited")

    Path(f"{machine.user.path}.lock").write_text(holder)
    monkeypatch.setattr(incoming.time, "sleep", no_sleep)
    assert machine.refusal(machine.user.path).exit_code == exit_codes.NO_DAEMON


def test_the_started_process_is_detached_and_is_the_installed_kazid(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interpreter = folder / "python"
    interpreter.write_text(
        f"#!{sys.executable}\n"
        "import os, sys\n"
        "told = (sys.argv[1:], os.getcwd(), os.getsid(0) == os.getpid(), os.isatty(0), os.listdir('/proc/self/fd'))\n"
        "print(*told[:4], [fd for fd in told[4] if int(fd) > 3], file=sys.stderr, flush=True)\n"
    )
    interpreter.chmod(0o700)
    monkeypatch.setattr(sys, "executable", str(interpreter))
    inherited = os.open(folder, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    log = folder / "state" / "kazi" / "kazid.log"
    discover.launch_daemon(str(log))
    os.close(inherited)
    deadline_s = time.monotonic() + 10
    while not (log.exists() and log.read_text()) and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert log.read_text() == "['-P', '-m', 'kazid'] / True False []\n"
    assert log.stat().st_mode & 0o777 == 0o600
    assert log.parent.stat().st_mode & 0o777 == 0o700


def test_a_long_log_is_set_aside(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/true")
    monkeypatch.setattr(discover, "LOG_BYTES_MAX", 3)
    log = folder / "kazid.log"
    for content in ("old", "long"):
        log.write_text(content)
        discover.launch_daemon(str(log))
    assert log.read_text() == ""
    assert (folder / "kazid.log.1").read_text() == "long"


def test_a_log_that_cannot_be_written_is_no_daemon(folder: Path) -> None:
    (folder / "state").touch()
    with pytest.raises(Failure) as caught:
        discover.launch_daemon(str(folder / "state" / "kazid.log"))
    assert caught.value.exit_code == exit_codes.NO_DAEMON
