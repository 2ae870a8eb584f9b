"""When paying for another dispatch would buy nothing: no progress, judged by content.

A fingerprint is the failing set, its normalised evidence and the workspace's tree, taken before each dispatch. Two
dispatches in a row that led to no new fingerprint, or three in all since the score last improved, end it (SEMANTICS
§4). Restarts, pauses and alternating edits do not reset it, because content repeats and time does not count.
"""

import hashlib
import re
from collections.abc import Sequence

import msgspec

from kazid.core.progress import Episode, Progress
from kazid.core.vector import VerdictVector
from kazid.core.verdict import Status, Verdict

REPEATS_MAX = 2
DISPATCHES_WITHOUT_IMPROVEMENT_MAX = 3

_TEMPORARY = re.compile(r"(/(?:tmp|var/tmp|run/user/\d+)/)[^/\s\"':,;)]+")
"""The first folder beneath a temporary one has a name of its own in every run."""
_UUIDS = re.compile(r"\b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b")
_DAYS = re.compile(r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?=\w{3} +\d|\d)")
_MONTHS = re.compile(r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(?= +\d| \d{4})")
_HEX = re.compile(r"\b(?=[0-9a-f]*\d)(?=[0-9a-f]*[a-f])[0-9a-f]{8,}\b")
_NUMBERS = re.compile(r"(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)*)(?: ?(?:ns|us|µs|ms|min|s|m|h)\b)?")
_SPACES = re.compile(r"\s+")
_LINES = re.compile(r"\n|\\n")
"""Of a text, and of a text inside JSON."""
_NORMALISED = (
    (_TEMPORARY, r"\1*"),
    (_UUIDS, "0"),
    (_DAYS, ""),
    (_MONTHS, "0"),
    (_HEX, "0"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?"), "0"),
    (_NUMBERS, "0"),
)


def fingerprint(progress: Progress, vector: VerdictVector) -> str:
    """The state as a dispatch would find it: same content, same fingerprint."""
    digest = hashlib.sha256()
    for reading in vector.readings:
        if not reading.is_red:
            continue
        text = evidence_text(reading.verdict)
        tree = progress.predicate(reading.predicate_id).tree or ""
        digest.update(f"{reading.predicate_id}\x1f{text}\x1f{tree}\x1e".encode(errors="replace"))
    return digest.hexdigest()[:16]


def evidence_text(verdict: Verdict) -> str:
    """Why a verdict is what it is, normalised; the same before and after it went through the journal."""
    evidence = msgspec.json.encode(verdict.evidence, order="deterministic").decode()
    return normalise(f"{verdict.reason}\n{verdict.detail}\n{evidence}")


def score(progress: Progress) -> int:
    """How many predicates were seen and were not green: what dispatches are paid to lower."""
    seen = (s for s in progress.predicates.values() if s.verdict is not None)
    return sum(1 for s in seen if s.is_quarantined or (s.verdict and s.verdict.status is not Status.PASS))


def normalise(text: str) -> str:
    """Evidence without what differs from run to run: times, pids, addresses, temporary names, the order of lines.

    Numbers go too, counts among them: how many fail is the score's, and of code the tree tells the rest.
    """
    for pattern, instead in _NORMALISED:
        text = pattern.sub(instead, text)
    lines = (_SPACES.sub(" ", line).strip() for line in _LINES.split(text))
    return "\n".join(sorted(line for line in lines if line))


def is_stuck(episode: Episode, current: str, *, score: int) -> str | None:
    """The reason why another dispatch is pointless, None when it is not. `current` is the fingerprint now."""
    before = episode.fingerprints
    if episode.score_best is not None and score < episode.score_best:
        return None
    if len(before) >= DISPATCHES_WITHOUT_IMPROVEMENT_MAX:
        return f"{len(before)} dispatches since the last improvement"
    if _repeats(before, current) >= REPEATS_MAX:
        return f"{REPEATS_MAX} dispatches in a row changed nothing that matters"
    return None


def _repeats(before: Sequence[str], current: str) -> int:
    """How many of the last dispatches in a row led to a fingerprint that had been there already."""
    states = [*before, current]
    count = 0
    for position in range(len(states) - 1, 0, -1):
        if states[position] not in states[:position]:
            break
        count += 1
    return count
