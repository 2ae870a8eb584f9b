"""Record what this release decides: `python -m tests.compat.record` plays a story and keeps its journals.

test_recorded.py replays them with every later version. A release adds its own files and leaves the older ones alone.
"""

import os
import shutil
import stat
from pathlib import Path

from tests.system.house import RealDaemon, eventually, write_goal

FOLDER = Path(__file__).parent / "recorded"
BASE = Path("/tmp/kazi-recorded")  # in the journals, so the same on every machine
SEARCH_PATH = "/usr/local/bin:/usr/bin:/bin"

SERVICE = """
id = "service"
standing = true
[observe]
interval = "300ms"
recheck = "100ms"
[[predicate]]
id = "there"
provider = "custom_script"
live = true
cmd = "test"
args = ["-e", "there"]
[[remedy]]
cmd = "touch"
args = ["there"]
"""
TASK = """
id = "task"
[[predicate]]
id = "built"
provider = "custom_script"
cmd = "test"
args = ["-e", "built"]
[[predicate]]
id = "fixed"
provider = "custom_script"
cmd = "test"
args = ["-e", "fixed"]
[[remedy]]
for = ["built"]
cmd = "touch"
args = ["built"]
[harness]
id = "claude"
command = "AGENT"
[budget]
max_dispatches = 5
"""
HOPELESS = TASK.replace('id = "task"', 'id = "hopeless"').replace('"-e", "fixed"', '"-e", "never"')
AGENT = """#!/bin/sh
cat > /dev/null
touch fixed
echo '{"type":"result","is_error":false,"result":"done","usage":{"input_tokens":10,"output_tokens":5}}'
"""


def main() -> None:
    """The story, then one file for each goal."""
    shutil.rmtree(BASE, ignore_errors=True)
    BASE.mkdir()
    agent = BASE / "agent"
    agent.write_text(AGENT)
    agent.chmod(agent.stat().st_mode | stat.S_IXUSR)
    daemon = RealDaemon(BASE, environment={"PATH": SEARCH_PATH, "HOME": str(BASE)}).start()
    try:
        _play(daemon, agent)
        FOLDER.mkdir(exist_ok=True)
        version = daemon.json("info")["version"]
        for name in ("service", "task", "hopeless"):
            path = FOLDER / f"{version}-{name}.incident"
            path.unlink(missing_ok=True)
            daemon.json("export-incident", name, "--output", str(path))
            print(f"{path}: {path.stat().st_size} bytes")
    finally:
        daemon.stop()
        daemon.end_everything()
        shutil.rmtree(BASE, ignore_errors=True)


def _play(daemon: RealDaemon, agent: Path) -> None:
    service = write_goal(BASE / "service", SERVICE)
    task = write_goal(BASE / "task", TASK.replace("AGENT", str(agent)))
    hopeless = write_goal(BASE / "hopeless", HOPELESS.replace("AGENT", str(agent)))
    for goal_file in (service, task, hopeless):
        daemon.apply(goal_file, "--workspace", str(goal_file.parent), timeout_s=120)
    there = BASE / "service" / "there"
    there.unlink()
    eventually(there.exists, within_s=20, what="the drift is repaired")
    daemon.kill9()
    daemon.start()
    daemon.kazictl("suspend", "service", "--reason", "recording")
    daemon.kazictl("resume", "service", "--reason", "recording")
    daemon.kazictl("freeze", "--reason", "recording")
    there.unlink()
    daemon.kazictl("thaw")
    eventually(there.exists, within_s=20, what="the second drift is repaired")
    assert daemon.kazictl("wait", "service", "--for", "holding", "--timeout", "20s").returncode == 0


if __name__ == "__main__":
    os.umask(0o022)
    main()
