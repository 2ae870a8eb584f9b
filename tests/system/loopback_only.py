"""A goal from red to green by an agent with a model on loopback, in a network namespace that has nothing else.

Run by test_loopback_only.py under `unshare -n`, in a folder that is its argument. Prints how the goal ended, and what
the kernel counted in this namespace: packets for which there was no way are attempts to reach somebody else.
"""

import contextlib
import fcntl
import json
import os
import socket
import stat
import struct
import subprocess
import sys
from pathlib import Path

from tests.agents.fake_model import FakeModel
from tests.system.house import RealDaemon, eventually, write_goal

SIOCSIFFLAGS, UP_AND_RUNNING = 0x8914, 0x41

AGENT = """#!/usr/bin/env python3
import json, os, subprocess, sys, urllib.request
sys.stdin.read()
body = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}],
        "tools": [{"name": "Bash", "input_schema": {}}]}
request = urllib.request.Request(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", json.dumps(body).encode(),
                                 {"content-type": "application/json", "x-api-key": "dummy"})
answer = json.load(urllib.request.urlopen(request))
call = next(part for part in answer["content"] if part["type"] == "tool_use")
subprocess.run(call["input"]["command"], shell=True, check=True)
print(json.dumps({"type": "result", "is_error": False, "result": "done"}))
"""

GOAL = """
id = "local"
[scope]
workspace = "{base}/work"
[[predicate]]
id = "tests"
provider = "custom_script"
cmd = "python3"
args = ["test_calc.py"]
[harness]
id = "claude"
{harness}
[budget]
max_dispatches = 1
"""


def lo_up() -> None:
    """A fresh namespace has its loopback down."""
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh", b"lo", UP_AND_RUNNING))


def counted(name: str) -> int:
    """One of the kernel's counters of this namespace."""
    names, values = [
        line.split()[1:] for line in Path("/proc/net/snmp").read_text().splitlines() if line.startswith("Ip:")
    ]
    return int(dict(zip(names, values, strict=True))[name])


def main(base: Path, agent: str | None) -> None:
    """Everything, and one line of JSON."""
    lo_up()
    with contextlib.suppress(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=2)  # so that it is known to count
    tried = counted("OutNoRoutes")
    work = base / "work"
    work.mkdir()
    (work / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    (work / "test_calc.py").write_text("from calc import add\n\nassert add(1, 2) == 3\n")
    subprocess.run(["git", "init", "-q"], cwd=work, check=True)
    stub = base / "agent"
    stub.write_text(AGENT)
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    harness = f'command = "{stub}"' if agent is None else f'command = "{agent}"\nmodel = "claude-sonnet-4-5"'
    (base / "home").mkdir()
    with FakeModel({}) as model:
        environment = {
            "ANTHROPIC_BASE_URL": model.url("fix"),
            "ANTHROPIC_API_KEY": "dummy",
            "HOME": str(base / "home"),
            "PATH": os.environ["PATH"],
        }
        daemon = RealDaemon(base, environment=environment)
        daemon.start()
        try:
            daemon.apply(write_goal(base / "g", GOAL.format(base=base, harness=harness)), "--detach")
            goal = eventually(
                lambda: (g := daemon.json("status", "local"))["status"] not in ("observing", "acting") and g,
                within_s=180,
                what="the goal ends",
            )
        finally:
            daemon.end_everything()
    found = {
        "status": goal["status"],
        "reason": goal["reason"],
        "interfaces": [name for _, name in socket.if_nameindex()],
        "counts": tried,
        "tried": counted("OutNoRoutes") - tried,
        "delivered": counted("InDelivers"),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else None)
