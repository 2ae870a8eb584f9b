"""`kazictl schema [PROVIDER]`: what a goal-file may hold, or one predicate kind's keys, by the daemon that reads it."""

from kazictl.session import Session
from kazictl.targets import quote
from kazictl.terminal import plain
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX


def run(session: Session) -> int:
    """Print the document, indented for people."""
    kind = session.arguments.word
    reply = session.client().get(f"{API_PREFIX}/schema" + (f"/{quote(kind)}" if kind else ""))
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    from json import dumps

    session.show([plain(dumps(reply.document, ensure_ascii=False, indent=2))])
    return exit_codes.OK
