"""Content that somebody else keeps putting back: mending it for ever would be a war with a person or another tool.

A red of code whose tree is again what it was before a verified fix is content put back (a file, a setting, a ref).
Five times in an hour, with the same evidence, and the goal stops fixing *that*: `contested`, with the fixes and their
times. Another fault in that hour is still fixed. A process that dies again leaves the tree as the fix left it: that is
a crash loop, which backoff slows and nothing contests (SEMANTICS §4). Pure.
"""

import hashlib
from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core.ids import PredicateId
from kazid.core.instant import Now
from kazid.core.progress import PredicateState, Progress
from kazid.core.stuck import evidence_text
from kazid.core.vector import VerdictVector

TIMES = 5
WINDOW_S = 3600.0
DIGEST_CHARS = 16


def digest_of(state: PredicateState) -> str | None:
    """What a red says and the tree it saw; None where no tree was seen, for then nothing tells who changed what."""
    if state.verdict is None or state.tree is None:
        return None
    text = evidence_text(state.verdict).encode(errors="replace")
    return f"{hashlib.sha256(text).hexdigest()[:DIGEST_CHARS]}@{state.tree}"


def reddened(state: PredicateState, *, ended_s: float) -> PredicateState:
    """After a settled red: is it the very one that a verified fix had ended?"""
    if state.red_since_s is None:
        state = replace(state, red_since_s=ended_s)
    digest = digest_of(state)
    if digest is None:
        return replace(state, red_digest=None)
    if digest != state.mended_digest:
        return replace(state, red_digest=digest)
    kept = tuple(at_s for at_s in state.put_back_s if at_s > ended_s - WINDOW_S)
    return replace(
        state,
        red_digest=digest,
        mended_digest=None,
        put_back_s=(*kept, ended_s)[-TIMES:],
        put_back_digest=digest,
    )


def mended(state: PredicateState) -> PredicateState:
    """After a green that verified a fix: what it mended, where the fix changed the tree."""
    is_content = state.red_digest is not None and not state.red_digest.endswith(f"@{state.tree}")
    return replace(state, mended_digest=state.red_digest if is_content else None, red_digest=None)


def forgotten(state: PredicateState) -> PredicateState:
    """A person looked at it, or the spec is another: the count starts anew."""
    return replace(state, put_back_s=(), put_back_digest=None, mended_digest=None)


def is_contested(state: PredicateState, *, now_s: float) -> bool:
    """Whether the present red was put back so often that fixing it is no use: for as long as it stays red.

    What counts is the hour before it turned red: waiting is no way out, a green or a person is (SEMANTICS §4).
    """
    since_s = now_s if state.red_since_s is None else state.red_since_s
    recent = sum(1 for at_s in state.put_back_s if at_s > since_s - WINDOW_S)
    return recent >= TIMES and state.put_back_digest is not None and state.red_digest == state.put_back_digest


def contested(progress: Progress, vector: VerdictVector, now: Now) -> tuple[PredicateId, ...]:
    """The reds that nobody fixes any more."""
    return tuple(
        r.predicate_id
        for r in vector.readings
        if r.is_red and is_contested(progress.predicate(r.predicate_id), now_s=now.boot_s)
    )


def sentence(progress: Progress, predicates: Sequence[PredicateId], now: Now) -> str:
    """Who fights over what: the predicates, and when each fix was undone (UTC)."""
    parts: list[str] = []
    for predicate_id in predicates:
        times = progress.predicate(predicate_id).put_back_s
        said = ", ".join(_clock(now.wall_s - (now.boot_s - at_s)) for at_s in times)
        parts.append(
            f"{predicate_id} was put back {len(times)} times within an hour of a verified fix ({said})"
        )
    return f"{'; '.join(parts)}: somebody else wants it otherwise"


def _clock(wall_s: float) -> str:
    """The time of day, UTC."""
    second = int(wall_s) % 86_400
    return f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}Z"
