"""The event stream: every event once, in order, from any offset, whatever happens meanwhile."""

import json
import random
import threading
import time

import msgspec

from kazid.core.event import SnapshotTaken
from kazid.core.ids import GoalUid
from tests.api.fake_service import a_view
from tests.api.house import ME, House, connected, mine
from tests.builders import a_goal, goal_applied

UID = f"uid-{ME}-web"


def _offsets(house: House, target: str) -> list[int]:
    return [item["offset"] for item in house.get(target).lines]


def test_without_follow_it_ends_at_the_present_end(house: House) -> None:
    for _ in range(1234):
        house.do(house.service.append, UID)
    offsets = _offsets(house, "/v1/events")
    assert offsets == [r.offset for r in house.service.records]
    assert _offsets(house, f"/v1/events?after={offsets[1000]}") == offsets[1001:]
    assert _offsets(house, f"/v1/events?after={offsets[-1]}") == []
    assert _offsets(house, f"/v1/events?after={offsets[3] - 1}&limit=700") == offsets[3:703]


def test_an_event_says_whose_it_is_and_what_happened(house: House) -> None:
    house.do(house.service.append, UID)
    house.do(house.service.append, "uid-forgotten")
    known, forgotten = house.get("/v1/events").lines
    assert (known["owner"], known["goal_id"], known["uid"], known["seq"]) == (ME, "web", UID, 1)
    assert (known["type"], known["event"]) == (
        "reconcile.requested",
        {"type": "reconcile.requested", "by": "ada"},
    )
    assert (forgotten["owner"], forgotten["goal_id"], forgotten["uid"]) == (None, None, "uid-forgotten")


def test_an_applied_goal_names_itself_even_when_it_is_forgotten(house: House) -> None:
    house.do(house.service.append, "uid-forgotten", goal_applied(a_goal(goal_id="old")))
    assert (house.get("/v1/events").lines[0]["owner"], house.get("/v1/events").lines[0]["goal_id"]) == (
        "ada",
        "old",
    )


def test_a_snapshot_is_not_told_twice(house: House) -> None:
    house.do(house.service.append, UID, SnapshotTaken(progress=msgspec.Raw(b"{}"), goal=a_goal()))
    assert house.get("/v1/events").lines[0]["event"] == {"type": "snapshot.taken"}


def test_events_of_one_goal_are_its_own(house: House) -> None:
    for uid in (UID, "x", UID, "y", UID):
        house.do(house.service.append, uid)
    assert {item["uid"] for item in house.get("/v1/events?goal=@me/web").lines} == {UID}
    assert len(house.get("/v1/events?goal=@me/web&limit=2").lines) == 2


def test_a_follower_of_one_goal_sleeps_through_the_others(house: House) -> None:
    house.do(house.service.append, UID)
    with house.stream("/v1/events?goal=@me/web&follow=true") as stream:
        assert json.loads(stream.readline())["offset"] == 1
        for _ in range(50):
            house.do(house.service.append, "another")
        time.sleep(0.3)
        reads = len(house.service.asked)
        time.sleep(0.3)
        assert len(house.service.asked) == reads, "nothing new, nothing read"
        house.do(house.service.append, UID)
        assert json.loads(stream.readline())["uid"] == UID


def test_a_goal_deleted_while_followed_has_its_last_words(house: House) -> None:
    house.do(house.service.append, UID)
    with house.stream("/v1/events?goal=@me/web&follow=true") as stream:
        stream.readline()

        def delete() -> None:
            del house.service.known[ME, "web"]
            house.service.append("another")
            house.service.append(UID)

        house.do(delete)
        assert [json.loads(line)["uid"] for line in stream.read().splitlines()] == [UID]


def test_resuming_has_no_gap_and_no_duplicate_under_concurrent_appends(house: House) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    dice = random.Random(seed)
    house.service.add(a_view(mine(a_goal(goal_id="b"))))
    total = 3000
    is_over = threading.Event()

    def write() -> None:
        pace = random.Random(seed + 1)
        written = 0
        while written < total:
            burst = min(pace.randrange(1, 120), total - written)

            def append(count: int = burst) -> None:
                for _ in range(count):
                    house.service.append(pace.choice((UID, "other")))

            house.do(append)
            written += burst
            time.sleep(pace.random() * 0.004)
        is_over.set()

    writer = threading.Thread(target=write)
    writer.start()
    got: list[int] = []
    while not (is_over.is_set() and len(got) == total):
        after = got[-1] if got else 0
        wanted = dice.randrange(1, 400)
        with connected(house.path, timeout_s=5) as peer:
            peer.sendall(f"GET /v1/events?after={after}&follow=true HTTP/1.0\r\n\r\n".encode())
            stream = peer.makefile("rb")
            while stream.readline() != b"\r\n":
                pass
            count = min(wanted, total - len(got))
            got += [json.loads(stream.readline())["offset"] for _ in range(count)]
    writer.join()
    assert got == [r.offset for r in house.service.records]
    assert len(got) == total


def test_two_followers_see_the_same(house: House) -> None:
    with house.stream("/v1/events?follow=true") as one, house.stream("/v1/events?follow=true&after=0") as two:
        for _ in range(20):
            house.do(house.service.append, str(GoalUid(UID)))
        assert [one.readline() for _ in range(20)] == [two.readline() for _ in range(20)]
