"""Reading the two clocks.

Contract: `now` never steps backwards in boot time; boot time counts suspend; `boot_id` is constant within one boot.
Sleeping is anyio's business, so that a virtual clock moves both.
"""

from typing import Protocol

from kazid.core.instant import Now


class Clock(Protocol):
    """Where times come from. Adapters: the system's clocks; trio's virtual clock in tests."""

    def now(self) -> Now:
        """Both clocks, read at one moment."""
        ...
