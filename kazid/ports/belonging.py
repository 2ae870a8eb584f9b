"""What a process on the other end of the socket belongs to, as far as the system can tell. A value, no port.

Made by the adapter that reads the process table, judged by the service, which alone knows the live attempts. What a
process says of itself may be forged; so every mark on the way up is kept, nearest first, and the outermost was set by
us.
"""

from collections.abc import Sequence

import msgspec

from kazid.core.ids import AttemptId


class Belonging(msgspec.Struct, frozen=True, kw_only=True):
    """The marks of a process and of all its ancestors up to the daemon or the machine's first process."""

    attempts: Sequence[AttemptId] = ()
    """Attempts that it or an ancestor was started under, nearest first; some may be invented."""
    is_check: bool = False
    """It or an ancestor was started by this daemon to look at a predicate."""
    is_clear: bool = True
    """False: its ancestry could not be read to the end, or it lives in the daemon's own service unit."""
