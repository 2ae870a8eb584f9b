"""`kazictl status [REF]`: one goal whole, exiting with its status; without REF all goals, exit 0."""

import time

from kazictl.commands.list import show_goals
from kazictl.session import Session, exit_code_of
from kazictl.targets import goal_target


def run(session: Session) -> int:
    """Ask once and print."""
    reference = session.arguments.word
    if reference is None:
        return show_goals(session, labels=[])
    reply = session.client().get(goal_target(reference))
    code = exit_code_of(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    from kazictl.goal_view import goal_lines

    session.show(goal_lines(reply.document, session.out, time.time()))
    return code
