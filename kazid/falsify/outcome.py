"""What a command can end with: the codes it may fall through with and those it may end the script with. Pure.

`None` stands for any code. A `Note` says why a code is certain, and travels with it to the end of the script.
"""

from typing import Literal, TypeAlias

import msgspec

Codes: TypeAlias = frozenset[int] | None
Severity: TypeAlias = Literal["refuse", "doubt"]

ANY: Codes = None
NEVER: frozenset[int] = frozenset()
ZERO: frozenset[int] = frozenset({0})


class Note(msgspec.Struct, frozen=True):
    """Why a check cannot be red: which rule, how sure, the sentence, and what to write instead."""

    code: str
    why: str
    instead: str
    severity: Severity = "refuse"

    def doubted(self) -> "Note":
        """The same, less sure."""
        return msgspec.structs.replace(self, severity="doubt")


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`falls`: with which codes it goes on. `exits`: with which it ends the script. Empty: it never does."""

    falls: Codes = ANY
    exits: Codes = NEVER
    note: Note | None = None

    @property
    def all_codes(self) -> Codes:
        """Everything it may end with, for whoever sees only its end."""
        return union(self.falls, self.exits)

    @property
    def is_certain_zero(self) -> bool:
        """True when it goes on, always, and always as a success."""
        return self.falls == ZERO and self.exits == NEVER


UNKNOWN = Outcome()


def constant(code: int, note: Note | None = None) -> Outcome:
    """Always this code."""
    return Outcome(falls=frozenset({code}), note=note)


def union(a: Codes, b: Codes) -> Codes:
    """Either of them."""
    return None if a is None or b is None else a | b


def may_fail(codes: Codes) -> bool:
    """True when a code other than zero is possible."""
    return codes is None or bool(codes - ZERO)


def may_succeed(codes: Codes) -> bool:
    """True when zero is possible."""
    return codes is None or 0 in codes


def weaker(note: Note, *others: Note | None) -> Note:
    """The note, as sure as the least sure of all."""
    return note.doubted() if any(o is not None and o.severity == "doubt" for o in others) else note
