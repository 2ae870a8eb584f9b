"""kill -9 of a real daemon at the steps of an approval: one question, one yes, one act, whatever the kill met.

`tests/runtime/test_every_step_of_an_approval.py` has every step, in virtual time; here are those that a test can see
from outside of the process, and moments of no choice.
"""

import json
import os
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.system.house import eventually, write_goal
from tests.system.test_people import WAITS, Town, pytestmark, town, users

__all__ = ["pytestmark", "town", "users"]

WITHIN_S = 240.0
RANDOM_KILLS = 6
SLOW = WAITS.replace(
    "echo ran >> OUT; touch DONE", "echo began >> OUT.began; sleep 1; echo ran >> OUT; touch DONE"
)


class Case:
    """One goal that waits for a yes, and what became of it."""

    def __init__(self, town: Town, base: Path, name: str) -> None:
        self.town = town
        self.folder = base / "out" / name
        self.folder.mkdir(parents=True)
        for folder in (self.folder.parent, self.folder):
            folder.chmod(0o777)
        self.out, self.done, self.began = (self.folder / n for n in ("ran", "done", "ran.began"))
        self.ref = f"kzt-owner/{name}"
        text = (
            SLOW.replace('"site"', f'"{name}"').replace("DONE", str(self.done)).replace("OUT", str(self.out))
        )
        file = write_goal(base / f"g-{name}", text)
        apply = {"goal_file": text, "source_path": str(file), "path": os.environ["PATH"]}
        assert town.ask("kzt-owner", "POST", "/v1/goals", apply)[0] == 201

    def plan(self) -> str:
        _, said = self.town.ask("kzt-approver", "GET", "/v1/approvals")
        mine = [row for row in said["approvals"] if row["ref"] == self.ref]
        return next((row["plan_sha256"] for row in mine if not row["is_met"]), "")

    def asked(self) -> str:
        return str(eventually(self.plan, within_s=WITHIN_S, what="the act is asked for"))

    def approve(self, plan: str) -> None:
        answer = self.town.ask("kzt-approver", "POST", f"/v1/goals/{self.ref}/approve", {"plan": plan})
        assert answer[0] == 200, answer

    def is_holding(self) -> bool:
        return self.town.ask("kzt-member", "GET", f"/v1/goals/{self.ref}")[1].get("status") == "holding"

    def journal_has_more(self, what: bytes) -> Callable[[], bool]:
        """Whether the write-ahead log of this daemon says it once more than now."""
        log = self.town.state_dir / "journal.db-wal"
        before = log.read_bytes().count(what)
        return lambda: log.read_bytes().count(what) > before

    def assert_whole(self, plan: str) -> list[str]:
        eventually(self.is_holding, within_s=WITHIN_S, what=f"{self.ref} holds")
        assert self.out.read_text() == "ran\n", "once"
        assert self.began.read_text() == "began\n"
        _, told = self.town.ask("kzt-owner", "GET", f"/v1/events?goal={self.ref}")
        events: list[dict[str, Any]] = [json.loads(line)["event"] for line in told["text"].splitlines()]
        assert [e["plan_sha256"] for e in events if e["type"] == "approval.requested"] == [plan]
        assert [e["by"] for e in events if e["type"] == "approval.granted"] == ["kzt-approver"]
        intents = [e for e in events if e["type"] == "act.intended"]
        assert {(*i["plans"], *i["approved_by"]) for i in intents} == {(plan, "kzt-approver")}
        endings = [e["ending"] for e in events if e["type"] == "act.ended"]
        assert len(endings) == len(intents)
        assert endings == [*["never_started"] * (len(intents) - 1), "exited"], endings
        return endings

    def kill(self) -> None:
        self.town.kill9()
        self.town.start()


@pytest.mark.long
def test_a_kill_at_each_step_that_can_be_seen_from_outside_and_at_random_ones(
    town: Town, base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    case = Case(town, base, "asked")
    plan = case.asked()
    case.kill()
    case.approve(plan)
    case.assert_whole(plan)

    steps: dict[str, Callable[[Case], Callable[[], bool]]] = {
        "answered": lambda _: lambda: True,
        "intended": lambda case: case.journal_has_more(b"act.intended"),
        "started": lambda case: case.began.exists,
        "done": lambda case: case.out.exists,
        "verified": lambda case: case.is_holding,
    }
    for name, sees in steps.items():
        case = Case(town, base, name)
        plan = case.asked()
        is_there = sees(case)
        case.approve(plan)
        _spin(is_there)
        case.kill()
        case.assert_whole(plan)

    seed = int(os.environ.get("KAZI_KILL_SEED", "0")) or random.randrange(1, 1 << 30)
    dice = random.Random(seed)
    met: list[str] = []
    for number in range(int(os.environ.get("KAZI_KILLS", RANDOM_KILLS))):
        case = Case(town, base, f"random{number}")
        plan = case.asked()
        case.approve(plan)
        for _ in range(dice.randint(1, 3)):
            time.sleep(dice.uniform(0.0, 1.5))
            case.kill()
        met += case.assert_whole(plan)
    with capsys.disabled():
        print(f"\nseed {seed}: {len(met)} attempts, of which {met.count('never_started')} never started")


def _spin(is_there: Callable[[], bool]) -> None:
    """Wait without a pause: the moment after is what is wanted."""
    deadline = time.monotonic() + WITHIN_S
    while not is_there():
        assert time.monotonic() < deadline
