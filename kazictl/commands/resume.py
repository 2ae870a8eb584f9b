"""`kazictl resume REF --reason TEXT`: act again; a goal that had stopped by itself gets fresh counters."""

from kazictl.session import Session
from kazictl.steering import steer


def run(session: Session) -> int:
    """Resume one goal, or each that -l selects."""
    return steer(session, "resume", {"reason": session.arguments.texts["reason"]}, done="resumed")
