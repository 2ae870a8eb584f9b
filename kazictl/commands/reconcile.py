"""`kazictl reconcile REF`: look again now. Only wakes: a stop, a suspension or a backoff stays what it is."""

from kazictl.session import Session
from kazictl.steering import steer


def run(session: Session) -> int:
    """Wake one goal, or each that -l selects."""
    return steer(session, "reconcile", done="woken")
