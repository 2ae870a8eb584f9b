"""Authored options as typed values, and the deadline they leave: what every provider does first.

The loader has checked the shapes already. A stored goal of another version may still hold anything, so a wrong type
is the verdict `error: invalid_config`, and nothing here raises.
"""

from collections.abc import Mapping
from typing import TypeVar

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Verdict, errored
from kazid.ports.provider import Look

OBSERVATION_KEYS = frozenset({"confirm", "interval", "live", "recheck", "recover", "timeout"})
"""Keys of the predicate that say how it is looked at; they are the daemon's and no option of any provider."""

DEADLINE_SHARE = 0.95
DEADLINE_MARGIN_S_MAX = 0.5
"""What ends at the deadline must be killed or closed before it, or the observer's own deadline is the answer."""

_Options = TypeVar("_Options", bound=msgspec.Struct)


def read_options(options: Mapping[str, Json], into: type[_Options]) -> _Options | Verdict:
    """Return the options as this Struct, or the ERROR that says what is wrong with them."""
    own = {key: value for key, value in options.items() if key not in OBSERVATION_KEYS}
    try:
        return msgspec.convert(own, into)
    except (msgspec.ValidationError, RecursionError) as error:
        return errored("invalid_config", str(error))


def allowed_s(timeout_ms: int | None, look: Look) -> float:
    """Return how long one look may take: the authored timeout, but never past the deadline of the observation."""
    ends_s = max(look.deadline_s * DEADLINE_SHARE, look.deadline_s - DEADLINE_MARGIN_S_MAX)
    return ends_s if timeout_ms is None else min(timeout_ms / 1000, ends_s)
