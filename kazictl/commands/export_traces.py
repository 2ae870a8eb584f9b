"""`kazictl export-traces [REF] [--since DUR]`: what every attempt of an agent left, one JSON object a line."""

import time

from kazictl.failure import Failure
from kazictl.session import Session
from kazictl.targets import all_goals, goal_target, query, target_of
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Print the lines as the daemon made them; without REF, those of every goal whose evidence is the caller's."""
    client, arguments = session.client(), session.arguments
    since_s = arguments.seconds.get("since")
    since = None if since_s is None else f"{max(0.0, time.time() - since_s):.3f}"
    suffix = f"/traces{query(since=since)}"
    if arguments.word is not None:
        for line in client.lines(goal_target(arguments.word, suffix)):
            session.show([line.decode()])
        return exit_codes.OK
    for goal in all_goals(client, [])[0]:
        try:
            for line in client.lines(target_of(goal, suffix)):
                session.show([line.decode()])
        except Failure as failure:
            if failure.kind not in (
                "denied",
                "unknown_goal",
            ):  # another's evidence, or gone since it was listed
                raise
    return exit_codes.OK
