"""`kazictl restore REF --reason TEXT`: let a goal that was lowered for what its agent did go on as it was."""

from kazictl.session import Session
from kazictl.steering import answer
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Restore it. A goal that stopped meanwhile takes a `resume`, too."""
    answer(session, "restore", {"reason": session.arguments.texts["reason"]}, done="restored")
    return exit_codes.OK
