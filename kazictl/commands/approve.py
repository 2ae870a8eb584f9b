"""`kazictl approve REF --plan HASH`: yes to exactly one plan, as `kazictl approvals` shows it."""

from kazictl.session import Session
from kazictl.steering import answer
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Say yes. The goal goes on by itself; what it does next is its own status's to say."""
    plan = session.arguments.texts.get("plan") or ""
    answer(session, "approve", {"plan": plan}, done="approved")
    return exit_codes.OK
