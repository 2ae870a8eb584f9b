"""The evidence folder of a dispatch: beside the workspace, redacted, the newest only; nothing raises."""

import pytest
from msgspec.structs import replace

from kazid.adapters.system.briefer import SystemBriefer
from kazid.core.verdict import failed
from tests.builders import a_goal, a_harness, a_predicate
from tests.played import Played

pytestmark = pytest.mark.anyio

OUTPUT = 'Traceback\n  File "calc.py", line 2, in add\npassword=hunter2hunter2\n'


def played(workspace, **evidence):
    play = Played(a_goal(a_predicate("tests"), harness=a_harness(), workspace=str(workspace)))
    play.look("tests", failed("exit", **evidence))
    return play


async def test_logs_reports_and_pictures_lie_in_the_folder(tmp_path):
    workspace, folder = tmp_path / "w", tmp_path / "state" / "evidence"
    (workspace / "shots").mkdir(parents=True)
    (workspace / "shots" / "page.png").write_bytes(b"png")
    (workspace / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    play = played(workspace, stderr=OUTPUT, screenshot="shots/page.png")
    before = sorted(workspace.rglob("*"))
    briefing = await SystemBriefer().brief(play.goal, play.vector, ["tests"], folder=str(folder))
    assert briefing.folder == str(folder)
    assert [name.partition(" ")[0] for name in briefing.files] == [
        "tests.report.json",
        "tests.stderr.log",
        "shots_page.png",
    ]
    said = (folder / "tests.stderr.log").read_text()
    assert "line 2, in add" in said
    assert "hunter2" not in said
    assert (folder / "shots_page.png").read_bytes() == b"png"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "def add(a, b)  <- the failure is in it" in briefing.orientation
    assert sorted(workspace.rglob("*")) == before
    again = played(workspace, stdout="a\nb")
    await SystemBriefer().brief(again.goal, again.vector, ["tests"], folder=str(folder))
    assert not (folder / "tests.stderr.log").exists(), "only the newest dispatch's"


async def test_without_a_folder_nothing_is_written_and_orientation_can_be_off(tmp_path):
    (tmp_path / "calc.py").write_text("def add(a, b):\n    return a - b\n")
    play = played(tmp_path, stderr=OUTPUT)
    briefing = await SystemBriefer().brief(play.goal, play.vector, ["tests"], folder=None)
    assert (briefing.folder, bool(briefing.orientation)) == (None, True)
    off = replace(play.goal, harness=replace(a_harness(), orientation=False))
    assert (await SystemBriefer().brief(off, play.vector, ["tests"], folder=None)).orientation == ""


async def test_a_folder_that_cannot_be_made_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    play = played(tmp_path, stderr=OUTPUT)
    briefing = await SystemBriefer().brief(
        play.goal, play.vector, ["tests"], folder=str(tmp_path / "file" / "below")
    )
    assert briefing.folder is None
