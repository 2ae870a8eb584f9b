"""A killed daemon leaves clones and trials behind; the next one on the same state removes them."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import BIN, RealDaemon, eventually, write_goal

GOAL = """
id = "newcomer"
[scope]
workspace = "."
[[predicate]]
id = "readme"
provider = "fresh_clone"
commands = ["mkdir -p cache/deep && touch cache/deep/file && chmod 500 cache/deep && sleep 300"]
timeout_ms = 200000
"""
HANGS = """
id = "hangs"
[scope]
workspace = "."
[[predicate]]
id = "reads"
provider = "custom_script"
cmd = "tail"
args = ["--follow=name", "--retry", "x"]
"""


@pytest.fixture
def daemon(base: Path) -> Iterator[RealDaemon]:
    (base / "tmp").mkdir()
    daemon = RealDaemon(base, environment={"TMPDIR": str(base / "tmp")})
    daemon.start()
    yield daemon
    daemon.end_everything()


def names(folder: Path, pattern: str) -> list[str]:
    return sorted(str(each.relative_to(folder)) for each in folder.glob(pattern))


def test_clones_and_trials_of_a_killed_daemon_are_removed_by_the_next(daemon: RealDaemon, base: Path) -> None:
    scratch, work = base / "tmp", base / "work"
    goal, hangs = write_goal(work, GOAL), write_goal(base / "other", HANGS)
    for args in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "first")):
        subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@t", *args], cwd=work, check=True)
    asked = [
        subprocess.Popen(
            [BIN / "kazictl", verb, file, "--socket", daemon.socket],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=daemon.environment,
        )
        for verb, file in (("try", goal), ("lint", hangs))
    ]
    try:
        eventually(
            lambda: (
                names(scratch, "kazi-*/*/clone/cache/deep/file") and names(scratch, "kazi-*/kazi-trial-*")
            ),
            within_s=60,
            what=f"a clone and a trial are under way: {names(scratch, '*/*')}",
        )
        (folder,) = scratch.glob("kazi-*")
        assert folder.stat().st_mode & 0o7777 == 0o700
        daemon.kill9()
        assert names(folder, "*"), "kill -9 leaves them"
        daemon.start()
        eventually(lambda: not folder.exists(), within_s=60, what=f"gone: {names(scratch, '*/*')}")
        answer = daemon.json("lint", str(hangs), "--no-run")
        assert json.dumps(answer)
        assert daemon.stop() == 0
        assert names(scratch, "kazi-*") == [], "a clean end leaves nothing either"
    finally:
        for client in asked:
            client.kill()
            client.wait()
