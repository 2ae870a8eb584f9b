"""`kazictl hook REF [PREDICATE]`: the token of a hook, and how to ring it. The only verb that shows one."""

from kazictl.session import Session
from kazictl.targets import goal_target, query
from kazictl.terminal import one_line
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Ask once and print."""
    words = session.arguments.words
    asked = query(predicate=words[1] if len(words) > 1 else None)
    reply = session.client().get(goal_target(words[0], f"/hook{asked}"))
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    document = reply.document
    path, listen = one_line(document.get("path", "?")), document.get("listen")
    lines = [
        one_line(document.get("token", "?")),
        f"  curl --unix-socket {one_line(document.get('socket', '?'))} -X POST http://kazid{path}",
    ]
    if listen:
        lines.append(f"  curl -X POST http://{one_line(listen)}{path}")
    session.show(lines)
    return exit_codes.OK
