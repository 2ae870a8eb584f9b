"""`kazictl stop REF`: end acting and observing; spec and history stay, and apply revives the goal."""

from kazictl.session import Session
from kazictl.steering import steer


def run(session: Session) -> int:
    """Stop one goal, or each that -l selects."""
    return steer(session, "stop", done="stopped")
