"""The suite of `kazictl harness check`, on stand-ins that do what real agents do, and what they must not."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

HEAD = """#!/usr/bin/env python3
import json, os, subprocess, sys, time, urllib.error, urllib.request
if "--version" in sys.argv:
    print("9.9 (Stand-in)")
    sys.exit(0)
def end(**fields):
    print(json.dumps({"type": "result", **fields}))
    sys.exit(1)
"""
HONEST = """
sys.stdin.read()
if not os.environ.get("ANTHROPIC_API_KEY"):
    end(is_error=True, result="Not logged in \u00b7 Please run /login")
try:
    urllib.request.urlopen(os.environ["ANTHROPIC_BASE_URL"] + "/v1/messages", data=b"{}")
except urllib.error.HTTPError as error:
    end(is_error=True, api_error_status=error.code, result=f"API Error: {error.code}")
"""
LIAR = """
end(is_error=False, result="done")
"""
DAEMONISER = """
subprocess.Popen(["sleep", "98761"], start_new_session=True)
end(is_error=False, result="done")
"""


def outcomes(tmp_path: Path, body: str) -> tuple[int, dict[str, tuple[str, str]]]:
    program = tmp_path / "claude"
    program.write_text(HEAD + body)
    program.chmod(0o755)
    run = subprocess.run(
        [sys.executable, "-m", "kazid.harness_check", "--command", str(program), "claude"],
        capture_output=True,
        timeout=300,
        check=False,
    )
    checks = json.loads(run.stdout)["checks"]
    return run.returncode, {c["name"]: (c["outcome"], c["detail"]) for c in checks}


def test_an_agent_that_says_what_happens_is_fit(tmp_path: Path) -> None:
    code, found = outcomes(tmp_path, HONEST)
    assert code == 0
    assert {name: outcome for name, (outcome, _) in found.items()} == dict.fromkeys(found, "ok"), found
    assert found["no credential"][1].startswith("says so, auth")
    assert found["model answers 429"][1].startswith("says so, quota")
    assert "every process gone" in found["kill leaves nothing"][1]


@pytest.mark.parametrize("body", [LIAR, DAEMONISER], ids=["liar", "daemoniser"])
def test_an_agent_that_claims_success_whatever_happens_is_warned_of(tmp_path: Path, body: str) -> None:
    code, found = outcomes(tmp_path, body)
    assert code == 0, "kazid believes no result, and ends what is left behind"
    assert found["model answers 401"][0] == "warn"
    assert "says a result, and no error" in found["model answers 401"][1]
    left = subprocess.run(["pgrep", "-f", "^sleep 98761$"], capture_output=True, check=False)
    assert left.stdout == b""


def test_what_is_not_there_is_said_at_once() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "kazid.harness_check", "--command", "no-such-agent", "claude"],
        capture_output=True,
        timeout=60,
        check=False,
    )
    (check,) = json.loads(run.stdout)["checks"]
    assert (run.returncode, check["name"], check["outcome"]) == (1, "installed", "fail")
