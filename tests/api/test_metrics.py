"""/metrics: the text format to the letter, and never a green that is too old."""

import re

from msgspec.structs import replace

from kazid.api.routes.metrics import escaped, exposition
from kazid.core.ids import Owner
from tests.api.fake_service import FakeService, a_view
from tests.api.house import House
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_progress, a_state

LINE = re.compile(
    r'# HELP [a-z_]+ .+|# TYPE [a-z_]+ (gauge|counter)|[a-z_]+(\{([a-z]+="([^"\\\n]|\\[\\n"])*",?)+\})? -?[0-9.e+-]+'
)


def _exposition(*views: object) -> str:
    service = FakeService()
    for view in views:
        service.add(view)  # type: ignore[arg-type]
    return exposition(service.state(), service.views(), version="1.2.3")


def test_every_line_is_of_the_format(house: House) -> None:
    answer = house.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert [line for line in lines if not LINE.fullmatch(line)] == []
    assert answer.body.endswith(b"\n")


def test_the_families_the_dashboards_need_are_there() -> None:
    text = _exposition(a_view(a_goal()))
    for sample in (
        'kazi_goals{status="converged"} 1', 'kazi_goals{status="stuck"} 0', "kazi_looks_total 12",
        "kazi_acts_total 3", "kazi_turns_total 7", "kazi_degraded 0", "kazi_journal_offset 0",
        'kazi_pushes_total{source="file"} 5', 'kazi_pushes_coalesced_total{source="file"} 2',
        'kazi_pushes_total{source="hook"} 1', 'kazi_pushes_coalesced_total{source="hook"} 0',
        "kazi_child_restarts_total 1", "process_start_time_seconds 1700000000",
        'kazi_goal_green{owner="ada",goal="web"} 1', 'kazi_build_info{version="1.2.3"} 1',
    ):  # fmt: skip
        assert f"{sample}\n" in text


def test_a_stale_green_is_not_green() -> None:
    goal = a_goal(a_predicate("livez", live=True), standing=True)
    fresh = a_progress(states={"livez": a_state(PASS, started_s=99.0, passes=2)})
    stale = a_progress(states={"livez": a_state(PASS, started_s=1.0, passes=2, is_stale=True)})
    red = a_progress(states={"livez": a_state(FAIL, started_s=99.0, fails=2)})
    for progress, value in ((fresh, 1), (stale, 0), (red, 0)):
        assert f'kazi_goal_green{{owner="ada",goal="web"}} {value}\n' in _exposition(a_view(goal, progress))


def test_label_values_are_escaped() -> None:
    assert escaped('a"b\\c\nd') == r"a\"b\\c\nd"
    goal = replace(a_goal(goal_id='we"b\\\n'), owner=Owner("ü"))
    assert r'{owner="ü",goal="we\"b\\\n"} 1' in _exposition(a_view(goal))
