"""What a push leads to: one look soon, however many pushes there were, and ever fewer looks for a storm without news.

A push carries nothing. The first few are answered at once; then a bucket refills once a second, more slowly for looks
that take long, and twice as slowly each time that a look it led to found nothing new, down to one look in half a
minute, which is what polling does by itself. A push that comes during a look asks for one more; after two such looks in
a row the verdict stands (SEMANTICS §2). In memory only: after a restart everything is looked at anyway. Pure.
"""

import msgspec
from msgspec.structs import replace

LOOKS_AT_ONCE = 3
"""A service that is restarted says so by a few files and processes at a time."""
REFILL_S = 1.0
REFILL_S_MAX = 32.0
"""About the interval of a live predicate: a storm costs no more than polling twice as often."""
TOOK_SHARE = 4.0
"""Looks that are asked for by pushes fill at most a quarter of the time."""
DISTURBED_MAX = 2
"""Looks in a row during which a push came; after that the verdict stands (SEMANTICS §2)."""

assert REFILL_S < REFILL_S_MAX


class Pushed(msgspec.Struct, frozen=True, kw_only=True):
    """What pushes of one predicate add up to. `owed_s`: when the first push came that no look has answered."""

    owed_s: float | None = None
    tokens: float = float(LOOKS_AT_ONCE)
    counted_s: float = 0.0
    """When `tokens` were so many."""
    refill_s: float = REFILL_S
    disturbed: int = 0
    pushes: int = 0
    looks: int = 0
    """Looks that answered some."""
    last_s: float | None = None
    """When the last push came."""


def pushed(state: Pushed, now_s: float) -> Pushed:
    """One more push."""
    owed_s = now_s if state.owed_s is None else state.owed_s
    return replace(state, owed_s=owed_s, pushes=state.pushes + 1, last_s=now_s)


def due_s(state: Pushed) -> float | None:
    """When the look is due that answers what is owed; None when nothing is."""
    if state.owed_s is None:
        return None
    missing = max(0.0, 1.0 - state.tokens)
    return max(state.owed_s, state.counted_s + missing * state.refill_s)


def looked(state: Pushed, *, began_s: float, ended_s: float, has_news: bool) -> Pushed:
    """A look ended, whoever asked for it. `has_news`: it said something else than the one before."""
    if state.owed_s is None:
        return replace(state, disturbed=0) if state.disturbed else state
    if state.owed_s > began_s:
        return replace(state, disturbed=state.disturbed + 1)
    state = _refilled(state, began_s)
    slower_s = REFILL_S if has_news else min(REFILL_S_MAX, 2 * state.refill_s)
    is_disturbed = state.last_s is not None and state.last_s > began_s
    return replace(
        state,
        owed_s=state.last_s if is_disturbed else None,
        tokens=max(0.0, state.tokens - 1.0),
        refill_s=max(slower_s, TOOK_SHARE * (ended_s - began_s)),
        disturbed=state.disturbed + 1 if is_disturbed else 0,
        looks=state.looks + 1,
    )


def is_awaited(state: Pushed) -> bool:
    """Whether an end waits for the look that is owed: a pass that began before a push is not causal (SEMANTICS §2)."""
    return state.owed_s is not None and state.disturbed < DISTURBED_MAX


def _refilled(state: Pushed, now_s: float) -> Pushed:
    """The tokens as of now; full again, a storm is forgotten."""
    gained = max(0.0, now_s - state.counted_s) / state.refill_s
    tokens = min(float(LOOKS_AT_ONCE), state.tokens + gained)
    is_quiet = tokens >= LOOKS_AT_ONCE
    return replace(state, tokens=tokens, counted_s=now_s, refill_s=REFILL_S if is_quiet else state.refill_s)
