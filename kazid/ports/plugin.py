"""A predicate kind that somebody else ships: what an entry point of the group `kazid.providers` names.

The entry point's name is the kind's. `make` is called once, at start, and the provider is shared by all goals.
"""

from collections.abc import Callable

import msgspec

from kazid.ports.catalog import KindSpec
from kazid.ports.provider import Provider

ENTRY_POINTS = "kazid.providers"
"""The entry point group."""


class Plugin(msgspec.Struct, frozen=True, kw_only=True):
    """One kind with its provider."""

    kind: KindSpec
    make: Callable[[], Provider]
    is_network: bool = False
    """True where a look waits for a network and starts no process: it holds a network slot, of which there are more."""
