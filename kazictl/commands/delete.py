"""`kazictl delete REF`: stop a goal and forget its spec; its events stay for retention."""

from kazictl.session import Session, exit_code_of_change
from kazictl.steering import change_line
from kazictl.targets import goal_target


def run(session: Session) -> int:
    """Delete one goal. Never by label: a mistyped label must not take goals away."""
    reply = session.client().change("DELETE", goal_target(session.arguments.words[0]))
    code = exit_code_of_change(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    session.show([change_line(session, reply.document, done="deleted")])
    return code
