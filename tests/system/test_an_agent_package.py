"""docs/add-a-harness.md, way 3, done: its package is built, installed and sent, exactly as it stands there."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import ROOT, RealDaemon
from tests.system.test_a_plugin import BLOCK, install

DOCUMENT = ROOT / "docs" / "add-a-harness.md"
AGENT = """#!/bin/sh
test -n "$(cat)" && echo 42 >ANSWER
echo "$*" >"$(dirname "$0")/arguments"
echo "warming up"
echo '{"type": "end", "text": "answered", "usage": {"in": 12, "out": 3}}'
echo '{"torn": '
"""


@pytest.fixture
def package(base: Path) -> Path:
    folder = base / "ours"
    folder.mkdir()
    for name, text in BLOCK.findall(DOCUMENT.read_text()):
        (folder / name).write_text(text)
    install(folder, base / "site")
    subprocess.run(["git", "init", "-q", folder], check=True, capture_output=True)
    return folder


@pytest.fixture
def daemon(base: Path, package: Path) -> Iterator[RealDaemon]:
    tools = base / "tools"
    tools.mkdir()
    (tools / "our-agent").write_text(AGENT)
    (tools / "our-agent").chmod(0o755)
    daemon = RealDaemon(base, environment={"PYTHONPATH": str(base / "site")})
    daemon.environment["PATH"] = f"{tools}:{daemon.environment['PATH']}"
    yield daemon.start()
    daemon.end_everything()


def test_an_agent_of_a_package_is_sent_and_read_like_any_other(
    daemon: RealDaemon, base: Path, package: Path
) -> None:
    listed = {each["id"]: each for each in daemon.json("harness", "list")["harnesses"]}
    assert (listed["ours"]["tier"], listed["ours"]["credentials"]) == ("partial", ["OUR_TOKEN"])
    document = daemon.apply(package / "answer.goal.toml")
    assert (document["status"], document["dispatches"], document["budget_spent"]["tokens"]) == (
        "converged",
        1,
        15,
    )
    assert (package / "ANSWER").read_text() == "42\n"
    assert (base / "tools" / "arguments").read_text() == "run --json\n"
