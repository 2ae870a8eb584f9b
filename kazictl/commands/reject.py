"""`kazictl reject REF --reason TEXT [--plan HASH]`: no; the goal ends its waiting."""

from kazictl.session import Session
from kazictl.steering import answer
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Say no. Without --plan the one request that stands is meant."""
    texts = session.arguments.texts
    plan = texts.get("plan")
    body = {"reason": texts.get("reason") or ""} | ({"plan": plan} if plan else {})
    answer(session, "reject", body, done="rejected")
    return exit_codes.OK
