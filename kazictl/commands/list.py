"""`kazictl list [-l KEY=VALUE]`: every goal in one row. Always exit 0: a red goal is no failure of listing it."""

import time

from kazictl.session import Session
from kazictl.targets import all_goals
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document
    from kazictl.terminal import Terminal


def run(session: Session) -> int:
    """Ask once and print."""
    return show_goals(session, labels=session.arguments.labels)


def show_goals(session: Session, *, labels: list[str]) -> int:
    """Print the goals with these labels; a list of several pages becomes one document."""
    goals, reply = all_goals(session.client(), labels)
    if session.wants_json:
        if len(goals) == len(reply.document.get("goals") or ()):
            return session.emit_reply(reply, exit_code=exit_codes.OK)
        return session.emit({**reply.document, "goals": goals, "next": None}, exit_code=exit_codes.OK)
    session.show(list_lines(goals, session.out, warnings=warnings_of(reply.document), labels=labels))
    return exit_codes.OK


def warnings_of(document: "Document") -> list[str]:
    """What holds more than one goal, in a line each."""
    from kazictl.terminal import one_line

    told = [one_line(notice) for notice in document.get("notices") or ()]
    if document.get("degraded"):
        told.append("kazid is degraded: its disk refuses writes, so nothing acts (kazictl info)")
    return told


def list_lines(
    goals: "list[Document]", terminal: "Terminal", *, warnings: list[str], labels: list[str]
) -> list[str]:
    """What `list`, `status` and `watch` show of all goals."""
    from kazictl.goal_view import summary_lines
    from kazictl.render import plural

    if not goals:
        return [
            *warnings,
            f"no goals with {' '.join(labels)}"
            if labels
            else "no goals; submit one: kazictl apply GOAL.toml",
        ]
    counts: dict[str, int] = {}
    for goal in goals:
        status = str(goal.get("status"))
        counts[status] = counts.get(status, 0) + 1
    total = ", ".join(f"{count} {status}" for status, count in sorted(counts.items()))
    return [
        *warnings,
        *summary_lines(goals, terminal, time.time()),
        "",
        f"{plural(len(goals), 'goal')}: {total}",
    ]
