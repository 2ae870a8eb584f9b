"""`kazictl suspend REF --reason TEXT [--for DUR]`: stop acting; observing goes on."""

from kazictl.session import Session
from kazictl.steering import steer


def run(session: Session) -> int:
    """Suspend one goal, or each that -l selects."""
    arguments = session.arguments
    body = {"reason": arguments.texts["reason"], "for_s": arguments.seconds.get("for")}
    return steer(session, "suspend", body, done="suspended")
