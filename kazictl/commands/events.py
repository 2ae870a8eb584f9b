"""`kazictl events [REF] [--after OFFSET] [--follow]`: what happened, in commit order.

Without a gap and without a duplicate, also over a daemon that restarts. The offset of the last event resumes a stream
that broke, here and in a script that keeps it for `--after`.
"""

import time
from json import dumps

from kazictl.client import Reconnection
from kazictl.connection import ConnectionLost, Unreachable
from kazictl.decode import decode_object
from kazictl.document import members
from kazictl.failure import Failure
from kazictl.render import value_text
from kazictl.session import Session
from kazictl.targets import query, split_reference
from kazictl.terminal import clip, one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX, SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kazictl.document import Document


def run(session: Session) -> int:
    """Print what is there, and with --follow what comes."""
    arguments = session.arguments
    follows = "follow" in arguments.flags
    goal = None if arguments.word is None else "/".join(split_reference(arguments.word))
    lines = event_lines(session, goal=goal, after=arguments.numbers.get("after"), follows=follows)
    if not session.wants_json:
        for _, event in lines:
            session.show([event_line(event, session.out.width)])
    elif follows:
        for line, _ in lines:
            session.out.document(line)
    else:
        return _emit_document(session, lines)
    return exit_codes.OK


def event_lines(
    session: Session, *, goal: str | None, after: int | None, follows: bool
) -> "Iterator[tuple[bytes, Document]]":
    """Each event, as it came and decoded. A stream that breaks goes on behind the last whole event."""
    client = session.client()
    reconnection = Reconnection(client, note=session.note)
    while True:
        target = f"{API_PREFIX}/events" + query(after=after, goal=goal, follow="true" if follows else None)
        try:
            for line in client.lines(target):
                event = decode_object(line) if line.strip() else {}
                if "offset" in event:  # a heartbeat has none
                    after = event["offset"]
                    reconnection.progressed()
                    yield line, event
        except (ConnectionLost, Unreachable):
            pass
        else:
            if not follows:
                return
        reconnection.again()


def _emit_document(session: Session, lines: "Iterator[tuple[bytes, Document]]") -> int:
    """One document, written as it comes, for a journal may be longer than memory. It is whole however it ends."""
    out = session.out
    first = next(lines, None)  # a refusal raises here, before anything is written
    out.raw(b'{"events": [')
    ending: Document = {"schema_version": SCHEMA_VERSION, "exit_code": exit_codes.OK}
    try:
        if first is not None:
            out.raw(b"\n" + first[0])
        for line, _ in lines:
            out.raw(b",\n" + line)
    except Failure as failure:
        ending = failure.as_document()
    except KeyboardInterrupt:
        ending |= {"error": "interrupted", "exit_code": exit_codes.INTERRUPTED}
    out.raw(b"\n], " + dumps(ending).encode().removeprefix(b"{") + b"\n")
    code: int = ending["exit_code"]
    return code


def event_line(event: "Document", width: int) -> str:
    """`1042  12:31:07  ops/web  act.started  attempt=3 …`."""
    at = event.get("at")
    clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at)) if isinstance(at, int | float) else "?"
    facts = [f"{key}={value_text(value)}" for key, value in members(event, "event").items() if key != "type"]
    name = event.get("goal_id")
    goal = f"{event.get('owner')}/{name}" if name else f"({event.get('uid', '?')}, deleted)"
    return clip(
        one_line(f"{event.get('offset')} {clock} {goal} {event.get('type', '?')} {' '.join(facts)}"), width
    )
