"""What `approve`, `reject` and `apply` answer where a person's yes is needed; the rule itself is tested in core."""

import pytest

from kazid.core.approval import Refused
from tests.api.fake_service import a_view
from tests.api.house import House, mine
from tests.builders import a_goal

WEB = "/v1/goals/@me/web"
HASH = "ab" * 32
APPROVED = """
id = "web"
[[predicate]]
id = "up"
provider = "http_probe"
url = "http://127.0.0.1:1/"
expect_status = 200
[[remedy]]
cmd = "true"
[autonomy]
restart = "approve"
"""


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        pytest.param(None, 200, id="it-counts"),
        pytest.param(Refused(type="four_eyes", reason="r"), 403, id="four-eyes"),
        pytest.param(Refused(type="denied", reason="r"), 403, id="no-role"),
        pytest.param(Refused(type="approval_stale", reason="r"), 409, id="stale"),
        pytest.param(Refused(type="conflict", reason="r"), 409, id="decided"),
    ],
)
@pytest.mark.parametrize(
    ("verb", "body"),
    [
        pytest.param("approve", {"plan": HASH}, id="yes"),
        pytest.param("reject", {"plan": HASH, "reason": "no"}, id="no"),
    ],
)
def test_a_word_is_answered_by_whether_it_counts(
    house: House, verb: str, body: dict[str, str], refused: Refused | None, status: int
) -> None:
    house.service.add(a_view(mine(a_goal())))
    house.approving.refused = refused
    answer = house.call("POST", f"{WEB}/{verb}", body)
    assert answer.status == status
    if refused is not None:
        assert answer.json["type"] == refused.type
    (what,) = [what for asked, what in house.service.asked if asked == verb]
    assert what["plan"] == HASH


@pytest.mark.parametrize("plan", [pytest.param("ab", id="short"), pytest.param("G" * 64, id="no-hash")])
def test_only_a_whole_hash_names_a_plan(house: House, plan: str) -> None:
    house.service.add(a_view(mine(a_goal())))
    assert house.call("POST", f"{WEB}/approve", {"plan": plan}).status == 400


def test_a_daemon_of_one_uid_refuses_a_goal_that_needs_four_eyes_and_lint_says_so(house: House) -> None:
    body = {"goal_file": APPROVED, "source_path": "/srv/goal.toml"}
    answer = house.call("POST", "/v1/goals", body)
    assert (answer.status, answer.json["type"]) == (409, "refused")
    assert "four eyes" in str(answer.json["problems"])
    findings = house.call("POST", "/v1/lint", body).json["findings"]
    assert [f["code"] for f in findings if f["severity"] == "refuse"] == ["four-eyes"]


def test_nothing_waits_where_nothing_was_asked(house: House) -> None:
    answer = house.get("/v1/approvals")
    assert (answer.status, answer.json["approvals"]) == (200, [])
