"""How often each predicate is looked at and how sure one must be: SEMANTICS §2 as a function of what was authored.

A predicate's own keys win over `[observe]`, which wins over the defaults of its kind. Pure; the timers are elsewhere.
"""

from kazid.core.goal import Cadence
from kazid.goalfile.table import Table

LIVE_INTERVAL_S = 30.0
LIVE_DEADLINE_S_MAX = 10.0
LIVE_DEADLINE_SHARE = 0.8
"""Of the interval: a look has to end before the next one is due."""
CODE_INTERVAL_S = 600.0
"""In a standing goal; a one-shot goal looks at code at t0, after every act and on a wake-up."""
CODE_DEADLINE_S = 600.0
CONFIRM = 2
RECOVER = 2
RECHECK_S = 2.0

assert LIVE_DEADLINE_S_MAX <= LIVE_INTERVAL_S * LIVE_DEADLINE_SHARE, (
    "the default deadline ends within the interval"
)


def cadence_of(
    *, live: bool, standing: bool, observe: Table, own: Table, samples_are_native: bool
) -> Cadence:
    """The cadence of one predicate. `own` has its keys, `observe` the goal's.

    `samples_are_native`: the provider itself takes so many samples in one look, so that one green look is enough.
    """
    interval_s = (
        own.seconds("interval")
        or observe.seconds("interval")
        or _default_interval_s(live=live, standing=standing)
    )
    timeout_ms = own.integer("timeout_ms")
    own_deadline_s = None if timeout_ms is None else timeout_ms / 1000
    return Cadence(
        interval_s=interval_s,
        deadline_s=own_deadline_s or observe.seconds("timeout") or _default_deadline_s(interval_s, live=live),
        confirm=(own.integer("confirm") or observe.integer("confirm") or CONFIRM) if live else 1,
        recover=_recover(own, observe, samples_are_native=samples_are_native) if live else 1,
        recheck_s=own.seconds("recheck") or observe.seconds("recheck") or RECHECK_S,
    )


def _default_interval_s(*, live: bool, standing: bool) -> float | None:
    if live:
        return LIVE_INTERVAL_S
    return CODE_INTERVAL_S if standing else None


def _default_deadline_s(interval_s: float | None, *, live: bool) -> float:
    if not live:
        return CODE_DEADLINE_S
    assert interval_s is not None, "live predicates have an interval"
    return min(LIVE_DEADLINE_SHARE * interval_s, LIVE_DEADLINE_S_MAX)


def _recover(own: Table, observe: Table, *, samples_are_native: bool) -> int:
    """Own `recover`, else what own `samples` mean, else the goal's, else two."""
    samples = own.integer("samples")
    implied = samples if samples is None or not samples_are_native else 1
    return own.integer("recover") or implied or observe.integer("recover") or RECOVER
