"""A team's repository, its remote, a service deployed from it by script, and goals that land and deploy there."""

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.system.house import ROOT, free_port

SERVER = """
import http.server, json, pathlib, sys
ROOT = pathlib.Path(sys.argv[2])
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        sys.path.insert(0, str(ROOT))
        import app
        if self.path == "/version":
            said = 200, json.dumps({"commit": (ROOT / "VERSION").read_text()})
        else:
            said = app.answer(self.path)
        self.send_response(said[0]); self.end_headers(); self.wfile.write(said[1].encode())
    def log_message(self, *args): pass
http.server.HTTPServer.allow_reuse_address = True
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
"""
DEPLOY = """#!/bin/sh
# Copies the checkout it is run in to where it serves, and starts it anew.
set -eu
root="$SERVED/$KAZI_DEPLOY_COMMIT"
mkdir -p "$root"
cp app.py "$root/app.py"
printf %s "$KAZI_DEPLOY_COMMIT" > "$root/VERSION"
sh stop.sh
readlink "$SERVED/now" > "$SERVED/before" || true
ln -sfn "$root" "$SERVED/now"
setsid "$PYTHON" "$SERVED/server.py" "$PORT" "$root" < /dev/null > /dev/null 2>&1 &
echo $! > "$SERVED/pid"
"""
STOP = """#!/bin/sh
if test -s "$SERVED/pid"; then kill "$(cat "$SERVED/pid")" 2> /dev/null || true; fi
"""
ROLLBACK = """#!/bin/sh
set -eu
sh stop.sh
root="$(cat "$SERVED/before")"
ln -sfn "$root" "$SERVED/now"
setsid "$PYTHON" "$SERVED/server.py" "$PORT" "$root" < /dev/null > /dev/null 2>&1 &
echo $! > "$SERVED/pid"
"""
APP = 'def answer(path):\n    if path == "/health":\n        return 200, "fine"\n    return 404, "nothing here"\n'
FIXED = (
    'def answer(path):\n    if path == "/health":\n        return 200, "fine"\n'
    '    if path == "/greet":\n        return 200, "hello"\n    return 404, "nothing here"\n'
)
BROKEN = FIXED.replace('200, "fine"', '500, "on fire"')
TEST = 'from app import answer\n\nassert answer("/greet") == (200, "hello")\nprint("1 passed")\n'


class Team:
    """A bare remote, a clone that somebody works in, and a place to serve from."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.bare = base / "remote.git"
        self.work = base / "work"
        self.served = base / "served"
        self.port = free_port()
        self.served.mkdir()
        (self.served / "server.py").write_text(SERVER)
        git(base, "init", "--quiet", "--bare", "--initial-branch=main", str(self.bare))
        git(base, "clone", "--quiet", str(self.bare), str(self.work))
        git(self.work, "checkout", "--quiet", "-B", "main")
        self.write({"app.py": APP, "test_app.py": TEST, "deploy.sh": DEPLOY, "stop.sh": STOP})
        self.write({"rollback.sh": ROLLBACK, ".gitignore": "__pycache__/\n"})
        git(self.work, "add", "--all")
        git(self.work, "commit", "--quiet", "-m", "begin")
        git(self.work, "push", "--quiet", "origin", "main")
        git(self.work, "remote", "set-head", "origin", "main")

    def write(self, files: dict[str, str], *, where: Path | None = None) -> None:
        for name, text in files.items():
            (where or self.work).joinpath(name).write_text(text)

    def somebody_pushes(self, name: str = "other.txt", text: str = "theirs\n") -> str:
        """A commit of somebody else's on the remote's main."""
        other = self.base / "other"
        if not other.exists():
            git(self.base, "clone", "--quiet", str(self.bare), str(other))
        git(other, "pull", "--quiet", "--rebase", "origin", "main")
        self.write({name: text}, where=other)
        git(other, "add", "--all")
        git(other, "commit", "--quiet", "-m", f"theirs: {name}")
        git(other, "push", "--quiet", "origin", "HEAD:main")
        return git(other, "rev-parse", "HEAD")

    def deploy_now(self) -> str:
        """What serves before anything is fixed."""
        commit = git(self.work, "rev-parse", "HEAD")
        environment = {**os.environ, **self.variables, "KAZI_DEPLOY_COMMIT": commit}
        subprocess.run(["sh", "deploy.sh"], cwd=self.work, env=environment, check=True)
        return commit

    @property
    def variables(self) -> dict[str, str]:
        return {"SERVED": str(self.served), "PORT": str(self.port), "PYTHON": sys.executable}

    def get(self, path: str) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=2) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def remote(self, branch: str = "main") -> str:
        return git(self.bare, "rev-parse", f"refs/heads/{branch}")

    def goal(self, text: str, *, goal_id: str = "greet") -> Path:
        path = self.base / f"{goal_id}.toml"
        path.write_text(f'id = "{goal_id}"\n{text}')
        return path

    def close(self) -> None:
        pid = self.served / "pid"
        if pid.exists():
            try:
                os.kill(int(pid.read_text()), signal.SIGKILL)
            except ProcessLookupError:
                pass

    def code(self, agent: str = "AGENT") -> str:
        """The test that is red, and the agent that may mend it."""
        return f"""
[scope]
workspace = "{self.work}"
[harness]
id = "claude"
command = "{agent}"
[budget]
max_dispatches = 4
[observe]
recheck = "200ms"
[[predicate]]
id = "tests"
provider = "test_runner"
cmd = "{sys.executable}"
args = ["test_app.py"]
"""

    def live(self) -> str:
        return f"""
[[predicate]]
id = "healthy"
provider = "http_probe"
url = "http://127.0.0.1:{self.port}/health"
[[predicate]]
id = "greets"
provider = "http_probe"
url = "http://127.0.0.1:{self.port}/greet"
expect_body = "hello"
"""

    def deploy(self, more: str = "") -> str:
        variables = "\n".join(f'{k} = "{v}"' for k, v in self.variables.items())
        return f"""
[deploy]
cmd = "sh"
args = ["deploy.sh"]
version = {{ url = "http://127.0.0.1:{self.port}/version", jsonpath = "$.commit" }}
{more}
[deploy.vars]
{variables}
"""


def agent(base: Path, line: str) -> Path:
    """A claude that runs this shell line in its folder and says that it is done."""
    path = base / "agent"
    fake = ROOT / "tests" / "fixtures" / "fake_claude.py"
    script = base / "agent.line"
    script.write_text(line)
    path.write_text(
        f'#!/bin/sh\nFAKE_CLAUDE=fix FAKE_CLAUDE_FIX="sh {script}" exec {sys.executable} {fake} "$@"\n'
    )
    path.chmod(0o755)
    return path


def git(folder: Path, *args: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        **{f"GIT_{who}_NAME": "somebody" for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": "somebody@localhost" for who in ("AUTHOR", "COMMITTER")},
    }
    done = subprocess.run(["git", *args], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, (args, done.stderr)
    return done.stdout.strip()


def story(events: list[dict[str, Any]]) -> list[str]:
    """What was tried, in order, with how it ended."""
    data = [e["event"] for e in events]
    ended: dict[str, Any] = {e["attempt_id"]: e for e in data if e["type"] == "act.ended"}
    return [
        f"{e['rung']} {ended.get(e['attempt_id'], {}).get('exit_code')}"
        for e in data
        if e["type"] == "act.intended"
    ]


def plain(document: Any) -> str:
    return json.dumps(document, indent=1)[:6000]
