"""What waits for a person's word, as real processes: approvals, approve and reject."""

import msgspec
import pytest

from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import GOAL, Answer, FakeDaemon, a_goal, document

HASH = "ab" * 32
WAITING = {
    "approvals": [
        {
            "ref": "ops/web", "owner": "ops", "goal_id": "web", "plan_sha256": HASH, "since": 1.0, "given": ["kim"],
            "is_met": False,
            "plan": {
                "gate": "deploy", "title": "deploy: ship", "argv": ["ship", "now"], "roles": ["approver"], "count": 2,
                "until": 0.0,
            },
        },
        {"ref": "ops/web", "is_met": True, "plan": {}},
    ],
    "schema_version": 1,
    "exit_code": 0,
}  # fmt: skip


def test_approvals_shows_what_waits_with_the_words_to_say_yes(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/approvals", Answer(body=msgspec.json.encode(WAITING)))
    lines = kazictl("approvals").stdout.splitlines()
    assert lines[0] == "ops/web: deploy: deploy: ship"
    assert "needs 2 of approver, not ops; said yes: kim" in lines[1]
    assert lines[2:] == ["  runs: ship now", f"  kazictl approve ops/web --plan {HASH}"]
    assert one_document(kazictl("approvals", "--json"))["exit_code"] == 0


@pytest.mark.parametrize(
    ("argv", "path", "body", "said"),
    [
        pytest.param(["approve", "web", "--plan", HASH], "approve", {"plan": HASH}, "approved", id="yes"),
        pytest.param(
            ["approve", "goal:web", "--plan", HASH], "approve", {"plan": HASH}, "approved", id="typed"
        ),
        pytest.param(["reject", "web", "--reason", "no"], "reject", {"reason": "no"}, "rejected", id="no"),
    ],
)
def test_a_word_on_a_plan_is_sent_and_what_the_goal_does_then_is_said(
    daemon: FakeDaemon, kazictl: Kazictl, argv: list[str], path: str, body: dict[str, str], said: str
) -> None:
    daemon.on("POST", f"{GOAL}/{path}", document(a_goal(status="waiting", exit_code=6)))
    finished = kazictl(*argv)
    assert (finished.returncode, finished.stdout) == (0, f"ops/web: {said}; now waiting\n")
    assert msgspec.json.decode(daemon.requests[0].body) == body


@pytest.mark.parametrize(
    "plan", ["abc", HASH[:12], HASH.upper(), HASH + "0"], ids=["a-word", "short", "capitals", "long"]
)
@pytest.mark.parametrize("verb", [["approve", "web"], ["reject", "web", "--reason", "no"]], ids=["yes", "no"])
def test_what_is_no_hash_is_not_sent(
    daemon: FakeDaemon, kazictl: Kazictl, verb: list[str], plan: str
) -> None:
    finished = kazictl(*verb, "--plan", plan)
    assert finished.returncode == 2
    assert "kazictl approvals shows it" in finished.stderr
    assert not daemon.requests


def test_what_is_no_goal_cannot_be_approved_yet(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    finished = kazictl("approve", "draft:web", "--plan", HASH)
    assert finished.returncode == 2
    assert "only goals wait" in finished.stderr
