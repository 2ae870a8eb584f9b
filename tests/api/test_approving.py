"""What `approve`, `reject` and `apply` answer where a person's yes is needed; the rule itself is tested in core."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from kazid.core.approval import Refused
from kazid.core.ids import Epoch, Generation
from kazid.core.level import Gate, Level
from kazid.core.plan import Asked, HeldChange, Plan, Yes
from kazid.core.policy import Policy
from kazid.core.roles import Role
from tests.api.fake_service import a_view
from tests.api.house import House, mine
from tests.builders import a_goal, a_remedy

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


def _held() -> HeldChange:
    plan = Plan(
        gate=Gate.CHANGE, act="apply", title="t", predicates=(), evidence="e", spec_sha256="s",
        generation=Generation(1), epoch=Epoch(0), episode=0, attempt=0, roles=(Role.APPROVER,), count=2,
        until_wall_s=9e9,
    )  # fmt: skip
    asked = Asked(plan=plan, sha256=HASH, since_wall_s=5.0, given=(Yes(by="pia", uid=7),))
    return HeldChange(goal=mine(a_goal()), asked=asked, loosened=("standing turned off",), by="ada")


def test_a_looser_spec_that_waits_is_in_the_document(house: House) -> None:
    view = a_view(mine(a_goal()))
    house.service.add(replace(view, progress=replace(view.progress, held=_held())))
    told = house.get(WEB).json["held"]
    assert told == {
        "plan_sha256": HASH, "loosened": ["standing turned off"], "by": "ada", "since": 5.0, "until": 9e9,
        "roles": ["approver"], "count": 2, "given": ["pia"],
    }  # fmt: skip


def test_a_held_spec_is_measured_by_the_ceilings_of_the_day_it_is_let_in(tmp_path: Path) -> None:
    policies: list[Policy] = []
    house = House(tmp_path / "s", policies=lambda: tuple(policies))
    with house.open():
        view = a_view(mine(a_goal(remedies=[a_remedy()])))
        goal = view.goal
        held = replace(_held(), goal=goal)
        house.service.add(replace(view, progress=replace(view.progress, held=held)))
        assert house.call("POST", f"{WEB}/approve", {"plan": HASH}).status == 200
        policies.append(Policy(name="careful", autonomy=Level.PROPOSE))
        answer = house.call("POST", f"{WEB}/approve", {"plan": HASH})
        assert (answer.status, answer.json["type"]) == (409, "refused")
        assert "careful" in str(answer.json["problems"])
