"""What a goal had of the daemon's own goes with its events, and nobody else's."""

from pathlib import Path

import pytest

from kazid.adapters.memory.journal import MemoryJournal
from kazid.adapters.system.private_folders import PrivateFolders
from kazid.core.ids import GoalUid
from kazid.runtime.retention import drop_deleted

pytestmark = pytest.mark.anyio


class _Forgets(MemoryJournal):
    """A journal with one goal that was deleted long ago."""

    async def discard_forgotten(self, *, before_wall_s: float) -> list[GoalUid]:
        assert before_wall_s > 0
        return [GoalUid("gone"), GoalUid("never-had-one")]


async def test_the_evidence_of_a_goal_deleted_long_ago_goes_with_its_events(tmp_path: Path) -> None:
    folders = PrivateFolders(tmp_path / "goals")
    for uid in ("gone", "here"):
        (Path(folders.of(GoalUid(uid))) / "evidence").mkdir()
        (tmp_path / "goals" / uid / "evidence" / "stdout.txt").write_text("what failed")
    await drop_deleted(_Forgets(), (folders,), before_wall_s=1.0)
    assert [p.name for p in (tmp_path / "goals").iterdir()] == ["here"]
    assert (tmp_path / "goals" / "here" / "evidence" / "stdout.txt").read_text() == "what failed"
