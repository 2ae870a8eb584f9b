"""Whether a decision still stands when the event that carries it is about to be recorded.

An append waits for its turn; while it waits somebody may suspend the goal, change its spec, or see a red turn green.
So the question that was decided is asked again under the state's lock: nothing is recorded on an answer of the past.
"""

from collections.abc import Callable

from msgspec.structs import replace

from kazid.core.decide import decide
from kazid.core.decision import Ask, Decision, Hold, Look
from kazid.core.instant import Now
from kazid.core.progress import Progress
from kazid.core.vector import assess
from kazid.runtime.state import GoalState


def still_stands(decision: Decision, state: GoalState) -> Callable[[Progress, Now], bool]:
    """An `only_if` for `GoalState.record`."""

    def stands(progress: Progress, now: Now) -> bool:
        again = decide(state.spec, progress, assess(state.spec, progress, now), now)
        return _essence(again) == _essence(decision)

    return stands


def _essence(decision: Decision) -> object:
    """What of a decision its event carries: of a Hold the status, for reasons and times move with every look."""
    match decision:
        case Hold():
            return (decision.status, decision.cause)
        case Look():
            return (decision.hold.status, decision.hold.cause)
        case Ask():
            return replace(decision.plan, until_wall_s=0.0)
        case _:
            return decision
