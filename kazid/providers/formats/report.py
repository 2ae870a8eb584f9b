"""What every reader of a report gives: its findings, how much it counted, and whether it can be believed.

A reader is pure and raises nothing. A report that is cut, empty, contradicts itself or says that its tool died is not
believed: `reason` says why in a word, `note` in a sentence, and no provider makes a green of it.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

import msgspec

from kazid.core.json import Json, JsonObject
from kazid.core.verdict import Finding
from kazid.providers.evidence import shortened

FINDINGS_MAX = 100
"""Kept of one look; the total is told. Nobody repairs a hundred things at once."""

MESSAGE_CHARS_MAX = 1000
_PLACE = re.compile(r"(?<![^\s:()'\"<>])(?:file://)?(/?[^\s:()'\"<>]{1,400}):([0-9]{1,8})(?::([0-9]{1,8}))?")
NOTHING: JsonObject = {}


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. `total` counts all findings, `findings` holds the first."""

    findings: Sequence[Finding] = ()
    total: int = 0
    tests: int | None = None
    skipped: int | None = None
    suppressed: int = 0
    """Complaints that somebody waived where they are; they do not count."""
    reason: str | None = None
    note: str | None = None

    @property
    def is_believed(self) -> bool:
        """True when it was read to its end and says that something was looked at."""
        return self.reason is None


def report_of(findings: Iterable[Finding]) -> Report:
    """A believed report of these findings; it counts all and keeps the first."""
    stream = iter(findings)
    kept = list(islice(stream, FINDINGS_MAX))
    return Report(findings=kept, total=len(kept) + sum(1 for _ in stream))


def disbelieved(reason: str, note: str, report: Report | None = None) -> Report:
    """The report, with why it is not believed; what was told first stands."""
    report = report or Report()
    return report if report.reason else msgspec.structs.replace(report, reason=reason, note=note)


def without_tests(report: Report, what: str) -> Report:
    """The report, not believed where no test ran: nothing tested is nothing shown."""
    ran = (report.tests or 0) - (report.skipped or 0)
    if report.tests == 0:
        return disbelieved("no_tests", f"the {what} report has no test case", report)
    if ran <= 0 and not report.total:
        return disbelieved("no_tests", f"all {report.tests} tests of the {what} report were skipped", report)
    return report


def place_in(text: str) -> tuple[str, int, int | None] | None:
    """The last `file:line[:column]` of a trace that is a file's with an ending, or None."""
    places = [m for m in _PLACE.finditer(text[-MESSAGE_CHARS_MAX * 4 :]) if "." in m[1].rpartition("/")[2]]
    if not places:
        return None
    last = places[-1]
    return last[1], int(last[2]), int(last[3]) if last[3] else None


def text_of(value: Json) -> str | None:
    """A text that is one, bounded."""
    return shortened(value, MESSAGE_CHARS_MAX) if isinstance(value, str) and value else None


def integer_of(value: Json) -> int | None:
    """A whole number of a document, also where it is written as text; never a boolean."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        return int(value)
    is_number = isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**9
    return value if is_number and isinstance(value, int) else None


def objects_of(value: Json) -> list[JsonObject]:
    """The objects of a list; what is none is left out."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def object_of(value: Json) -> JsonObject:
    """The object, or an empty one."""
    return value if isinstance(value, Mapping) else NOTHING
