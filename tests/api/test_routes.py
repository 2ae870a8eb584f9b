"""Every route answers what its row says, and hands the service what was asked."""

from typing import Any

import msgspec
import pytest

from kazid.api.routes.doctor import mode_finding
from kazid.core.decision import Guard
from kazid.core.event import ActEnded, Recorded
from kazid.core.ids import AttemptId, Offset, Seq
from kazid.core.status import GoalStatus
from kazid.wire import messages
from kazid.wire.names import CONTENT_JSON, CONTENT_LINES, encode_id
from tests.api.fake_service import NOW, a_view
from tests.api.house import GOAL_FILE, ME, House, mine
from tests.builders import WALL_0, a_goal, a_predicate

WEB = "/v1/goals/@me/web"


def _apply(**others: Any) -> dict[str, Any]:
    return {"goal_file": GOAL_FILE, "source_path": "/srv/web/goal.toml", "cwd": "/srv", **others}


def test_info_tells_which_daemon_this_is(house: House) -> None:
    answer = house.get("/v1/info")
    info = msgspec.json.decode(answer.body, type=messages.Info)
    assert (answer.status, answer.headers["content-type"]) == (200, CONTENT_JSON)
    assert (info.version, info.mode, info.started_at, info.goals) == (
        "1.2.3",
        "user",
        WALL_0,
        {"converged": 1},
    )
    assert info.socket == str(house.path)


def test_doctor_says_in_which_mode_the_daemon_runs(house: House) -> None:
    findings = {f["name"]: f["found"] for f in house.get("/v1/doctor").json["findings"]}
    assert findings["mode"].startswith("user: one person's daemon")
    assert "book-keeping, not isolation" in mode_finding("system", login="kazi").found


def test_health_says_degraded_and_why(house: House) -> None:
    assert house.get("/healthz").json["status"] == "ok"
    house.service.degraded = "disk full"
    assert (house.get("/healthz").json["status"], house.get("/healthz").json["degraded"]) == (
        "degraded",
        "disk full",
    )


def test_status_is_the_goal_whole(house: House) -> None:
    answer = house.get(WEB)
    document = msgspec.json.decode(answer.body, type=messages.GoalDocument)
    assert answer.status == 200
    assert (document.ref, document.status, document.exit_code, document.next_action) == (
        f"{ME}/web",
        "converged",
        0,
        "done",
    )
    assert [(p.id, p.verdict) for p in document.predicates] == [("tests", "pass")]


@pytest.mark.parametrize("goal_id", ["a/b", "a~b", "sp ace", "ü~1", "%2F", ".", "a?b#c"])
def test_an_id_of_any_characters_is_one_path_segment(house: House, goal_id: str) -> None:
    house.service.add(a_view(mine(a_goal(goal_id=goal_id))))
    assert house.get(f"/v1/goals/{ME}/{encode_id(goal_id)}").json["goal_id"] == goal_id


def test_list_pages_by_owner_and_id(house: House) -> None:
    for number in range(7):
        house.service.add(a_view(a_goal(goal_id=f"g{number}")))
    seen, after = [], ""
    while True:
        page = house.get(f"/v1/goals?limit=3{after}").json
        assert len(page["goals"]) <= 3
        seen += [row["ref"] for row in page["goals"]]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert seen == sorted([*(f"ada/g{n}" for n in range(7)), f"{ME}/web"])


def test_list_selects_by_labels_and_owner(house: House) -> None:
    house.service.add(a_view(a_goal(goal_id="a", labels={"team": "x", "env": "a=b"})))
    house.service.add(a_view(a_goal(goal_id="b", labels={"team": "x"})))
    assert [g["goal_id"] for g in house.get("/v1/goals?l=team=x&l=env=a=b").json["goals"]] == ["a"]
    assert [g["goal_id"] for g in house.get("/v1/goals?owner=@me").json["goals"]] == ["web"]
    assert house.get("/v1/goals?owner=nobody").json["goals"] == []


def test_apply_loads_the_file_as_the_callers_and_answers_201_when_created(house: House) -> None:
    request = _apply(goal_file=GOAL_FILE.replace('"web"', '"new"'), path="/usr/bin", workspace="tree")
    answer = house.call("POST", "/v1/goals", request)
    assert (answer.status, answer.headers["location"]) == (201, f"/v1/goals/{ME}/new")
    assert answer.json["applied"] == "created"
    goal = house.service.asked[-1][1]["goal"]
    assert (goal.owner, goal.path, goal.workspace) == (ME, "/usr/bin", "/srv/tree")
    assert house.service.asked[-1][1]["caller"].login == ME


def test_apply_again_is_200_and_says_attached(house: House) -> None:
    answer = house.call("POST", "/v1/goals", _apply())
    assert (answer.status, answer.json["applied"]) == (200, "attached")


def test_a_relative_source_path_is_the_callers(house: House) -> None:
    house.call("POST", "/v1/goals", _apply(source_path="web/goal.toml"))
    assert house.service.asked[-1][1]["goal"].source_path == "/srv/web/goal.toml"


def test_put_wants_the_id_of_the_file(house: House) -> None:
    assert house.call("PUT", WEB, _apply()).status == 200
    answer = house.call("PUT", "/v1/goals/@me/other", _apply())
    assert (answer.status, answer.json["type"]) == (400, "mismatch")


def test_put_for_another_owner_is_denied(house: House) -> None:
    answer = house.call("PUT", "/v1/goals/somebody/web", _apply())
    assert (answer.status, answer.json["type"]) == (403, "denied")


def test_check_exits_with_the_verdict_and_stores_nothing(house: House) -> None:
    answer = house.call("POST", "/v1/check", _apply())
    assert (answer.status, answer.json["applied"], answer.json["exit_code"]) == (200, "checked", 0)
    assert [verb for verb, _ in house.service.asked] == ["check"]


@pytest.mark.parametrize(
    ("method", "target", "body", "verb", "status"),
    [
        pytest.param(
            "POST", f"{WEB}/suspend", {"reason": "lunch", "for_s": 60}, "suspend", "suspended", id="suspend"
        ),
        pytest.param("POST", f"{WEB}/resume", {"reason": "back"}, "resume", "observing", id="resume"),
        pytest.param("POST", f"{WEB}/stop", None, "stop", "stopped", id="stop"),
        pytest.param("POST", f"{WEB}/reconcile", None, "reconcile", "converged", id="reconcile"),
        pytest.param("DELETE", WEB, None, "delete", "stopped", id="delete"),
    ],
)
def test_steering_reaches_the_service(
    house: House, method: str, target: str, body: Any, verb: str, status: str
) -> None:
    answer = house.call(method, target, body, headers={"Idempotency-Key": "k1"})
    assert (answer.status, answer.json["status"]) == (200, status)
    asked, what = house.service.asked[-1]
    assert (asked, what["owner"], what["goal_id"], what["caller"].login) == (verb, ME, "web", ME)
    assert what["idempotency_key"] is not None


def test_what_nobody_was_told_of_is_not_acknowledged(house: House) -> None:
    answer = house.call("POST", f"{WEB}/ack", {})
    assert (answer.status, answer.json["title"]) == (409, "nothing to acknowledge")
    assert "ack" not in {verb for verb, _ in house.service.asked}


@pytest.mark.parametrize("status", [GoalStatus.STUCK, GoalStatus.SUSPENDED], ids=["stuck", "under-a-freeze"])
def test_an_acknowledgement_reaches_the_runtime_and_shows_the_goal(house: House, status: GoalStatus) -> None:
    house.service.add(a_view(mine(a_goal()), status=status))
    answer = house.call("POST", f"{WEB}/ack", {"reason": "on it"}, headers={"Idempotency-Key": "k1"})
    assert (answer.status, answer.json["status"]) == (200, status.value)
    (what,) = [what for verb, what in house.service.asked if verb == "ack"]
    assert (what["goal_id"], what["reason"], what["caller"].login) == ("web", "on it", ME)
    assert what["idempotency_key"] is not None


def test_an_idempotency_key_is_the_callers_verbs_and_goals_own(house: House) -> None:
    def key_of(method: str, target: str, key: str) -> str:
        house.service.add(a_view(mine(a_goal())))
        house.call(method, target, headers={"Idempotency-Key": key})
        return str(house.service.asked[-1][1]["idempotency_key"])

    house.service.add(a_view(mine(a_goal(goal_id="other"))))
    same = key_of("POST", f"{WEB}/stop", "k")
    assert key_of("POST", f"{WEB}/stop", "k") == same
    others = {
        key_of("POST", f"{WEB}/reconcile", "k"),
        key_of("POST", "/v1/goals/@me/other/stop", "k"),
        key_of("POST", f"{WEB}/stop", "k2"),
    }
    assert len(others) == 3
    assert same not in others


def test_freeze_and_thaw_tell_what_stands_for_all_goals(house: House) -> None:
    frozen = house.call("POST", "/v1/freeze", {"reason": "move", "for_s": 60})
    assert frozen.status == 200
    assert (frozen.json["frozen"], frozen.json["reason"], frozen.json["exit_code"]) == (True, "move", 0)
    assert house.get("/v1/info").json["frozen"] == "move"
    assert house.get("/v1/goals").json["notices"] == ["all goals are frozen: move"]
    assert house.call("POST", "/v1/thaw", {}).json["frozen"] is False


def test_an_unacknowledged_freeze_is_202_and_names_the_goals(house: House) -> None:
    house.service.freezing.unsettled = ("ada/web",)
    answer = house.call("POST", "/v1/freeze", {"reason": "r"})
    assert answer.status == 202
    told = (answer.json["problem"], answer.json["suspending"], answer.json["pids"], answer.json["exit_code"])
    assert told == ("suspending", ["ada/web"], [7], 7)


def test_an_unacknowledged_fence_is_202_and_suspending(house: House) -> None:
    house.service.add(a_view(mine(a_goal()), is_acknowledged=False, pids=(11, 12)))
    answer = house.call("POST", f"{WEB}/suspend", {"reason": "r"})
    document = answer.json
    assert (answer.status, document["problem"], document["exit_code"], document["pids"]) == (
        202,
        "suspending",
        7,
        [11, 12],
    )


def test_explain_says_what_holds_it_until_when(house: House) -> None:
    guard = Guard(name="backoff", reason="resting", until_s=130.0)
    house.service.add(a_view(mine(a_goal()), guards=(guard,), next_wake_s=130.0))
    document = house.get(f"{WEB}/explain").json
    assert document["decision"] == "Hold"
    assert document["guards"] == [{"name": "backoff", "reason": "resting", "until": WALL_0 + 130}]
    assert document["next_wake_at"] == WALL_0 + 130


def test_wait_answers_0_when_the_state_holds(house: House) -> None:
    document = house.get(f"{WEB}/wait?for=converged&timeout_s=5").json
    assert (document["exit_code"], document["problem"]) == (0, None)
    assert house.service.asked[-1][1]["state"] is GoalStatus.CONVERGED


def test_wait_answers_the_goals_own_code_when_the_state_cannot_come(house: House) -> None:
    house.service.add(a_view(mine(a_goal()), status=GoalStatus.STUCK))
    document = house.get(f"{WEB}/wait?for=converged").json
    assert (document["exit_code"], document["problem"]) == (3, "unreachable")


def test_a_timeout_is_an_ordinary_answer_with_124(house: House) -> None:
    house.service.is_settled = False
    answer = house.get(f"{WEB}/wait?for=converged&timeout_s=0.05")
    assert (answer.status, answer.json["problem"], answer.json["exit_code"]) == (200, "timeout", 124)


def test_follow_ends_with_the_outcome_and_its_document(house: House) -> None:
    answer = house.get(f"{WEB}/follow")
    assert answer.headers["content-type"] == CONTENT_LINES
    *_, last = answer.lines
    assert [item["event"] for item in answer.lines] == ["status", "outcome"]
    assert last["document"]["status"] == "converged"


def test_follow_begins_with_what_should_be_known(house: House) -> None:
    house.service.add(a_view(mine(a_goal()), notices=("file differs from the applied spec",)))
    first = house.get(f"{WEB}/follow").lines[0]
    assert (first["event"], first["text"]) == ("notice", "file differs from the applied spec")


def test_a_log_is_the_whole_stream_from_the_offset_on(house: House) -> None:
    text = bytes(range(256)) * 20
    house.service.log["stderr"] = text
    answer = house.get(f"{WEB}/log?stream=stderr&offset=10")
    assert answer.body == text[10:]
    assert (answer.headers["kazi-attempt"], answer.headers["content-type"]) == (
        "3",
        "text/plain; charset=utf-8",
    )


def test_a_log_says_what_was_not_kept(house: House) -> None:
    house.service.log["stdout"] = b"tail\n"
    house.service.log_omitted = 12345
    assert house.get(f"{WEB}/log").body == b"\n[kazid: 12345 bytes were not kept]\ntail\n"


def test_a_followed_log_ends_with_its_attempt(house: House) -> None:
    house.service.log["stdout"] = b"one\n"
    house.service.log_is_over = False
    with house.stream(f"{WEB}/log?follow=true") as response:
        assert response.readline() == b"one\n"
        house.service.log["stdout"] += b"two\n"
        assert response.readline() == b"two\n"
        house.service.log_is_over = True
        assert response.read() == b""


def test_lint_is_clean_doubtful_or_unloadable(house: House) -> None:
    def lint(text: str) -> dict[str, Any]:
        return house.call("POST", "/v1/lint", {"goal_file": text, "source_path": "/srv/goal.toml"}).json

    clean = lint(GOAL_FILE)
    assert (clean["exit_code"], clean["problems"], clean["findings"]) == (0, [], [])
    doubtful = lint(GOAL_FILE.replace("expect_status = 200", ""))
    assert (doubtful["exit_code"], doubtful["findings"][0]["code"]) == (1, "no-assertion")
    broken = lint(GOAL_FILE.replace("expect_status", "expect_statsu").replace("standing", "standign"))
    assert broken["exit_code"] == 2
    assert {p["line"] for p in broken["problems"]} == {3, 9}


def test_lint_names_what_apply_would_refuse(house: House) -> None:
    text = GOAL_FILE + "\n[[group]]\nid = 'g'\nbudget = 2\n"
    report = house.call("POST", "/v1/lint", {"goal_file": text, "source_path": "/srv/goal.toml"}).json
    assert report["exit_code"] == 1
    assert "not-built" in {f["code"] for f in report["findings"]}


def test_schema_of_everything_and_of_one_kind(house: House) -> None:
    assert house.get("/v1/schema").json["properties"]["predicate"]
    assert house.get("/v1/schema/http_probe").json["title"] == "http_probe"
    missing = house.get("/v1/schema/http_prob")
    assert (missing.status, missing.json["type"]) == (404, "unknown_kind")
    assert "http_probe" in missing.json["detail"]


def test_restart_is_answered_before_it_happens(house: House) -> None:
    answer = house.call("POST", "/v1/restart", {"reason": "upgrade"})
    assert (answer.status, house.service.asked) == (202, [("request_restart", {"reason": "upgrade"})])
    assert house.call("POST", "/v1/restart").status == 202


def test_a_connection_takes_one_request_after_the_other(house: House) -> None:
    from tests.api.house import Answer, UnixConnection

    connection = UnixConnection(house.path)
    for _ in range(3):
        connection.request("GET", "/healthz")
        assert Answer(connection.getresponse()).status == 200
    connection.close()


def test_two_goals_of_one_id_and_two_owners_are_two(house: House) -> None:
    house.service.add(a_view(a_goal(a_predicate("other"))))
    assert house.get("/v1/goals/ada/web").json["predicates"][0]["id"] == "other"
    assert house.get(WEB).json["predicates"][0]["id"] == "tests"


def test_a_report_counts_what_happened_to_the_goals_there_are(house: House) -> None:
    house.service.add(a_view(mine(msgspec.structs.replace(a_goal(), labels={"team": "web"}))))
    ended = ActEnded(attempt_id=AttemptId("a"), ending="exited", ended_s=1.0, cost_usd_charged=0.5)
    view = house.service.known[ME, "web"]
    record = Recorded(offset=Offset(5), uid=view.uid, seq=Seq(1), at=NOW, event=ended)
    house.context.history.records.append(record)  # type: ignore[attr-defined]
    document = house.get("/v1/report?since_s=3600&l=team%3Dweb").json
    assert document["until"] - document["since"] == 3600.0
    assert [row["name"] for row in document["labels"]] == ["team=web"]
    assert (document["total"]["goals"], document["total"]["cost_usd"]) == (1, 0.5)
    assert house.get("/v1/report?l=team%3Ddb").json["total"]["goals"] == 0
    assert house.get("/v1/report?since_s=-1").status == 400
