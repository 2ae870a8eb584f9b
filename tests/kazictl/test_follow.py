"""Following a goal: what is told, what is told once only, and how a loss ends."""

import threading
import time
from typing import Any

import pytest

from kazictl import client as client_module
from kazictl.client import Client
from kazictl.connection import DeadlinePassed
from kazictl.failure import Failure
from kazictl.follow import follow_goal
from kazid.wire import exit_codes
from kazid.wire.messages import FollowItem
from tests.kazictl.fake_daemon import Answer, FakeDaemon, a_converged_goal, lines, outcome, refusal

TARGET = "/v1/goals/ops/web/follow"
ACTING = FollowItem(event="status", goal_id="web", status="acting", at=1.0)
FIRST = FollowItem(event="iteration", goal_id="web", iteration=1, failing=["livez"], at=2.0)
SECOND = FollowItem(event="iteration", goal_id="web", iteration=2, failing=["livez"], at=3.0)
HEARTBEAT = FollowItem(event="heartbeat", goal_id="web", at=4.0)


class _Told:
    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.notes: list[str] = []

    @property
    def words(self) -> list[object]:
        return [item.get("iteration") or item.get("status") for item in self.items]


def _follow(daemon: FakeDaemon, told: _Told, deadline_s: float | None = None) -> dict[str, Any]:
    return follow_goal(
        Client(daemon.path), TARGET, deadline_s=deadline_s, on_item=told.items.append, note=told.notes.append
    )


def test_everything_but_heartbeats_is_told_up_to_the_outcome(daemon: FakeDaemon) -> None:
    daemon.on(
        "GET", TARGET, lines(ACTING, HEARTBEAT, FIRST, HEARTBEAT, SECOND, outcome(a_converged_goal()), ACTING)
    )
    told = _Told()
    assert _follow(daemon, told)["status"] == "converged"
    assert told.words == ["acting", 1, 2]
    assert told.notes == []


def test_what_a_new_stream_repeats_is_told_once(daemon: FakeDaemon) -> None:
    again = FollowItem(event="status", goal_id="web", status="acting", at=9.0)
    half = Answer(body=b'{"event": "outco', is_stream=True)
    daemon.on("GET", TARGET, lines(ACTING, FIRST), half, lines(again, SECOND, outcome(a_converged_goal())))
    told = _Told()
    assert _follow(daemon, told)["status"] == "converged"
    assert told.words == ["acting", 1, 2]
    assert told.notes == ["kazictl: lost the daemon; trying again"]


def test_a_daemon_that_restarts_is_waited_for(daemon: FakeDaemon) -> None:
    cut = lines(ACTING)
    cut.before = daemon.stop
    daemon.on("GET", TARGET, cut, lines(outcome(a_converged_goal())))
    restart = threading.Timer(0.6, daemon.start)
    restart.start()
    assert _follow(daemon, _Told())["status"] == "converged"
    restart.join()


def test_a_daemon_that_stays_away_ends_the_following(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RECONNECT_S", 0.4)
    cut = lines(ACTING)
    cut.before = daemon.stop
    daemon.on("GET", TARGET, cut)
    with pytest.raises(Failure) as caught:
        follow_goal(Client(daemon.path), TARGET, deadline_s=None, on_item=_ignore, note=_ignore)
    assert caught.value.exit_code == exit_codes.NO_DAEMON


def test_a_daemon_that_only_ever_hangs_up_ends_the_following(
    daemon: FakeDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RECONNECT_S", 0.5)
    daemon.on("GET", TARGET, lines(ACTING))
    with pytest.raises(Failure) as caught:
        _follow(daemon, _Told())
    assert caught.value.exit_code == exit_codes.NO_DAEMON


def test_the_deadline_ends_the_following_and_nothing_else(daemon: FakeDaemon) -> None:
    hold = threading.Event()
    daemon.on("GET", TARGET, lines(ACTING, hold=hold))
    with pytest.raises(DeadlinePassed):
        _follow(daemon, _Told(), deadline_s=time.monotonic() + 0.2)
    hold.set()


def test_the_deadline_holds_while_the_daemon_is_away(daemon: FakeDaemon) -> None:
    cut = lines(ACTING)
    cut.before = daemon.stop
    daemon.on("GET", TARGET, cut)
    started_s = time.monotonic()
    with pytest.raises(DeadlinePassed):
        _follow(daemon, _Told(), deadline_s=started_s + 0.5)
    assert time.monotonic() - started_s < 60


def test_a_goal_that_was_deleted_meanwhile_is_a_refusal(daemon: FakeDaemon) -> None:
    daemon.on("GET", TARGET, lines(ACTING), refusal(404, "unknown_goal"))
    with pytest.raises(Failure) as caught:
        _follow(daemon, _Told())
    assert caught.value.exit_code == exit_codes.USAGE


def _ignore(_: object) -> None:
    return
