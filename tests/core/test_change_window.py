"""The truth table of change windows: allow, deny, both, neither, and when it opens again."""

from collections.abc import Sequence

import pytest

from kazid.core.change_window import Span, WindowRule, closed

HOUR_S = 3600.0
SPANS: dict[str, Sequence[tuple[float, float]]] = {
    "office": [(8, 18), (32, 42)],
    "night": [(22, 26)],
    "release": [(9, 10), (34, 36)],
    "audit": [(17, 33)],
    "never": [],
}
"""From which hour to which, by the name of the rule."""


def _span_of(rule: WindowRule, at_wall_s: float) -> Span | None:
    spans = [Span(opens * HOUR_S, closes * HOUR_S) for opens, closes in SPANS[rule.name]]
    return next((span for span in spans if span.closes_wall_s > at_wall_s), None)


def _allow(name: str) -> WindowRule:
    return WindowRule(name=name, is_allow=True, cron="", duration_s=1.0)


def _deny(name: str) -> WindowRule:
    return WindowRule(name=name, is_allow=False, cron="", duration_s=1.0)


@pytest.mark.parametrize(
    ("rules", "hour", "reason", "opens"),
    [
        pytest.param([], 3, None, None, id="no-window-every-moment-is-open"),
        pytest.param(
            [_allow("office")], 8, None, None, id="an-allowing-window-is-open-from-its-first-moment"
        ),
        pytest.param([_allow("office")], 17.99, None, None, id="until-just-before-its-end"),
        pytest.param([_allow("office")], 18, "outside of office", 32, id="at-its-end-it-is-closed"),
        pytest.param([_allow("office")], 3, "outside of office", 8, id="before-it-opens"),
        pytest.param(
            [_allow("office"), _allow("night")], 20, "outside of office, night", 22, id="either-of-two-opens"
        ),
        pytest.param([_allow("office"), _allow("night")], 23, None, None, id="one-of-two-is-enough"),
        pytest.param([_deny("release")], 8, None, None, id="beside-a-freeze-every-moment-is-open"),
        pytest.param([_deny("release")], 9, "freeze release", 10, id="a-freeze-closes"),
        pytest.param(
            [_allow("office"), _deny("release")],
            9,
            "freeze release",
            10,
            id="deny-wins-within-an-allowing-window",
        ),
        pytest.param(
            [_deny("release"), _allow("office")],
            9,
            "freeze release",
            10,
            id="deny-wins-whatever-stands-first",
        ),
        pytest.param(
            [_allow("office"), _deny("audit")], 17, "freeze audit", 33, id="opens-when-both-are-open-again"
        ),
        pytest.param(
            [_allow("office"), _deny("audit"), _deny("release")],
            20,
            "freeze audit",
            33,
            id="the-freeze-is-named",
        ),
        pytest.param(
            [_allow("night"), _deny("audit")], 17, "freeze audit", None, id="a-window-wholly-within-a-freeze"
        ),
        pytest.param([_allow("never")], 3, "outside of never", None, id="a-window-that-never-comes"),
        pytest.param([_allow("office")], 50, "outside of office", None, id="after-the-last-window"),
        pytest.param([_deny("never")], 3, None, None, id="a-freeze-that-never-comes"),
    ],
)
def test_when_acts_may_start(
    rules: Sequence[WindowRule], hour: float, reason: str | None, opens: float | None
) -> None:
    held = closed(rules, hour * HOUR_S, _span_of)
    assert (None if held is None else held.reason) == reason
    assert (None if held is None else held.until_wall_s) == (None if opens is None else opens * HOUR_S)


@pytest.mark.parametrize(
    ("owner", "labels", "is_selected"),
    [
        pytest.param("ada", {"team": "web"}, True, id="owner-and-label"),
        pytest.param("bob", {"team": "web"}, False, id="another-owner"),
        pytest.param("ada", {}, False, id="without-the-label"),
    ],
)
def test_a_window_is_for_the_goals_that_it_selects(
    owner: str, labels: dict[str, str], is_selected: bool
) -> None:
    rule = WindowRule(
        name="w", is_allow=True, cron="", duration_s=1.0, owners=("ada",), labels={"team": "web"}
    )
    assert rule.selects(owner, labels) is is_selected
