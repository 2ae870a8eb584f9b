"""An agent that prints its canary and a key in twelve disguises: no file, reply, log or notification has them."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

KEY = "sk-live/Hunter2+Battery=Staple99"
AGENT = r"""
import base64, codecs, json, os, sys, time, urllib.parse

def forms(s):
    b = s.encode()
    return [
        s, base64.b64encode(b).decode(), base64.b64encode(b"ada:" + b).decode(),
        base64.urlsafe_b64encode(b"xy" + b).decode(), base64.b64encode(base64.b64encode(b)).decode(),
        base64.b32encode(b).decode(), urllib.parse.quote(s, safe=""), "".join("%%%02X" % c for c in b), b.hex(),
        "".join("\\x%02x" % c for c in b), s[::-1], codecs.encode(s, "rot13"), s.upper(), " ".join(s),
    ]

sys.stdin.read()
secrets = [os.environ["KAZI_CANARY_TOKEN"], os.environ["ANTHROPIC_API_KEY"]]
found = [form for secret in secrets for form in forms(secret)]
with open(SIDE, "a") as side:
    side.write("".join(json.dumps(form) + "\n" for form in found))
with open("leak.txt", "w") as leak:  # a check prints it
    leak.write("".join(f"line {form} end\n" for form in forms(secrets[0])))
for form in found:
    print("out", form, flush=True)
    print(json.dumps({"type": "assistant", "message": {"content": [{"type": "text", "text": form}]}}), flush=True)
    print("err", form, file=sys.stderr, flush=True)
    middle = len(form) // 2
    os.write(1, ("split " + form[:middle]).encode())
    time.sleep(0.02)
    os.write(1, (form[middle:] + " end\n").encode())
end = {"type": "result", "subtype": "success", "is_error": False, "result": " ".join(found), "session_id": "s"}
print(json.dumps(end))
"""
GOAL = """
id = "leaky"
[scope]
workspace = "WORKSPACE"
[harness]
id = "claude"
command = "AGENT"
[budget]
max_dispatches = 1
[[predicate]]
id = "prints"
provider = "custom_script"
cmd = "sh"
args = ["-c", "cat leak.txt; false"]
"""


@pytest.fixture
def house(base: Path) -> Iterator[RealDaemon]:
    settings = base / "xdg-config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    told = base / "told.json"
    settings.write_text(
        f'[[notify]]\nname = "ops"\nkind = "command"\ngroup = "1s"\ncommand = ["sh", "-c", "cat >> {told}"]\n'
    )
    environment = {"XDG_CONFIG_HOME": str(base / "xdg-config"), "ANTHROPIC_API_KEY": KEY}
    daemon = RealDaemon(base, environment=environment)
    daemon.start()
    yield daemon
    daemon.end_everything()


def test_no_sink_holds_a_canary_or_a_key_in_any_of_its_disguises(house: RealDaemon, base: Path) -> None:
    workspace = base / "w"
    workspace.mkdir()
    subprocess.run(["git", "init", "-q", workspace], check=True)
    side = base / "side.txt"
    (base / "agent.py").write_text(AGENT.replace("SIDE", repr(str(side)), 1))
    agent = base / "agent"
    agent.write_text(f"#!/bin/sh\nexec {sys.executable} {base}/agent.py\n")
    agent.chmod(0o755)
    goal = write_goal(base / "g", GOAL.replace("WORKSPACE", str(workspace)).replace("AGENT", str(agent)))
    house.kazictl("apply", str(goal), "--detach")
    told = base / "told.json"
    eventually(told.exists, within_s=120, what=f"somebody is told; {house.log_tail()}")
    forms = {json.loads(line) for line in side.read_text().splitlines()}
    assert len(forms) >= 24, "the agent ran, and tried"
    replies = [
        house.kazictl(*verb).stdout
        for verb in (
            ("status", "leaky", "--json"), ("explain", "leaky", "--json"), ("bundle", "leaky"), ("prompt", "leaky"),
            ("logs", "leaky"), ("events", "--json"), ("audit", "show", "leaky"), ("list", "--json"),
            ("report", "--json"),
        )
    ]  # fmt: skip
    assert all(replies), "each had something to say"
    assert "[redacted:" in "".join(replies)
    sinks = {
        "replies": "\n".join(replies).encode(),
        "notification": told.read_bytes(),
        "log": house.log.read_bytes(),
    }
    house.stop()
    trees = (
        house.state_dir / "worktrees"
    )  # what an agent writes there is its work, and no sink of the daemon's
    files = (p for p in house.state_dir.rglob("*") if p.is_file() and not p.is_relative_to(trees))
    sinks |= {str(p): p.read_bytes() for p in files}
    found = [(name, form) for name, data in sinks.items() for form in forms if form.encode() in data]
    found += [
        (name, form)
        for name, data in sinks.items()
        for form in forms
        if json.dumps(form)[1:-1].encode() in data
    ]
    assert found == []
    assert b"canary.escaped" not in sinks["log"]
