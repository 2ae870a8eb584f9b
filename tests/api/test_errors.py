"""Whatever is wrong is said as application/problem+json, with every problem, and in the right place."""

from typing import Any

import msgspec
import pytest

from kazid.core.errors import KazidError
from kazid.wire.messages import ProblemDetails
from kazid.wire.names import CONTENT_PROBLEM
from tests.api.fake_service import CONFLICT, REFUSED, UNAVAILABLE
from tests.api.house import GOAL_FILE, Answer, House

WEB = "/v1/goals/@me/web"


def problem(answer: Answer, *, status: int, kind: str) -> ProblemDetails:
    """The problem an answer carries."""
    assert answer.headers["content-type"] == CONTENT_PROBLEM
    details = msgspec.json.decode(answer.body, type=ProblemDetails)
    assert (answer.status, details.status, details.type) == (status, status, kind)
    assert details.title
    assert details.detail
    return details


def _apply(**others: Any) -> dict[str, Any]:
    return {"goal_file": GOAL_FILE, "source_path": "/srv/goal.toml", **others}


def test_a_goal_file_that_does_not_load_names_every_problem(house: House) -> None:
    text = 'id = 5\nstandign = true\n[[predicate]]\nprovider = "http_prob"\n'
    details = problem(house.call("POST", "/v1/goals", _apply(goal_file=text)), status=422, kind="goal_file")
    assert {p.line for p in details.problems} >= {1, 2, 4}
    assert any(p.hint and "http_probe" in p.hint for p in details.problems)


def test_what_is_not_built_is_refused_by_name(house: House) -> None:
    text = (
        GOAL_FILE
        + '\n[[capture]]\nname = "a"\nlaunch_cmd = "x"\noutput = "o"\n[[group]]\nid = "g"\nbudget = 2\n'
    )
    details = problem(house.call("POST", "/v1/goals", _apply(goal_file=text)), status=409, kind="refused")
    said = " ".join(p.message for p in details.problems)
    assert 'group "g": budget' in said
    assert "[[capture]]" in said
    assert house.service.asked == []


@pytest.mark.parametrize(
    ("error", "status", "kind"),
    [
        pytest.param(REFUSED, 409, "refused", id="refused-at-admission"),
        pytest.param(CONFLICT, 409, "conflict", id="another-writer-was-first"),
        pytest.param(UNAVAILABLE, 507, "degraded", id="disk-full"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "method", "target", "body"),
    [
        pytest.param("apply", "POST", "/v1/goals", _apply(), id="apply"),
        pytest.param("freeze", "POST", "/v1/freeze", {"reason": "r"}, id="freeze"),
        pytest.param("thaw", "POST", "/v1/thaw", {}, id="thaw"),
        pytest.param("suspend", "POST", f"{WEB}/suspend", {"reason": "r"}, id="suspend"),
        pytest.param("resume", "POST", f"{WEB}/resume", {"reason": "r"}, id="resume"),
        pytest.param("stop", "POST", f"{WEB}/stop", None, id="stop"),
        pytest.param("reconcile", "POST", f"{WEB}/reconcile", None, id="reconcile"),
        pytest.param("delete", "DELETE", WEB, None, id="delete"),
    ],
)
def test_a_mutation_that_did_not_happen_says_so(
    house: House, verb: str, method: str, target: str, body: Any, error: KazidError, status: int, kind: str
) -> None:
    house.service.fails[verb] = error
    problem(house.call(method, target, body), status=status, kind=kind)


@pytest.mark.parametrize(
    ("method", "suffix", "body"),
    [
        ("GET", "", None), ("DELETE", "", None), ("GET", "/explain", None), ("GET", "/wait", None),
        ("GET", "/follow", None), ("GET", "/log", None), ("POST", "/suspend", {"reason": "r"}),
        ("POST", "/resume", {"reason": "r"}), ("POST", "/stop", None), ("POST", "/reconcile", None),
        ("POST", "/ack", {}),
    ],
)  # fmt: skip
def test_an_unknown_goal_is_404(house: House, method: str, suffix: str, body: Any) -> None:
    answer = house.call(method, f"/v1/goals/@me/nothing{suffix}", body)
    assert "/nothing" in problem(answer, status=404, kind="unknown_goal").detail


def test_events_of_an_unknown_goal_are_404(house: House) -> None:
    problem(house.get("/v1/events?goal=@me/nothing"), status=404, kind="unknown_goal")


def test_a_goal_with_several_hooks_is_asked_which_and_names_them(house: House) -> None:
    hook = '[[predicate]]\nid = "{}"\nprovider = "file"\npath = "/a"\nwake = {{hook = true}}\n'
    text = 'id = "hooked"\n' + hook.format("one") + hook.format("two")
    assert house.call("POST", "/v1/goals", _apply(goal_file=text)).status == 201
    said = problem(house.get("/v1/goals/@me/hooked/hook"), status=400, kind="bad_request").detail
    assert said.endswith("say which predicate's: one, two")
    assert house.get("/v1/goals/@me/hooked/hook?predicate=two").status == 200


def test_an_attempt_that_never_was_is_404(house: House) -> None:
    said = problem(house.get(f"{WEB}/log?attempt=9"), status=404, kind="unknown_attempt").detail
    assert "has no attempt 9" in said


@pytest.mark.parametrize(
    ("body", "key"),
    [
        pytest.param(b"{", None, id="cut-off"),
        pytest.param(b"not json", None, id="not-json"),
        pytest.param(b"\xff\xfe{}", None, id="not-utf8"),
        pytest.param(b"[" * 200_000, None, id="nested-without-end"),
        pytest.param(b"[]", None, id="not-an-object"),
        pytest.param(b'"x"', None, id="a-string"),
        pytest.param(b"", None, id="empty"),
        pytest.param(b"{}", None, id="missing-field"),
        pytest.param(b'{"goal_file": 5}', "goal_file", id="wrong-type"),
        pytest.param(b'{"goal_file": "x", "workspce": "y"}', None, id="unknown-field"),
        pytest.param(b'{"goal_file": "x", "source_path": "/a\\u0000b"}', "source_path", id="nul-in-a-path"),
        pytest.param(b'{"goal_file": "x", "cwd": "relative"}', "cwd", id="relative-cwd"),
        pytest.param(
            b'{"goal_file": "x", "source_path": "goal.toml"}', "source_path", id="relative-to-nowhere"
        ),
        pytest.param(b'{"goal_file": "' + b"x" * 1_000_001 + b'"}', "goal_file", id="too-many-characters"),
    ],
)
@pytest.mark.parametrize("target", ["/v1/goals", "/v1/check", "/v1/lint"])
def test_a_malformed_body_is_400_and_located(house: House, target: str, body: bytes, key: str | None) -> None:
    details = problem(house.call("POST", target, body), status=400, kind="bad_request")
    assert details.problems[0].key == key
    assert house.service.asked == []


def test_one_is_not_true(house: House) -> None:
    details = problem(house.call("POST", "/v1/goals", _apply(standing=1)), status=400, kind="bad_request")
    assert details.problems[0].key == "standing"


@pytest.mark.parametrize(
    "body",
    [
        {}, {"reason": ""}, {"reason": 5}, {"reason": "r", "for_s": 0}, {"reason": "r", "for_s": -1},
        {"reason": "r", "for_s": 1e300}, {"reason": "r", "for_s": "60"}, {"reason": "r" * 5000}, {"raeson": "r"},
    ],
)  # fmt: skip
def test_a_suspension_needs_a_reason_and_a_sane_duration(house: House, body: Any) -> None:
    problem(house.call("POST", f"{WEB}/suspend", body), status=400, kind="bad_request")


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("/v1/goals?limit=0", "limit"), ("/v1/goals?limit=501", "limit"), ("/v1/goals?limit=many", "limit"),
        ("/v1/goals?l=nothing", "l[0]"), ("/v1/goals?owner=a&owner=b", "owner"), ("/v1/goals?lables=a=b", None),
        (f"{WEB}?x=1", None), (f"{WEB}/wait?for=green", "for"), (f"{WEB}/wait?timeout_s=nan", "timeout_s"),
        (f"{WEB}/wait?timeout_s=3601", "timeout_s"), (f"{WEB}/wait?timeout_s=-1", "timeout_s"),
        (f"{WEB}/log?stream=both", "stream"), (f"{WEB}/log?attempt=0", "attempt"),
        (f"{WEB}/log?offset=-1", "offset"), (f"{WEB}/log?follow=maybe", "follow"),
        ("/v1/events?after=-1", "after"), (f"/v1/events?after={2**63}", "after"), ("/v1/events?goal=web", "goal"),
        ("/v1/events?limit=0", "limit"), ("/v1/info?x", None), ("/metrics?x=%FF", None),
    ],
)  # fmt: skip
def test_a_malformed_query_is_400_and_located(house: House, target: str, key: str | None) -> None:
    details = problem(house.get(target), status=400, kind="bad_request")
    assert details.problems[0].key == key


@pytest.mark.parametrize("key", ["", "x" * 201, "a b", "tab\there", "ü"])
def test_a_malformed_idempotency_key_is_400(house: House, key: str) -> None:
    answer = house.call("POST", f"{WEB}/stop", headers={"Idempotency-Key": key})
    problem(answer, status=400, kind="bad_request")
    assert house.service.asked == []


@pytest.mark.parametrize(
    "target", ["/", "/v1", "/v1/", "/v2/goals", "/v1/goals/", "/v1/goals/a", "/v1/goals/a/b/c", "//"]
)
def test_an_unknown_route_is_404(house: House, target: str) -> None:
    problem(house.get(target), status=404, kind="no_route")


@pytest.mark.parametrize("method", ["HEAD", "PATCH", "OPTIONS", "TRACE", "POST", "NONSENSE"])
def test_another_method_is_405_with_what_is_allowed(house: House, method: str) -> None:
    answer = house.call(method, WEB)
    assert (answer.status, answer.headers["allow"]) == (405, "DELETE, GET, PUT")
    if method != "HEAD":
        problem(answer, status=405, kind="method")


def test_a_bug_is_500_without_its_traceback_and_the_next_request_works(house: House) -> None:
    house.service.fails["view"] = ZeroDivisionError("secret detail")
    answer = house.get(WEB)
    problem(answer, status=500, kind="internal")
    assert b"secret" not in answer.body
    del house.service.fails["view"]
    assert house.get(WEB).status == 200


VACUOUS = """id = "web"
[[predicate]]
id = "tests"
provider = "custom_script"
cmd = "sh"
args = ["-c", "pytest || true"]
"""


def test_a_predicate_that_cannot_be_red_is_refused_with_its_line_and_what_to_write(house: House) -> None:
    answer = house.call("POST", "/v1/goals", _apply(goal_file=VACUOUS, workspace="/srv"))
    (said,) = problem(answer, status=409, kind="refused").problems
    assert said.line == 2
    assert '"tests" cannot be red' in said.message
    assert "hidden-exit" in said.message
    assert said.hint is not None
    assert "set -e" in said.hint
    assert "--allow-vacuous" in said.hint
    assert house.service.asked == []


def test_it_is_taken_where_that_is_allowed_and_the_goal_says_so(house: House) -> None:
    request = _apply(goal_file=VACUOUS, workspace="/srv", allow_vacuous=True)
    assert house.call("POST", "/v1/goals", request).status == 200
    assert house.service.asked[-1][1]["goal"].vacuous_allowed == ("tests",)


def test_allowing_what_is_sound_changes_nothing(house: House) -> None:
    assert house.call("POST", "/v1/goals", _apply(allow_vacuous=True)).status == 200
    assert house.service.asked[-1][1]["goal"].vacuous_allowed == ()
