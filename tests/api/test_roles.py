"""Every verb, by every kind of caller, on goals of their own and of others: who is let in and who is told 403.

The application is asked as the server asks it, with the kernel's word about the peer in the scope. Verbs come from the
route table, so one that nobody thought about fails here.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from msgspec.structs import replace

from kazid.adapters.memory.sandbox import MemorySandbox
from kazid.api.app import build_app
from kazid.api.connection import PEERCRED
from kazid.api.endpoint import Endpoint
from kazid.api.peer import peer_of
from kazid.api.table import ENDPOINTS
from kazid.core.confinement import Capabilities
from kazid.core.ids import GoalId, Owner
from kazid.core.policy import Policy
from kazid.core.roles import Given, Grant, Role
from kazid.core.verdict import failed
from tests.api.fake_service import a_view
from tests.api.house import GOAL_FILE, House
from tests.builders import a_goal, a_predicate, a_progress, a_state

OWN_UID, BOB_UID, EVE = 41_000, 41_001, "eve"
BOB = str(BOB_UID)
"""A uid without a name is called by its digits."""
WEB = {"team": "web"}
SECRET = "hunter2-in-the-evidence"

GRANTS: dict[str, Sequence[Grant]] = {
    "nobody": (),
    "viewer": (Grant(role=Role.VIEWER),),
    "web-viewer": (Grant(role=Role.VIEWER, labels=WEB),),
    "operator": (Grant(role=Role.OPERATOR),),
    "own-operator": (Grant(role=Role.OPERATOR, owners=("@me",)),),
    "web-operator": (Grant(role=Role.OPERATOR, labels=WEB),),
    "approver": (Grant(role=Role.APPROVER),),
    "admin": (Grant(role=Role.ADMIN),),
}
EVERYBODY = set(GRANTS)
WITH_A_ROLE = EVERYBODY - {"nobody"}
FOR_ALL = {"operator", "admin"}
READERS = {"viewer", "operator", "approver", "admin"}

GOALS = {"own": (BOB, {}), "web": (EVE, WEB), "others": (EVE, {"team": "db"})}
"""Whose goal a verb is about, and its labels."""
PRESENT = {
    "ring",
    "health",
    "info",
    "doctor",
    "list",
    "report",
    "events",
    "schema",
    "schema_of_kind",
    "metrics",
    "openapi",
    "audit_verify",
    "harnesses",
    "approvals",
}
READS = {"status", "explain", "follow", "wait"}
STEERS = {"ack", "suspend", "resume", "stop", "delete", "reconcile"}
OF_THE_OWNER = {"hook", "logs", "bundle", "export_incident", "export_traces", "prompt"}
SUBMITS = {"apply", "put_goal", "check", "lint", "try"}
APPROVES = {"approve", "reject", "restore"}
"""Whether it counts is the rule's to say (tests/core/test_approval.py); this is who may ask."""
FLEET = {"freeze", "thaw"}
ADMIN = {"restart", "audit"}


def _allowed(operation: str, goal: str) -> set[str]:
    """Who may do this, to whose goal. Bob, who asks, owns `own` in every row."""
    submitters = FOR_ALL | {"own-operator"}
    if operation in READS:
        return {"own": EVERYBODY, "web": READERS | {"web-viewer", "web-operator"}, "others": READERS}[goal]
    if operation in STEERS:
        return {"own": EVERYBODY, "web": FOR_ALL | {"web-operator"}, "others": FOR_ALL}[goal]
    if operation in APPROVES:
        own = {"own": {"own-operator"}, "web": {"web-operator"}, "others": set[str]()}[goal]
        return FOR_ALL | {"approver"} | own
    if operation in OF_THE_OWNER:
        return EVERYBODY if goal == "own" else set()
    if operation in {"lint", "try"}:
        return submitters | {"web-operator"}
    if operation == "put_goal" and goal != "own":
        return set()  # a goal belongs to who submits it
    if operation in SUBMITS:
        return submitters
    if operation in FLEET:
        return FOR_ALL
    if operation in ADMIN:
        return {"admin"}
    assert operation in PRESENT, f"{operation} is in no row of this test: say who may"
    return EVERYBODY


class Town:
    """The application of a system daemon with three goals, asked as Bob, who owns one of them."""

    def __init__(self, path: Path, grants: Sequence[Grant], portal: BlockingPortal) -> None:
        house = House(
            path / "s",
            place_mode="system",
            own_uid=OWN_UID,
            roles=lambda: [Given(grant=grant, users=(BOB,)) for grant in grants],
        )
        house.listener.close()
        self.service = house.service
        self._portal = portal
        self._app = build_app(house.context)
        self.reset()

    def reset(self) -> None:
        """The three goals as they were."""
        self.service.known.clear()
        self.service.records.clear()
        red = failed("status", SECRET, body=SECRET)
        for name, (owner, labels) in GOALS.items():
            goal = a_goal(a_predicate("livez"))
            goal = replace(goal, id=GoalId(name), owner=Owner(owner), labels=labels)
            states = {p.id: a_state(red, started_s=99.0, ended_s=99.5) for p in goal.predicates}
            self.service.add(a_view(goal, a_progress(states=states), reason=SECRET))
            self.service.append(f"uid-{owner}-{name}")

    def ask(
        self, method: str, target: str, body: Any = None, *, uid: int = BOB_UID
    ) -> tuple[int, dict[str, Any] | str]:
        return self._portal.call(self._ask, method, target, body, uid)

    async def _ask(self, method: str, target: str, body: Any, uid: int) -> tuple[int, dict[str, Any] | str]:
        path, _, query = target.partition("?")
        content = b"" if body is None else json.dumps(body).encode()
        incoming = [{"type": "http.request", "body": content, "more_body": False}]
        said: list[dict[str, Any]] = []

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            await anyio.sleep_forever()
            raise AssertionError("it sleeps for ever")

        async def send(message: Any) -> None:
            said.append(message)

        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(b"content-length", str(len(content)).encode())],
            "http_version": "1.1",
            "scheme": "http",
            "server": None,
            "client": None,
            "root_path": "",
            "extensions": {PEERCRED: replace(_our_own_peer(), uid=uid, gid=uid)},
        }
        with anyio.fail_after(20):
            await self._app(scope, receive, send)
        text = b"".join(m.get("body", b"") for m in said if m["type"] == "http.response.body").decode()
        try:
            answer = json.loads(text)
        except ValueError:
            answer = text
        return said[0]["status"], answer if isinstance(answer, dict) else text

    def do(self, endpoint: Endpoint, goal: str) -> tuple[int, dict[str, Any] | str]:
        """A verb, well-formed, about one of the goals."""
        owner, _ = GOALS[goal]
        path = endpoint.path.replace("{owner}", owner).replace("{id}", goal).replace("{kind}", "http_probe")
        query = "?timeout_s=0" if endpoint.operation == "wait" else ""
        body: dict[str, Any] | None = {} if endpoint.body is not None else None
        if endpoint.operation in SUBMITS:
            body = {"goal_file": GOAL_FILE.replace('"web"', f'"{goal}"'), "source_path": "/srv/goal.toml"}
        return self.ask(endpoint.method, path + query, body)


def _our_own_peer() -> Any:
    """Of this process: one that is certainly here."""
    import socket

    one, two = socket.socketpair(socket.AF_UNIX)
    with one, two:
        return peer_of(one)


@pytest.fixture
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.mark.parametrize("who", [pytest.param(who, id=who) for who in GRANTS])
def test_every_verb_by_role_and_ownership(who: str, tmp_path: Path, portal: BlockingPortal) -> None:
    wrong: list[str] = []
    town = Town(tmp_path, GRANTS[who], portal)
    for goal in GOALS:
        for endpoint in ENDPOINTS:
            town.reset()
            status, answer = town.do(endpoint, goal)
            is_expected = who in _allowed(endpoint.operation, goal)
            is_let_in = status != 403 or (endpoint.operation == "try" and "as whom" in str(answer))
            if is_let_in != is_expected:
                wrong.append(f"{who}: {endpoint.operation} on {goal}: {status} {str(answer)[:150]}")
            if not is_let_in:
                assert isinstance(answer, dict), "a refusal is a document"
                assert answer["type"] == "denied", f"{endpoint.operation} on {goal}"
                assert BOB in answer["detail"], f"{endpoint.operation} on {goal}"
            elif goal != "own" and endpoint.operation not in PRESENT:
                assert SECRET not in str(answer), f"{who} is told evidence by {endpoint.operation}"
    assert wrong == []


def test_a_stranger_is_let_into_nothing(tmp_path: Path, portal: BlockingPortal) -> None:
    town = Town(tmp_path, (), portal)
    del town.service.known[BOB, "own"]
    for endpoint in ENDPOINTS:
        status, answer = town.do(endpoint, "others")
        assert status == 403, endpoint.operation
        assert isinstance(answer, dict)
        assert "has no role on this daemon" in answer["detail"]


def test_the_daemons_own_uid_is_let_into_nothing_of_anybodys(tmp_path: Path, portal: BlockingPortal) -> None:
    town = Town(tmp_path, GRANTS["admin"], portal)
    assert town.ask("GET", "/v1/goals", uid=OWN_UID)[0] == 403
    assert town.ask("GET", f"/v1/goals/{EVE}/web", uid=OWN_UID)[0] == 403


def test_a_list_holds_what_the_caller_may_read_and_no_more(tmp_path: Path, portal: BlockingPortal) -> None:
    for number, (who, ids) in enumerate(
        {"nobody": {"own"}, "web-viewer": {"own", "web"}, "viewer": {"own", "web", "others"}}.items()
    ):
        (tmp_path / str(number)).mkdir()
        status, answer = Town(tmp_path / str(number), GRANTS[who], portal).ask("GET", "/v1/goals")
        assert isinstance(answer, dict)
        assert (status, {goal["goal_id"] for goal in answer["goals"]}) == (200, ids)


def test_events_are_told_to_the_owner_of_the_goal(tmp_path: Path, portal: BlockingPortal) -> None:
    town = Town(tmp_path, GRANTS["operator"], portal)
    _, answer = town.ask("GET", "/v1/events")
    events = [answer] if isinstance(answer, dict) else [json.loads(line) for line in answer.splitlines()]
    assert [event["owner"] for event in events] == [BOB]
    assert town.ask("GET", f"/v1/events?goal={EVE}/web")[0] == 403


def test_a_goal_that_does_not_exist_is_refused_in_the_words_of_one_that_does(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    town = Town(tmp_path, GRANTS["web-viewer"], portal)
    _, there = town.ask("GET", f"/v1/goals/{EVE}/others")
    _, missing = town.ask("GET", f"/v1/goals/{EVE}/missing")
    assert there == missing


def test_marks_of_a_check_do_not_lift_the_limits_of_another_uid(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    from kazid.runtime.callers import Standing

    town = Town(tmp_path, GRANTS["web-viewer"], portal)
    town.service.standing = Standing(is_check=True)
    assert town.ask("GET", f"/v1/goals/{EVE}/others")[0] == 403
    assert town.ask("GET", f"/v1/goals/{EVE}/others", uid=OWN_UID)[0] == 200


def test_submitting_needs_the_role_for_the_labels_of_the_file_and_of_what_stands(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    town = Town(tmp_path, GRANTS["web-operator"], portal)
    labelled = GOAL_FILE.replace('id = "web"', 'id = "new"\nlabels = { team = "web" }')
    ask = {"goal_file": labelled, "source_path": "/srv/goal.toml"}
    assert town.ask("POST", "/v1/goals", ask)[0] == 201
    own = {"goal_file": labelled.replace('"new"', '"own"'), "source_path": "/srv/goal.toml"}
    status, answer = town.ask("POST", "/v1/goals", own)
    assert status == 403, "a label in a file does not hand over a goal that is not so labelled"
    assert isinstance(answer, dict)
    assert "needs the role operator for goals of your own" in answer["detail"]


def test_an_owner_reads_the_audit_of_their_goals_and_an_admin_the_whole(
    tmp_path: Path, portal: BlockingPortal
) -> None:
    (tmp_path / "a").mkdir()
    viewer = Town(tmp_path, GRANTS["viewer"], portal)
    assert viewer.ask("GET", f"/v1/audit?goal={BOB}/own")[0] == 200
    assert viewer.ask("GET", f"/v1/audit?goal={EVE}/web")[0] == 403
    assert viewer.ask("GET", "/v1/audit")[0] == 403
    _, report = viewer.ask("GET", "/v1/audit/verify")
    assert isinstance(report, dict)
    assert (report["records"], report["problems"], report["exit_code"]) == (2, [], 0)
    admin = Town(tmp_path / "a", GRANTS["admin"], portal)
    status, lines = admin.ask("GET", "/v1/audit")
    assert status == 200
    assert len(str(lines).splitlines()) == 2
    assert admin.ask("GET", "/v1/audit/verify?head=1:" + "0" * 64)[1]["exit_code"] == 1  # type: ignore[index]
    assert admin.ask("GET", "/v1/audit/verify?head=0:" + "0" * 64)[0] == 400


def test_bounds_that_this_machine_cannot_enforce_are_refused_when_applied(tmp_path: Path) -> None:
    sandbox = MemorySandbox()
    agent = GOAL_FILE + '\n[harness]\nid = "claude"\n[sandbox]\nmode = "strict"\n'
    house = House(tmp_path / "s", sandbox=sandbox)
    with house.open():
        body = {"goal_file": agent, "source_path": "/srv/goal.toml"}
        sandbox.can = Capabilities(landlock_abi=0, bubblewrap=None)
        answer = house.call("POST", "/v1/goals", body)
        assert (answer.status, answer.json["type"]) == (409, "refused")
        assert "needs bubblewrap or landlock" in answer.json["problems"][0]["message"]
        assert house.service.known == {}
        sandbox.can = Capabilities(landlock_abi=7, bubblewrap=None)
        assert house.call("POST", "/v1/goals", body).status == 201


def test_a_goal_beyond_a_ceiling_is_refused_and_nothing_is_stored(tmp_path: Path) -> None:
    agent = GOAL_FILE + '\n[harness]\nid = "claude"\n[budget]\nmax_dispatches = 7\n'
    house = House(tmp_path / "s", policies=lambda: [Policy(name="small", dispatches_max=5)])
    with house.open():
        answer = house.call("POST", "/v1/goals", {"goal_file": agent, "source_path": "/srv/goal.toml"})
        assert (answer.status, answer.json["type"]) == (409, "refused")
        assert answer.json["problems"][0]["message"] == (
            'policy "small": max_dispatches is at most 5, and it asks for 7'
        )
        assert house.service.known == {}
        fewer = {"goal_file": agent.replace("= 7", "= 5"), "source_path": "/srv/goal.toml"}
        assert house.call("POST", "/v1/goals", fewer).status == 201
