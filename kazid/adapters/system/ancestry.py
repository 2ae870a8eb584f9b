"""Whether a process belongs to a running attempt: by its environment marker, or by its ancestors'.

An agent is not its owner (SEMANTICS §8), whatever its uid and however deep in the tree it calls from.
"""

from kazid.core.ids import AttemptId
from kazid.shim import proctree
from kazid.shim.protocol import MARKER

DEPTH_MAX = 128


def attempt_of_pid(pid: int) -> AttemptId | None:
    """The attempt this process was started under, None when neither it nor an ancestor carries the marker."""
    for _ in range(DEPTH_MAX):
        if pid <= 1:
            return None
        value = proctree.environment_value(pid, MARKER)
        if value is not None:
            return AttemptId(value)
        parent = proctree.parent(pid)
        if parent is None:
            return None
        pid = parent
    return None
