"""What holds goals by a person's word: the freeze of all of them, and the suspension of one; they never mix.

The freeze lives in a stream of its own in the journal (`FLEET_UID`), and each goal journals when it reached it, so a
decision still reads nothing but its own goal's fold. Pure; `runtime/fleet.py` records and matches the two. The other
thing in that stream is the incident of common cause (`core/common_incident.py`).
"""

from kazid.core.decision import Guard
from kazid.core.event import FleetFrozen, FleetThawed, Recorded
from kazid.core.ids import GoalUid
from kazid.core.instant import Now
from kazid.core.progress import Desired, Frozen, Progress
from kazid.core.vector import VerdictVector

FLEET_UID = GoalUid("fleet")
"""The stream of what concerns all goals; no goal has this uid."""


def frozen_after(frozen: Frozen | None, record: Recorded) -> Frozen | None:
    """The freeze that stands after this record of the fleet's stream."""
    match record.event:
        case FleetFrozen(reason=reason, until_wall_s=until_wall_s):
            return Frozen(number=record.seq, reason=reason, until_wall_s=until_wall_s)
        case FleetThawed():
            return None
        case _:
            return frozen


def fences(progress: Progress, vector: VerdictVector, now: Now) -> tuple[Guard, ...]:
    """One guard for each of freeze and suspension that stands, with when it expires."""
    guards: list[Guard] = []
    frozen = progress.frozen
    if frozen is not None:
        guards.append(_fence("frozen", frozen.reason, frozen.until_wall_s, vector, now))
    if progress.desired is Desired.SUSPENDED:
        reason = progress.suspend_reason or ""
        guards.append(_fence("suspended", reason, progress.suspend_until_wall_s, vector, now))
    return tuple(guards)


def fence_reason(progress: Progress) -> str:
    """Why it is suspended, the freeze first."""
    own = (progress.suspend_reason or "") if progress.desired is Desired.SUSPENDED else None
    if progress.frozen is None:
        return own or ""
    said = f"frozen: {progress.frozen.reason}"
    return said if own is None else f"{said}; suspended: {own}"


def _fence(name: str, reason: str, until_wall_s: float | None, vector: VerdictVector, now: Now) -> Guard:
    until_s = None if until_wall_s is None else now.boot_s + (until_wall_s - now.wall_s)
    return Guard(name=name, reason=reason, until_s=until_s, predicates=vector.not_green)
