"""`kazictl ack REF [--reason TEXT]`: somebody has what the goal stopped for; nobody is reminded of it any more."""

from kazictl.session import Session
from kazictl.targets import goal_target
from kazictl.terminal import one_line
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Acknowledge one goal's alert. The goal stays what it is, so this is no success of the goal's."""
    arguments = session.arguments
    reference = arguments.words[0]
    reply = session.client().change(
        "POST", goal_target(reference, "/ack"), {"reason": arguments.texts.get("reason") or ""}
    )
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    name = one_line(reply.document.get("ref") or reference)
    session.show([f"{name}: acknowledged; still {one_line(reply.document.get('status') or '?')}"])
    return exit_codes.OK
