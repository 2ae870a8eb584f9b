"""`kazictl explain REF`: the last vector, the rule that decided, and what holds the goal until when."""

import time

from kazictl.durations import show_until
from kazictl.goal_view import (
    agent_lines,
    guard_lines,
    headline,
    notices,
    predicate_lines,
    step_lines,
    watch_lines,
)
from kazictl.session import Session
from kazictl.targets import goal_target
from kazictl.terminal import one_line
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Ask once and print. Explaining succeeded whatever the goal's status: exit 0."""
    reply = session.client().get(goal_target(session.arguments.words[0], "/explain"))
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    document, wall_s = reply.document, time.time()
    lines = [headline(document, session.out, wall_s), f"  decided: {one_line(document.get('decision', '?'))}"]
    guards = guard_lines(document, wall_s)
    lines += ["", session.out.paint("Held by", "bold"), *guards] if guards else ["  nothing holds it"]
    wake_at = document.get("next_wake_at")
    if isinstance(wake_at, int | float):
        lines.append(f"  decides again {show_until(wake_at - wall_s)}")
    lines += agent_lines(document)
    lines += watch_lines(document, session.out, wall_s)
    lines += [f"  {notice}" for notice in notices(document)]
    lines += ["", *predicate_lines(document, session.out, wall_s), *step_lines(document, session.out)]
    session.show(lines)
    return exit_codes.OK
