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

_NUMBERS = re.compile(r"0x[0-9a-fA-F]+|\d+")
_SPACES = re.compile(r"\s+")


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
    return normalise(f"{verdict.reason} {verdict.detail} {evidence}")


def score(progress: Progress) -> int:
    """How many predicates were seen and were not green: what dispatches are paid to lower."""
    seen = (s for s in progress.predicates.values() if s.verdict is not None)
    return sum(1 for s in seen if s.is_quarantined or (s.verdict and s.verdict.status is not Status.PASS))


def normalise(text: str) -> str:
    """Evidence without what differs from run to run: numbers (times, pids, addresses) and white space."""
    return _SPACES.sub(" ", _NUMBERS.sub("0", text)).strip()


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
