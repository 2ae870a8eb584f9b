"""Seals in the fold: whose change counts, what is named, and the base that never moves."""

from collections.abc import Mapping

import pytest

from kazid.core.event import PredicateObserved
from kazid.core.ids import AttemptId, Generation, PredicateId
from kazid.core.progress import ActSummary, Progress, Seal
from kazid.core.seal import BASE, Broken, base_of, broken, labelled, looked
from kazid.core.status import Cause
from kazid.core.verdict import passed
from tests.builders import a_progress, a_running_act, an_episode

START = {
    "base": "c0ffee",
    "git config": "1",
    "git hooks/x": "1",
    "sealed s": "1",
    "read-only r": "1",
    "outside o": "1",
}


def a_look(seal: Mapping[str, str] | None, *, generation: int = 1) -> PredicateObserved:
    verdict = passed()
    return PredicateObserved(
        predicate_id=PredicateId("p"),
        verdict=verdict,
        started_s=10.0,
        ended_s=11.0,
        generation=Generation(generation),
        seal=seal,
    )


def sealed(**fields: object) -> Progress:
    """A goal whose hashes were taken before any act."""
    return a_progress(seal=Seal(files=START, acts=0), **fields)


def an_act(number: int, rung: str) -> ActSummary:
    return ActSummary(attempt_id=AttemptId("a"), number=number, rung=rung, title="t", predicates=())


DISPATCHED = {"acts": 1, "episode": an_episode(acts=(an_act(1, "harness:claude"),))}
REMEDIED = {"acts": 1, "episode": an_episode(acts=(an_act(1, "remedy:0"),))}


@pytest.mark.parametrize(
    ("fields", "label", "cause"),
    [
        pytest.param({}, "sealed s", Cause.SEAL_BROKEN, id="sealed-by-anybody"),
        pytest.param({}, "git config", Cause.SEAL_BROKEN, id="git-by-anybody"),
        pytest.param({}, "read-only r", None, id="read-only-by-the-owner"),
        pytest.param(REMEDIED, "read-only r", None, id="read-only-after-a-remedy"),
        pytest.param(DISPATCHED, "read-only r", Cause.READ_ONLY_WRITE, id="read-only-after-a-dispatch"),
        pytest.param(DISPATCHED, "outside o", Cause.READ_ONLY_WRITE, id="outside-after-a-dispatch"),
        pytest.param({}, "outside o", None, id="outside-by-the-owner"),
        pytest.param(
            {"act": a_running_act(rung="harness:claude")},
            "outside o",
            Cause.READ_ONLY_WRITE,
            id="while-it-runs",
        ),
        pytest.param(DISPATCHED, BASE, None, id="the-base-is-no-change"),
    ],
)
def test_whose_change_ends_a_goal(fields: dict[str, object], label: str, cause: Cause | None) -> None:
    found = broken(looked(sealed(**fields), a_look({**START, label: "2"})))
    assert (None if found is None else found.cause) == cause


def test_everything_that_was_changed_is_named_by_its_kind() -> None:
    changed = {label: "2" if label != BASE else digest for label, digest in START.items()}
    found = broken(looked(sealed(**DISPATCHED), a_look(changed)))
    assert found == Broken(
        cause=Cause.SEAL_BROKEN,
        reason="sealed inputs changed: s; the repository's settings changed: config, hooks/x; "
        "an agent changed what is read-only: r; an agent changed what is outside its write_paths: o",
    )


def test_a_repository_made_by_the_work_is_no_tampering() -> None:
    progress = a_progress(seal=Seal(files={"sealed s": "1"}, acts=0), **DISPATCHED)
    after = looked(progress, a_look({"sealed s": "1", "git config": "1"}))
    assert broken(after) is None
    assert after.seal is not None
    assert "git config" in after.seal.files, "from now on it is known"


def test_an_owners_edit_is_the_new_measure() -> None:
    edited = looked(sealed(), a_look({**START, "read-only r": "2"}))
    assert broken(edited) is None
    again = looked(edited, a_look(None))
    assert again.seal is not None
    assert again.seal.files["read-only r"] == "2"


def test_a_look_of_another_generation_says_nothing() -> None:
    assert looked(sealed(), a_look({}, generation=2)) == sealed()


def test_a_look_after_a_dispatch_that_found_nothing_changed_clears_the_dispatch() -> None:
    seen = looked(sealed(**DISPATCHED, last_act_ended_s=5.0), a_look(None))
    assert seen.seal is not None
    assert seen.seal.acts == 1
    assert broken(looked(seen, a_look({**START, "read-only r": "2"}))) is None, "that was the owner"


def test_labels_tell_the_kinds_apart_and_the_base_is_found_again() -> None:
    labels = labelled(
        {"f": "1"}, {"f": "2"}, {"f": "3"}, outside={"f": "4"}, goal_file={"f": "5"}, base="c0ffee"
    )
    assert len(labels) == 6
    assert base_of(a_progress(seal=Seal(files=labels, acts=0))) == "c0ffee"
    assert base_of(a_progress()) is None
