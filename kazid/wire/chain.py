"""The audit trail's chain: each record's hash covers its bytes and the hash before it, so nothing changes unseen.

Known to both sides: the daemon links, and whoever holds an export checks it without trusting the daemon. Who rewrites
everything from some record on makes a sound chain with another head; that is seen where an old head was written down.
The oldest records may be gone where a later one, in the chain itself, says so and carries the hash that they ended
with (`audit.pruned`). Stdlib only.
"""

import hashlib
import json
import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

GENESIS = bytes(32)
"""What stands before the first record."""
_NUMBER = re.compile(rb'\{"number":(\d+),')
_PRUNED = b'"type":"audit.pruned"'
MISSING_MAX = 1000
"""Of a beginning that is missing, more is not listed one by one."""
_LINE = re.compile(rb'\{"hash":"([0-9a-f]{64})","record":(.*)\}')


def link(previous: bytes, record: bytes) -> bytes:
    """The hash of a record behind the one with the hash `previous`."""
    return hashlib.sha256(previous + record).digest()


def exported_line(record: bytes, digest: bytes) -> bytes:
    """A record with its hash, as one line of an export."""
    return b'{"hash":"%b","record":%b}' % (digest.hex().encode(), record)


def parse_line(line: bytes) -> "tuple[bytes, bytes] | None":
    """(record, hash) of an exported line; None when it is none."""
    found = _LINE.fullmatch(line.strip())
    return None if found is None else (found.group(2), bytes.fromhex(found.group(1).decode()))


class ChainCheck:
    """A walk along the chain that finds every damage at its place, and goes on behind it."""

    def __init__(self, *, known: "dict[int, bytes] | None" = None) -> None:
        """`known`: hashes of records that were written down elsewhere."""
        self.records = 0
        self.number = 0
        self.head = GENESIS
        self.problems: list[tuple[int, str]] = []
        self._known = known or {}
        self.pruned_through = 0
        """The last record of a beginning that is gone, with a checkpoint or a hash that was written down."""
        self._first: tuple[int, bytes, bytes] | None = None
        """What the walk begins with, where that is not the first record and nothing vouches for it yet."""
        self._is_anchored = True
        """False right behind a hole: the hash before is not the one that was there."""

    def add(self, number: int, record: bytes, digest: bytes) -> None:
        """The next record, at the place `number`."""
        if self.records == 0 and number > 1 and not self.problems:
            self._begin(number, record, digest)
        elif self._is_sound(number, record, digest):
            if self._first is not None and _PRUNED in record:
                self._take_checkpoint(self._first, record)
            self.records += 1
            self.number = number
            self.head = digest
            self._is_anchored = True
        else:
            self._add_doubtful(number, record, digest)

    def _is_sound(self, number: int, record: bytes, digest: bytes) -> bool:
        """The common case, in as few steps as can be: there are hundreds of thousands of records."""
        return (
            number == self.number + 1
            and number not in self._known
            and hashlib.sha256(self.head + record).digest() == digest
            and record.startswith(b'{"number":%d,' % number)
        )

    def _begin(self, number: int, record: bytes, digest: bytes) -> None:
        """What is before this was pruned, or removed: a checkpoint or a hash that was written down tells."""
        before = self._known.get(number - 1)
        if before is not None and link(before, record) == digest:
            self.number = self.pruned_through = number - 1
            self.head = before
            self._add_doubtful(number, record, digest)
            return
        self._first = (number, record, digest)
        said = _NUMBER.match(record)
        if said is None or int(said.group(1)) != number or number in self._known:
            self.number = number - 1
            self._is_anchored = False
            self._add_doubtful(number, record, digest)
            return
        self.records, self.number, self.head = 1, number, digest

    def _take_checkpoint(self, first: "tuple[int, bytes, bytes]", record: bytes) -> None:
        number, content, digest = first
        try:
            event = json.loads(record)["event"]
            through, before = int(event["through"]), bytes.fromhex(event["hash"])
        except (KeyError, TypeError, ValueError):
            return  # it only looks like one
        if through == number - 1 and link(before, content) == digest:
            self.pruned_through, self._first = through, None
            expected = self._known.get(through)
            if expected is not None and expected != before:
                self.problems.append(
                    (through, "has not the hash that was written down: it was rewritten before it was pruned")
                )

    def _add_doubtful(self, number: int, record: bytes, digest: bytes) -> None:
        for missing in range(self.number + 1, number):
            self.problems.append((missing, "is missing"))
            self._is_anchored = False
        said = _NUMBER.match(record)
        if number <= self.number:
            self.problems.append((number, "comes again"))
        elif said is None or int(said.group(1)) != number:
            what = (
                "is no record" if said is None else f"is not in its place: record {said.group(1).decode()} is"
            )
            self.problems.append((number, what))
            self._is_anchored = False
        elif link(self.head, record) == digest:
            self._is_anchored = True
        elif self._is_anchored:
            self.problems.append((number, "was changed"))
        else:
            self._is_anchored = True
        expected = self._known.get(number)
        if expected is not None and expected != digest:
            self.problems.append(
                (number, "has not the hash that was written down: what is before it was rewritten")
            )
        self.records += 1
        self.number = max(self.number, number)
        self.head = digest

    @classmethod
    def behind(cls, line: bytes) -> "ChainCheck":
        """A walk that begins with this line of an export and takes it at its word, whatever was before it."""
        check = cls()
        parsed = parse_line(line)
        said = None if parsed is None else _NUMBER.match(parsed[0])
        if said is not None:
            check.number = int(said.group(1)) - 1
            check._is_anchored = False
        return check

    def add_lines(self, lines: "Iterator[bytes]") -> None:
        """The records of an export. A line without a number of its own takes the next place."""
        for line in lines:
            if not line.strip():
                continue
            parsed = parse_line(line)
            if parsed is None:
                self.problems.append((self.number + 1, "is no line of an export"))
                continue
            record, digest = parsed
            said = _NUMBER.match(record)
            self.add(self.number + 1 if said is None else int(said.group(1)), record, digest)

    def end(self, *, last: int) -> None:
        """There must be records up to `last`, and all that were written down."""
        if self._first is not None:
            first = self._first[0]
            listed = [(missing, "is missing") for missing in range(1, min(first, MISSING_MAX + 1))]
            if first > MISSING_MAX + 1:
                listed.append((first - 1, f"is missing, and all from {MISSING_MAX + 1} to it"))
            self.problems[:0] = listed
        for pruned in sorted(number for number in self._known if number < self.pruned_through):
            self.problems.append((pruned, "was pruned: verify what was exported then"))
        for missing in sorted({last, *self._known}):
            if missing > self.number:
                self.problems.append((missing, "is missing: the trail ends before it"))
