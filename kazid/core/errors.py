"""The exceptions that mean the environment broke; expected outcomes are values and bugs are assertions.

KazidError
├── GoalFileError       the author's; fix the goal-file (every problem is listed)
├── AdmissionRefused    the author's; the goal loads but may not be stored (names why)
├── UnknownGoal         the caller's; no goal of that name
├── UnknownAttempt      the caller's; the goal has no attempt of that number, or none yet
├── Conflict            nobody's; another writer was first, read again and retry
├── LeaseHeld           nobody's; wait, the holder is named
├── JournalUnavailable  the machine's (disk); the daemon degrades and retries (SEMANTICS §7)
├── JournalUnusable     the machine's (corrupt, newer schema, read-only); the daemon does not start
└── StartRefused        the operator's; one clear line and a non-zero exit
"""

from collections.abc import Sequence
from typing import cast

import msgspec


class KazidError(Exception):
    """Root of everything kazid raises on purpose."""


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing wrong with a goal-file: where, what, and what was probably meant."""

    message: str
    line: int | None = None
    key: str | None = None
    hint: str | None = None


class GoalFileError(KazidError):
    """The goal-file does not load. `problems` has every problem, in line order, never just the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems, "a goal-file error names at least one problem"
        self.problems = tuple(problems)
        super().__init__("; ".join(p.message for p in self.problems))


class AdmissionRefused(KazidError):
    """The goal loads and may not be stored. `problems` says why, each by name."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        assert problems, "a refusal names at least one reason"
        self.problems = tuple(problems)
        super().__init__("; ".join(p.message for p in self.problems))


class UnknownGoal(KazidError):
    """No goal answers to this REF. The caller should run `kazictl list`."""

    def __init__(self, ref: str) -> None:
        self.ref = ref
        super().__init__(f"no goal {ref!r}")


class UnknownAttempt(KazidError):
    """The goal has no attempt of this number, or none at all. `kazictl status REF` lists those it has."""

    def __init__(self, ref: str, number: int | None) -> None:
        self.ref = ref
        self.number = number
        super().__init__(f"{ref} has no attempt {'yet' if number is None else number}")


class Conflict(KazidError):
    """Another writer appended first. Read again; retrying with the new seq is safe."""

    def __init__(self, *, uid: str, expected_seq: int, actual_seq: int) -> None:
        self.uid = uid
        self.expected_seq = expected_seq
        self.actual_seq = actual_seq
        super().__init__(f"{uid}: expected seq {expected_seq}, journal is at {actual_seq}")


class LeaseHeld(KazidError):
    """Someone else works in this workspace. Wait for the holder, who is named."""

    def __init__(self, *, key: str, holder: str) -> None:
        self.key = key
        self.holder = holder
        super().__init__(f"{key} is held by {holder}")


class JournalUnavailable(KazidError):
    """The disk refused a write (full, quota, I/O). Nothing was stored; the daemon degrades and tries again."""


class JournalUnusable(KazidError):
    """The database cannot be used at all: corrupt, read-only, or written by a newer kazid. Does not heal by itself."""


class StartRefused(KazidError):
    """kazid cannot start as asked. The message is the one line the operator sees."""


def first_leaf(error: BaseException) -> BaseException:
    """The exception itself, out of the groups that task groups wrap around it; of several, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = cast("BaseExceptionGroup[BaseException]", error).exceptions[0]
    return error
