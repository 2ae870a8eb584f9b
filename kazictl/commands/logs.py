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
"""A line longer than this is shown in parts."""
HEADER_ATTEMPT = "kazi-attempt"
GAP_BEFORE, GAP_AFTER = "[kazid: ", " bytes were not kept]"
"""The line, with an empty one before it, that stands for what the daemon dropped."""


def run(session: Session) -> int:
    """Print what is there, and with --follow what comes until the attempt ends."""
    log = _Log(session)
    if not session.wants_json:
        for line in log.lines():
            session.out.text(plain(line))
        return exit_codes.OK
    if log.follows:
        for line in log.lines():
            session.emit_line({**log.about(), "text": line})
        return exit_codes.OK
    text = "".join(log.lines())
    return session.emit({**log.about(), "text": text}, exit_code=exit_codes.OK)


class _Log:
    """One stream of one attempt, and how far it was read."""

    def __init__(self, session: Session) -> None:
        arguments = session.arguments
        self._session = session
        self._reference = arguments.words[0]
        self._attempt = arguments.numbers.get("attempt")
        self._stream = "stderr" if "stderr" in arguments.flags else "stdout"
        self._offset = 0
        self.follows = "follow" in arguments.flags

    def about(self) -> "dict[str, str | int | None]":
        """Which log this is, for programs."""
        return {
            "schema_version": SCHEMA_VERSION,
            "ref": self._reference,
            "attempt": self._attempt,
            "stream": self._stream,
        }

    def lines(self) -> "Iterator[str]":
        """The text, cut at line ends. A log that breaks goes on where it broke, in the same attempt."""
        from codecs import getincrementaldecoder

        decoder = getincrementaldecoder("utf-8")(errors="replace")
        client = self._session.client()
        reconnection = Reconnection(client, note=self._session.note)
        rest = ""
        while True:
            try:
                for piece in client.pieces(self._target(), on_head=self._pin_attempt):
                    self._offset += len(piece)
                    reconnection.progressed()
                    rest += decoder.decode(piece)
                    *whole, rest = rest.split("\n")
                    for line in whole:
                        self._account_for_gap(line)
                        yield line + "\n"
                    if len(rest) > LINE_CHARS_MAX:
                        yield rest
                        rest = ""
            except (ConnectionLost, Unreachable):
                reconnection.again()
                continue
            last = rest + decoder.decode(b"", final=True)
            if last:
                yield last if self._session.wants_json else last + "\n"
            return

    def _target(self) -> str:
        follow = "true" if self.follows else None
        question = query(attempt=self._attempt, stream=self._stream, offset=self._offset, follow=follow)
        return goal_target(self._reference, "/log") + question

    def _pin_attempt(self, fields: "dict[str, str]") -> None:
        """From now on this attempt, also when a newer one begins."""
        number = fields.get(HEADER_ATTEMPT, "")
        if number.isdecimal():
            self._attempt = int(number)

    def _account_for_gap(self, line: str) -> None:
        """Dropped bytes count in the offset; the line that says so does not."""
        dropped = line.removeprefix(GAP_BEFORE).removesuffix(GAP_AFTER)
        if line == f"{GAP_BEFORE}{dropped}{GAP_AFTER}" and dropped.isdecimal():
            self._offset += int(dropped) - len(line) - 2
