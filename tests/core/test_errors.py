"""What the exceptions say, and what they carry for whoever catches them."""

import pytest

from kazid.core.errors import (
    AdmissionRefused,
    Conflict,
    GoalFileError,
    LeaseHeld,
    Problem,
    UnknownGoal,
    first_leaf,
)

PROBLEMS = [Problem(message="no such kind", line=3), Problem(message="no id", key="id")]


@pytest.mark.parametrize("error", [GoalFileError, AdmissionRefused])
def test_a_refusal_names_every_problem(error: type[GoalFileError] | type[AdmissionRefused]):
    raised = error(PROBLEMS)
    assert raised.problems == tuple(PROBLEMS)
    assert str(raised) == "no such kind; no id"
    with pytest.raises(AssertionError, match="names at least one"):
        error([])


def test_errors_carry_what_they_are_about_and_say_it():
    unknown = UnknownGoal("ada/web")
    assert (unknown.ref, str(unknown)) == ("ada/web", "no goal 'ada/web'")
    conflict = Conflict(uid="u1", expected_seq=3, actual_seq=5)
    assert (conflict.uid, conflict.expected_seq, conflict.actual_seq) == ("u1", 3, 5)
    assert str(conflict) == "u1: expected seq 3, journal is at 5"
    held = LeaseHeld(key="tree:/src", holder="ada/web")
    assert (held.key, held.holder, str(held)) == ("tree:/src", "ada/web", "tree:/src is held by ada/web")


def test_the_first_exception_is_found_within_groups_of_groups():
    first, second = ValueError("a"), KeyError("b")
    assert first_leaf(first) is first
    assert first_leaf(ExceptionGroup("outer", [ExceptionGroup("inner", [first, second]), second])) is first
