"""Exit codes of kazictl, everywhere the same: SEMANTICS §5 as a table. Costs nothing to import."""

OK = 0
ERROR = 1
USAGE = 2
STUCK = 3
OVER_BUDGET = 4
TAMPERED = 5
WAITING = 6
UNDER_WAY = 7
NO_DAEMON = 8
TIMED_OUT = 124
INTERRUPTED = 130

BY_STATUS = {
    "converged": OK,
    "holding": OK,
    "vacuous": ERROR,
    "failed": ERROR,
    "parked": ERROR,
    "stopped": ERROR,
    "stuck": STUCK,
    "contested": STUCK,
    "over_budget": OVER_BUDGET,
    "tampered": TAMPERED,
    "waiting": WAITING,
    "suspended": WAITING,
    "observing": UNDER_WAY,
    "acting": UNDER_WAY,
}
"""What `status REF` exits with, by the goal's status."""

MEANINGS = {
    OK: "converged or holding; or the command did what it says",
    ERROR: "vacuous, failed, parked, stopped; denied, conflict, degraded",
    USAGE: "usage error, invalid file, unknown goal, refused at admission",
    STUCK: "stuck or contested",
    OVER_BUDGET: "over budget",
    TAMPERED: "tampered",
    WAITING: "waiting for a person, or suspended",
    UNDER_WAY: "observing or acting; or not yet acknowledged",
    NO_DAEMON: "no daemon is listening",
    TIMED_OUT: "timed out (the goal goes on)",
    INTERRUPTED: "interrupted with Ctrl-C (detached, the goal goes on)",
}
