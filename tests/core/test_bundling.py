"""Bundles: every end that is not converged leaves one, bounded, with what decided and what to do next."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.bundling import (
    BYTES_MAX,
    CHANGED_MAX,
    ENDS,
    FAILING_MAX,
    bundle_of,
    next_steps,
    parked_bundle,
)
from kazid.core.decision import Conclude
from kazid.core.event import ReconcileRequested
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import failed
from tests.builders import FAIL, PASS, a_goal, a_harness, a_predicate, a_remedy
from tests.played import Played


def stuck_service() -> tuple[Played, Conclude]:
    played = Played(
        a_goal(a_predicate("a", live=True), a_predicate("b", live=True), remedies=[a_remedy("a")])
    )
    for _ in range(2):
        played.looks(
            failed("unreachable", "refused", port=80), failed("unreachable", "refused", port=80), of="a"
        )
        played.looks(PASS, PASS, of="b")
        for _ in range(20):
            played.advance(30.0).looks(failed("unreachable", "refused", port=80), of="a")
            if type(played.turn()).__name__ == "Act":
                break
        played.acted(after=1.0)
    played.looks(PASS, PASS, of="b")
    played.looks(failed("unreachable", "refused", port=80), failed("unreachable", "refused", port=80), of="a")
    end = played.decide()
    assert isinstance(end, Conclude)
    return played, end


def test_it_names_what_failed_what_was_tried_what_it_cost_and_what_to_do():
    played, end = stuck_service()
    bundle = bundle_of(played.progress, played.vector, end, played.now, changed=["b", "a"])
    assert (bundle.changed, bundle.changed_left_out) == (("a", "b"), 0)
    assert (bundle.status, bundle.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert [(p.id, p.verdict, p.evidence["port"]) for p in bundle.failing] == [("a", "fail", 80)]
    assert [(a.number, a.ending, a.exit_code) for a in bundle.tried] == [(1, "exited", 0), (2, "exited", 0)]
    assert bundle.cost.iterations == 2
    assert bundle.cost.tokens is None, "absent is never zero"
    assert any("kazictl resume" in step for step in bundle.next_steps)


@pytest.mark.parametrize("status", sorted(ENDS, key=lambda s: s.value))
@pytest.mark.parametrize("cause", [None, *Cause])
def test_every_end_and_cause_says_what_a_person_can_do(status: GoalStatus, cause: Cause | None):
    assert all(next_steps(status, cause))
    assert next_steps(status, cause)


@given(st.lists(st.integers(0, 30_000), min_size=1, max_size=80))
def test_it_is_bounded_whatever_the_evidence_and_says_what_it_left_out(sizes: list[int]):
    predicates = [a_predicate(f"p{i}") for i in range(len(sizes))]
    played = Played(a_goal(*predicates, harness=a_harness()))
    for predicate, size in zip(predicates, sizes, strict=True):
        played.look(predicate.id, failed("exit_code", "x" * min(size, 300), stdout="y" * size))
    end = Conclude(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="because")
    bundle = bundle_of(played.progress, played.vector, end, played.now)
    assert len(msgspec.json.encode(bundle)) <= BYTES_MAX
    assert len(bundle.failing) + bundle.failing_left_out == len(sizes)
    assert len(bundle.failing) <= FAILING_MAX
    assert all(p.evidence or p.is_shortened for p in bundle.failing)
    assert bundle.failing, "something that decided is always there"


def test_the_last_bundle_stays_with_the_goal():
    from kazid.core.event import BundleLeft

    played, end = stuck_service()
    bundle = bundle_of(played.progress, played.vector, end, played.now)
    played.record(BundleLeft(bundle=bundle))
    played.turn()
    played.restart_daemon(down_s=5.0)
    played.looks(FAIL, of="a")
    assert played.progress.bundle == bundle


def test_many_changed_files_are_counted_and_not_all_named() -> None:
    played, end = stuck_service()
    names = {f"f{n:04}" for n in range(CHANGED_MAX + 7)}
    bundle = bundle_of(played.progress, played.vector, end, played.now, changed=names)
    assert (len(bundle.changed or ()), bundle.changed_left_out) == (CHANGED_MAX, 7)
    assert bundle_of(played.progress, played.vector, end, played.now).changed is None


def test_long_names_give_way_before_what_failed_does() -> None:
    played, end = stuck_service()
    names = {f"{n:03}" + "x" * 4000 for n in range(CHANGED_MAX)}
    bundle = bundle_of(played.progress, played.vector, end, played.now, changed=names)
    assert len(msgspec.json.encode(bundle)) <= BYTES_MAX
    assert (bundle.changed, bundle.changed_left_out) == ((), CHANGED_MAX)
    assert bundle.failing


def test_a_green_that_does_not_count_is_not_called_one() -> None:
    played, end = stuck_service()
    played.advance(0.5).look("b", PASS)
    played.record(ReconcileRequested(by="ada"))
    seen = {
        p.id: (p.verdict, p.reason)
        for p in bundle_of(played.progress, played.vector, end, played.now).failing
    }
    assert all(verdict != "pass" for verdict, _ in seen.values()), seen
    parked = parked_bundle(played.goal, played.progress, "boom", played.now).bundle
    assert [p.id for p in parked.failing] == ["a"], "what was last seen, whatever its age"


def test_attempts_that_are_no_longer_kept_are_counted() -> None:
    played, end = stuck_service()
    episode = played.progress.episode
    assert episode is not None
    progress = replace(played.progress, episode=replace(episode, iterations=9, acts=episode.acts[-1:]))
    assert bundle_of(progress, played.vector, end, played.now).tried_left_out == 8
    without = replace(played.progress, episode=None)
    assert bundle_of(without, played.vector, end, played.now).tried_left_out == 0


def test_predicates_give_way_where_their_names_alone_are_too_much() -> None:
    predicates = [a_predicate(f"p{n}-" + "x" * 3000) for n in range(FAILING_MAX)]
    played = Played(a_goal(*predicates, harness=a_harness()))
    for predicate in predicates:
        played.look(predicate.id, failed("exit_code", "no"))
    end = Conclude(status=GoalStatus.STUCK, cause=Cause.NO_PROGRESS, reason="because")
    bundle = bundle_of(played.progress, played.vector, end, played.now)
    assert len(msgspec.json.encode(bundle)) <= BYTES_MAX
    assert 0 < len(bundle.failing) < FAILING_MAX
    assert len(bundle.failing) + bundle.failing_left_out == FAILING_MAX
