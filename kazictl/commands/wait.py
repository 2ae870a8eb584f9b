"""`kazictl wait REF --for STATE --timeout DUR`: 0 when it holds, 124 at the timeout.

The goal's own code as soon as STATE cannot come without a person. The daemon does the waiting; it answers early when it
goes down for a restart, and then it is asked again.
"""

import time

from kazictl.arguments import usage_error
from kazictl.client import Client, Reply, gone
from kazictl.connection import ConnectionLost, DeadlinePassed, Unreachable
from kazictl.session import Session, exit_code_of
from kazictl.targets import goal_target, query
from kazid.wire import exit_codes

PER_REQUEST_S = 3600.0
"""One question lasts at most so long; without --timeout it is asked again."""
GRACE_S = 10.0
"""The daemon keeps the time; the client gives up only when it is this late."""
PAUSE_S = 0.2


def run(session: Session) -> int:
    """Wait, and print the goal as it stands at the end."""
    arguments = session.arguments
    wanted = arguments.texts.get("for", "converged")
    if wanted not in exit_codes.BY_STATUS:
        from difflib import get_close_matches

        close = get_close_matches(wanted, exit_codes.BY_STATUS, n=1)
        known = " ".join(exit_codes.BY_STATUS)
        raise usage_error(
            f"--for {wanted}: no such status", hint=f"did you mean {close[0]}?" if close else known
        )
    reply = wait_for(
        session.client(), goal_target(arguments.words[0]), wanted, timeout_s=arguments.seconds.get("timeout")
    )
    code = exit_code_of(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    from kazictl.goal_view import outcome_line

    document = reply.document
    if document.get("problem") == "unreachable":
        session.note(f"kazictl: {wanted} cannot come without a person")
        document = {**document, "problem": None}
    elif document.get("problem") == "timeout":
        session.note(f"kazictl: timed out before it was {wanted}; the goal goes on")
        document = {**document, "problem": None}
    session.show([outcome_line(document, session.out)])
    return code


def wait_for(client: Client, target: str, wanted: str, *, timeout_s: float | None) -> Reply:
    """The daemon's last word. Asks again while it says `timeout` before ours is over, also across a restart."""
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left_s = (
            PER_REQUEST_S
            if deadline_s is None
            else min(PER_REQUEST_S, max(0.0, deadline_s - time.monotonic()))
        )
        question = query(for_=wanted, timeout_s=f"{left_s:.3f}")
        try:
            reply = client.get_once(f"{target}/wait{question}", timeout_s=left_s + GRACE_S)
        except (ConnectionLost, Unreachable):
            try:
                client.await_daemon(deadline_s=deadline_s)
            except DeadlinePassed:
                raise gone(client.path, exit_code=exit_codes.TIMED_OUT, kind="timeout") from None
            continue
        is_over = deadline_s is not None and time.monotonic() >= deadline_s
        if reply.document.get("problem") != "timeout" or is_over:
            return reply
        time.sleep(PAUSE_S)
