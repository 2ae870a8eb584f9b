"""Real users of one real daemon: a member, a stranger, an operator, an approver, an owner, and an agent of the owner.

Users and groups are made here and taken away again, which only root can do. The daemon runs as a user of its own where
that user can run this Python, and as root where it cannot; who asks is told by the kernel either way.
"""

import fcntl
import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import BIN, RealDaemon, eventually, write_goal

TEAM = "kzt-team"
PEOPLE = {
    "kzt-daemon": (),
    "kzt-member": (TEAM,),
    "kzt-stranger": (),
    "kzt-operator": (TEAM,),
    "kzt-approver": (TEAM,),
    "kzt-owner": (TEAM,),
}
SETTINGS = f"""
[[role]]
role = "viewer"
groups = ["{TEAM}"]
[[role]]
role = "operator"
users = ["kzt-operator"]
[[role]]
role = "approver"
users = ["kzt-approver"]
[[role]]
role = "operator"
users = ["kzt-owner"]
owners = ["@me"]
"""
GOAL = """
id = "web"
standing = true
[[predicate]]
id = "up"
provider = "custom_script"
cmd = "sh"
args = ["-c", "echo seen-by-the-check; test -e /nowhere"]
[[remedy]]
cmd = "AGENT"
attempts = 1
"""
ASK = """
import json, os, socket, sys
path, uid, gid, method, target, body = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:7]
import pwd
login = pwd.getpwuid(uid).pw_name
os.initgroups(login, gid); os.setgid(gid); os.setuid(uid)
s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect(path)
content = body.encode()
s.sendall(f"{method} {target} HTTP/1.0\\r\\nContent-Length: {len(content)}\\r\\n\\r\\n".encode() + content)
data = b""
while piece := s.recv(65536): data += piece
head, _, rest = data.partition(b"\\r\\n\\r\\n")
print(json.dumps([int(head.split()[1]), rest.decode()]))
"""
AGENT = """#!PYTHON -I
import json, socket
def ask(method, target):
    s = socket.socket(socket.AF_UNIX); s.settimeout(60); s.connect("SOCKET")
    s.sendall(f"{method} {target} HTTP/1.0\\r\\nContent-Length: 0\\r\\n\\r\\n".encode())
    data = b""
    while piece := s.recv(65536): data += piece
    return int(data.split()[1])
told = {"own": ask("GET", "/v1/goals/kzt-owner/web"), "list": ask("GET", "/v1/goals")}
for verb in ("suspend", "resume", "stop", "reconcile"):
    told[verb] = ask("POST", f"/v1/goals/kzt-owner/web/{verb}")
told["freeze"] = ask("POST", "/v1/freeze")
told["delete"] = ask("DELETE", "/v1/goals/kzt-owner/web")
open("OUT", "w").write(json.dumps(told))
"""

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="only root can make users and become one of them")


class Town(RealDaemon):
    """A system daemon: its socket is handed to it, as systemd does, and everybody may connect."""

    settings = SETTINGS

    def start(self, *, is_awaited: bool = True) -> "Town":
        self.base.chmod(0o755)
        account = pwd.getpwnam("kzt-daemon")
        can_run = _can_run_python(account)
        whom: dict[str, Any] = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        self.state_dir.mkdir(mode=0o700, exist_ok=True)
        if can_run:
            shutil.chown(self.state_dir, "kzt-daemon", "kzt-daemon")
        settings = self.base / "kazid.toml"
        settings.write_text(self.settings)
        settings.chmod(0o644)
        self.socket.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.socket))
        listener.listen(64)
        self.socket.chmod(0o666)
        starter = (
            "import os, sys; os.dup2(int(sys.argv[1]), 3, inheritable=True); "
            "os.environ['LISTEN_PID'] = str(os.getpid()); os.execv(sys.argv[2], sys.argv[2:])"
        )
        with listener, self.log.open("ab") as log_file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", starter, str(listener.fileno()), BIN / "kazid", "--config", settings],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log_file,
                env={**self.environment, "STATE_DIRECTORY": str(self.state_dir), "LISTEN_FDS": "1"},
                cwd=self.base,
                pass_fds=[listener.fileno()],
                **(whom if can_run else {}),
            )
        eventually(self.is_listening, within_s=60, what=f"kazid listens; its log: {self.log_tail()}")
        return self

    def ask(self, who: str, method: str, target: str, body: Any = None) -> tuple[int, dict[str, Any]]:
        """A verb, by a process that is this user's."""
        account = pwd.getpwnam(who)
        content = "" if body is None else json.dumps(body)
        run = subprocess.run(
            [
                sys.executable, "-I", "-c", ASK, str(self.socket), str(account.pw_uid), str(account.pw_gid),
                method, target, content,
            ],
            capture_output=True, text=True, timeout=90, check=True,
        )  # fmt: skip
        status, text = json.loads(run.stdout)
        is_one = text.startswith("{") and "\n" not in text.strip()
        return status, json.loads(text) if is_one else {"text": text}


def _can_run_python(account: pwd.struct_passwd) -> bool:
    try:
        run = subprocess.run(
            [sys.executable, "-c", "import kazid.main"],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            capture_output=True,
            check=False,
        )
    except PermissionError:
        return False
    return run.returncode == 0


@pytest.fixture
def users() -> Iterator[None]:
    """Accounts are the machine's, not the test's: another run of the suite waits for its turn."""
    with open(Path(tempfile.gettempdir(), "kzt-users.lock"), "a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        _forget_users()
        subprocess.run(["groupadd", "--force", TEAM], check=True)
        for who, groups in PEOPLE.items():
            extra = ["--groups", ",".join(groups)] if groups else []
            subprocess.run(
                ["useradd", "--no-create-home", "--user-group", "--shell", "/bin/false", *extra, who],
                check=True,
                capture_output=True,
            )
        yield
        _forget_users()


def _forget_users() -> None:
    for who in PEOPLE:
        if any(account.pw_name == who for account in pwd.getpwall()):
            subprocess.run(["userdel", "--force", who], check=True, capture_output=True)
    if any(group.gr_name == TEAM for group in grp.getgrall()):
        subprocess.run(["groupdel", TEAM], check=True)


@pytest.fixture
def town(users: None, base: Path) -> Iterator[Town]:
    if shutil.which("useradd") is None:
        pytest.skip("no useradd on this machine")
    town = Town(base)
    town.start()
    yield town
    town.end_everything()


def test_each_person_may_do_what_their_role_says(town: Town, base: Path) -> None:
    (base / "out").mkdir()
    (base / "out").chmod(0o777)
    agent = base / "agent"
    out = base / "out" / "told.json"
    python = shutil.which("python3", path="/usr/bin:/bin") or sys.executable
    agent.write_text(
        AGENT.replace("PYTHON", python).replace("SOCKET", str(town.socket)).replace("OUT", str(out))
    )
    agent.chmod(0o755)
    file = write_goal(base / "g", GOAL.replace("AGENT", str(agent)))
    apply = {"goal_file": file.read_text(), "source_path": str(file), "path": os.environ["PATH"]}

    assert town.ask("kzt-member", "POST", "/v1/goals", apply)[0] == 403
    assert town.ask("kzt-owner", "POST", "/v1/goals", apply)[0] == 201
    status, said = town.ask("kzt-stranger", "GET", "/v1/goals")
    assert status == 403
    assert "kzt-stranger" in said["detail"]
    assert TEAM in said["detail"]

    eventually(out.exists, within_s=60, what="the remedy of the owner's goal ran")
    told = eventually(lambda: json.loads(out.read_text() or "null"), within_s=60, what="it told")
    remedy_may = {operation for operation, code in told.items() if code == 200}
    assert remedy_may <= {"own", "list"}, told

    web = "/v1/goals/kzt-owner/web"
    verbs = {
        "read": ("GET", web), "logs": ("GET", f"{web}/log"), "suspend": ("POST", f"{web}/suspend"),
        "resume": ("POST", f"{web}/resume"), "freeze": ("POST", "/v1/freeze"), "thaw": ("POST", "/v1/thaw"),
        "restart": ("POST", "/v1/restart"),
    }  # fmt: skip
    may = {
        "kzt-member": {"read"},
        "kzt-approver": {"read"},
        "kzt-operator": {"read", "suspend", "resume", "freeze", "thaw"},
        "kzt-owner": {"read", "logs", "suspend", "resume"},
        "kzt-stranger": set(),
    }
    for who, allowed in may.items():
        answers = {
            name: town.ask(who, method, path, None if method == "GET" else {"reason": "a test"})
            for name, (method, path) in verbs.items()
        }
        assert {name for name, (code, _) in answers.items() if code < 300} == allowed, f"{who}: {answers}"
        assert all(code == 403 for name, (code, _) in answers.items() if name not in allowed), f"{who}"
        is_told = "seen-by-the-check" in str(answers["read"])
        assert is_told == (who == "kzt-owner"), f"{who}: evidence is its owner's alone"


def test_who_leaves_the_group_or_is_deleted_has_lost_the_role(town: Town) -> None:
    assert town.ask("kzt-member", "GET", "/v1/goals")[0] == 200
    subprocess.run(["gpasswd", "--delete", "kzt-member", TEAM], check=True, capture_output=True)
    eventually(
        lambda: town.ask("kzt-member", "GET", "/v1/goals")[0] == 403, within_s=60, what="the role is gone"
    )


WAITS = """
id = "site"
standing = true
[[predicate]]
id = "up"
provider = "custom_script"
cmd = "test"
args = ["-e", "DONE"]
live = true
interval = "1s"
confirm = 1
recover = 1
timeout_ms = 5000
[[remedy]]
cmd = "sh"
args = ["-c", "echo ran >> OUT; touch DONE"]
[autonomy]
level = "approve"
"""
SITE = "/v1/goals/kzt-owner/site"


def test_an_act_waits_for_another_persons_yes_through_kill_9_and_runs_once(town: Town, base: Path) -> None:
    folder = base / "out"
    folder.mkdir()
    folder.chmod(0o777)
    out, done = folder / "ran", folder / "done"
    file = write_goal(base / "g", WAITS.replace("DONE", str(done)).replace("OUT", str(out)))
    apply = {"goal_file": file.read_text(), "source_path": str(file), "path": os.environ["PATH"]}
    assert town.ask("kzt-owner", "POST", "/v1/goals", apply)[0] == 201

    def plan_of() -> str:
        _, said = town.ask("kzt-approver", "GET", "/v1/approvals")
        return next((row["plan_sha256"] for row in said["approvals"] if not row["is_met"]), "")

    plan: str = eventually(plan_of, within_s=60, what="the act is asked for")
    refused = {
        "kzt-owner": (403, plan), "kzt-operator": (403, plan), "kzt-member": (403, plan), "kzt-stranger": (403, plan),
        "kzt-daemon": (403, plan), "kzt-approver": (409, "0" * 64),
    }  # fmt: skip
    for who, (status, named) in refused.items():
        answer = town.ask(who, "POST", f"{SITE}/approve", {"plan": named})
        assert answer[0] == status, f"{who}: {answer}"
    town.kill9()
    town.start()
    assert eventually(plan_of, within_s=60, what="it is still asked for") == plan
    assert not out.exists(), "nobody said yes"
    assert town.ask("kzt-approver", "POST", f"{SITE}/approve", {"plan": plan})[0] == 200
    town.kill9()
    town.start()
    eventually(out.exists, within_s=180, what="what was approved is done, whatever the kill met")
    eventually(
        lambda: town.ask("kzt-member", "GET", SITE)[1].get("status") == "holding",
        within_s=60,
        what="it holds",
    )
    assert out.read_text() == "ran\n", "once"
    _, told = town.ask("kzt-owner", "GET", f"/v1/events?goal={SITE.removeprefix('/v1/goals/')}")
    events = [json.loads(line) for line in told["text"].splitlines()]
    plans = [e["event"]["plan_sha256"] for e in events if e["event"]["type"] == "approval.requested"]
    assert plans == [plan], "nobody is asked twice for one act"
    ended = {
        e["event"]["attempt_id"]: e["event"]["ending"] for e in events if e["event"]["type"] == "act.ended"
    }
    intents = [e["event"] for e in events if e["event"]["type"] == "act.intended"]
    assert {(*i["plans"], *i["approved_by"]) for i in intents} == {(plan, "kzt-approver")}
    (intent,) = [i for i in intents if ended[i["attempt_id"]] != "never_started"]
    assert intent == intents[-1], "whatever a kill kept from starting was before it"


GONE = ASK.replace(
    "import pwd\nlogin = pwd.getpwuid(uid).pw_name\nos.initgroups(login, gid)", "os.setgroups([])"
)


def test_a_user_who_is_deleted_while_their_goal_runs_is_nobody_and_the_goal_is_kept(
    town: Town, base: Path
) -> None:
    file = write_goal(base / "g", GOAL.replace("AGENT", "true"))
    apply = {"goal_file": file.read_text(), "source_path": str(file), "path": os.environ["PATH"]}
    assert town.ask("kzt-owner", "POST", "/v1/goals", apply)[0] == 201
    account = pwd.getpwnam("kzt-owner")
    subprocess.run(["userdel", "--force", "kzt-owner"], check=True, capture_output=True)
    before = town.ask("root", "GET", "/v1/goals/kzt-owner/web")
    assert before[0] == 200
    assert town.ask("root", "POST", "/v1/goals/kzt-owner/web/reconcile")[0] == 200, "it is still steered"

    def as_who_is_gone() -> int:
        run = subprocess.run(
            [
                sys.executable, "-I", "-c", GONE, str(town.socket), str(account.pw_uid), str(account.pw_gid),
                "GET", "/v1/goals", "",
            ],
            capture_output=True, text=True, timeout=90, check=True,
        )  # fmt: skip
        return int(json.loads(run.stdout)[0])

    eventually(lambda: as_who_is_gone() == 403, within_s=60, what="the uid has no name and no goal")
    eventually(
        lambda: (
            town.ask("root", "GET", "/v1/goals/kzt-owner/web")[1]["status"]
            in ("stuck", "backing_off", "acting")
        ),
        within_s=60,
        what="it is looked at and acted on as before",
    )
