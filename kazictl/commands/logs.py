"""`kazictl logs REF [--attempt N] [--follow] [--stderr]`: the output of one attempt, as text."""

from kazictl.client import Reconnection
from kazictl.connection import ConnectionLost, Unreachable
from kazictl.session import Session
from kazictl.targets import goal_target, query
from kazictl.terminal import plain
from kazid.wire import exit_codes
from kazid.wire.names import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LINE_CHARS_MAX = 65536
"""A line longer than this is shown in parts; an escape sequence never is."""


def run(session: Session) -> int:
    """Print what is there, and with --follow what comes until the attempt ends."""
    arguments = session.arguments
    attempt = arguments.numbers.get("attempt")
    stream = "stderr" if "stderr" in arguments.flags else "stdout"
    follows = "follow" in arguments.flags
    target = goal_target(arguments.words[0], "/log")
    lines = log_lines(session, target, attempt=attempt, stream=stream, follows=follows)
    about = {
        "schema_version": SCHEMA_VERSION,
        "ref": arguments.words[0],
        "attempt": attempt,
        "stream": stream,
    }
    if not session.wants_json:
        for line in lines:
            session.out.text(plain(line))
    elif follows:
        for line in lines:
            session.emit_line({**about, "text": line})
    else:
        return session.emit({**about, "text": "".join(lines)}, exit_code=exit_codes.OK)
    return exit_codes.OK


def log_lines(
    session: Session, target: str, *, attempt: int | None, stream: str, follows: bool
) -> "Iterator[str]":
    """The text, cut at line ends. A followed log that breaks goes on where it broke."""
    from codecs import getincrementaldecoder

    decoder = getincrementaldecoder("utf-8")(errors="replace")
    client = session.client()
    reconnection = Reconnection(client, note=session.note)
    offset = 0
    rest = ""
    while True:
        question = query(attempt=attempt, stream=stream, offset=offset, follow="true" if follows else None)
        try:
            for piece in client.pieces(target + question):
                offset += len(piece)
                reconnection.progressed()
                rest += decoder.decode(piece)
                whole, newline, rest = rest.rpartition("\n")
                yield from _split(whole + newline)
                if len(rest) > LINE_CHARS_MAX:
                    yield rest
                    rest = ""
        except (ConnectionLost, Unreachable):
            reconnection.again()
            continue
        last = rest + decoder.decode(b"", final=True)
        if last:
            yield last if session.wants_json else last + "\n"
        return


def _split(text: str) -> "Iterator[str]":
    """The lines with their ends; only a line feed ends one."""
    if text:
        yield from (line + "\n" for line in text.removesuffix("\n").split("\n"))
