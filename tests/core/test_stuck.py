"""When another dispatch would buy nothing, judged by content (SEMANTICS §4)."""

import msgspec
import pytest

from kazid.core.ids import TreeHash
from kazid.core.instant import Now
from kazid.core.stuck import evidence_text, fingerprint, is_stuck, normalise, score
from kazid.core.vector import assess
from kazid.core.verdict import Verdict, failed
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    WALL_0,
    a_goal,
    a_predicate,
    a_progress,
    a_state,
    an_episode,
)

GOAL = a_goal(a_predicate("a"), a_predicate("b"))


def print_of(a: Verdict = FAIL, b: Verdict = PASS, *, tree: str = "t0") -> str:
    state = {"fails": 1, "passes": 1, "tree": TreeHash(tree)}
    progress = a_progress(states={"a": a_state(a, **state), "b": a_state(b, **state)})
    return fingerprint(progress, assess(GOAL, progress, Now(boot_s=1.0, wall_s=WALL_0)))


def stuck(before: str, now: str, *, score_best: int | None = 1, score: int = 1) -> bool:
    """Each letter is a fingerprint: those before each dispatch, and the one now."""
    return (
        is_stuck(an_episode(fingerprints=tuple(before), score_best=score_best), now, score=score) is not None
    )


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param("", "a", False, id="no-dispatch-yet"),
        pytest.param("a", "a", False, id="one-that-changed-nothing"),
        pytest.param("aa", "a", True, id="two-in-a-row-that-changed-nothing"),
        pytest.param("aa", "b", False, id="the-second-changed-something"),
        pytest.param("ab", "b", False, id="the-first-changed-something"),
        pytest.param("ab", "a", False, id="back-to-where-it-was-once"),
        pytest.param("ab", "c", False, id="two-that-changed-something"),
        pytest.param("abc", "d", True, id="three-in-all"),
        pytest.param("aba", "b", True, id="a-two-cycle"),
    ],
)
def test_two_in_a_row_without_a_new_fingerprint_or_three_in_all(
    before: str, now: str, expected: bool
) -> None:
    assert stuck(before, now) is expected


def test_an_improvement_starts_the_count_again() -> None:
    assert stuck("aa", "a", score_best=2, score=2)
    assert not stuck("aa", "a", score_best=2, score=1)
    assert not stuck("abc", "d", score_best=2, score=1)


@pytest.mark.parametrize(
    ("other", "same"),
    [
        pytest.param(print_of(tree="t1"), False, id="another-tree"),
        pytest.param(print_of(a=failed("unreachable", "why")), False, id="another-detail"),
        pytest.param(print_of(a=failed("other")), False, id="another-reason"),
        pytest.param(print_of(b=FAIL), False, id="another-failing-set"),
        pytest.param(print_of(b=failed("x")), False, id="another-failing-set-with-evidence"),
        pytest.param(print_of(b=ERROR), True, id="an-error-is-not-of-the-failing-set"),
        pytest.param(print_of(), True, id="nothing-else"),
    ],
)
def test_a_fingerprint_is_the_failing_set_its_evidence_and_the_tree(other: str, same: bool) -> None:
    assert (print_of() == other) is same


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("took 12.5 ms", "took 9.25 ms"),
        ("pid 4711", "pid 9"),
        ("object at 0x7f00aB", "object at 0x10"),
        ("a  b\tc ", "a b c"),
        ("took 900ms", "took 1.2 s"),
        ("open /tmp/tmpab_x9k/f", "open /tmp/tmpqz81m_/f"),
        ("/tmp/pytest-of-u/pytest-3/x", "/tmp/pytest-of-u/pytest-11/x"),
        ("object at 7f3a2bdc", "object at 7fee90ac"),
        ("id 3fa85f64-5717-4562-b3fc-2c963f66afa6", "id a1b2c3d4-0000-4f00-8abc-deadbeef0001"),
        ("2026-11-21T05:33:34Z x", "2026-11-21T06:33:35.120Z x"),
        ("Sat Nov 21 05:33:34 x", "Sun Dec  1 05:33:34 x"),
        ("FAILED a\nFAILED b", "FAILED b\n\nFAILED a\n"),
    ],
)
def test_what_differs_from_run_to_run_is_normalised_away(one: str, two: str) -> None:
    assert normalise(one) == normalise(two)
    assert print_of(a=failed("r", one)) == print_of(a=failed("r", two))


def test_evidence_reads_the_same_after_it_went_through_the_journal() -> None:
    verdict = Verdict(
        status=FAIL.status, reason="r", evidence={"b": ("x", ["y"]), "a": {"z": None, "c": True}}
    )
    stored = msgspec.json.decode(msgspec.json.encode(verdict), type=Verdict)
    assert evidence_text(stored) == evidence_text(verdict)


def test_the_score_counts_what_was_seen_and_is_not_green() -> None:
    states = {
        "a": a_state(PASS),
        "b": a_state(FAIL),
        "c": a_state(ERROR),
        "d": a_state(UNKNOWN),
        "e": a_state(None),
    }
    assert score(a_progress(states=states)) == 3
