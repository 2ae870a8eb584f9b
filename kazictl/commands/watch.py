"""`kazictl watch [REF]`: one goal, or all of them, redrawn in place until Ctrl-C.

Where no cursor moves (no terminal, TERM=dumb) a snapshot is printed at each change; under --json one document a line.
A poll a second: the daemon answers from memory, and a poll cannot miss the end of a restart.
"""

import signal
import time

from kazictl.client import RECONNECT_S, Client
from kazictl.commands.list import list_lines, warnings_of
from kazictl.failure import Failure
from kazictl.goal_view import fingerprint, goal_lines
from kazictl.session import Session
from kazictl.targets import all_goals, goal_target
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

POLL_S = 1.0
ENTER = "\x1b[?1049h\x1b[?25l"
LEAVE = "\x1b[?25h\x1b[?1049l"
"""The alternate screen without a cursor, and back: what stood there before is there again."""
HOME, TO_LINE_END, TO_SCREEN_END = "\x1b[H", "\x1b[K", "\x1b[J"


def run(session: Session) -> int:
    """Watch until Ctrl-C (130), or until the daemon has been away for too long (8)."""
    watcher = _Watcher(session)
    if watcher.redraws:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # the screen is given back then, too
        session.out.text(ENTER)
        try:
            watcher.watch()
        except KeyboardInterrupt:
            pass
        finally:
            session.out.text(LEAVE)
            session.show(watcher.last_frame)
    else:
        try:
            watcher.watch()
        except KeyboardInterrupt:
            pass
    return exit_codes.INTERRUPTED


class _Watcher:
    """What was shown last, and how to show the next."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._client: Client = session.client()
        self._told: object = None
        self._lost_s: float | None = None
        self.redraws = session.out.takes_sequences and not session.wants_json
        self.last_frame: list[str] = []

    def watch(self) -> None:
        """Look and show, for ever. Raises Failure for what a second look will not mend."""
        while True:
            try:
                self._show(self._look())
                self._lost_s = None
            except Failure as failure:
                if failure.exit_code != exit_codes.NO_DAEMON or self._is_lost_for_good():
                    raise
                self._say_lost()
            time.sleep(POLL_S)

    def _look(self) -> "Document":
        reference = self._session.arguments.word
        if reference is not None:
            return self._client.get(goal_target(reference)).document
        goals, reply = all_goals(self._client, [])
        return {**reply.document, "goals": goals, "next": None}

    def _show(self, document: "Document") -> None:
        session = self._session
        is_list = "goals" in document
        if not self.redraws:
            goals = document["goals"] if is_list else [document]
            told = [(goal.get("ref"), goal.get("green"), fingerprint(goal)) for goal in goals]
            if told == self._told:
                return
            self._told = told
        if session.wants_json:
            session.emit_line(document)
            return
        if is_list:
            frame = list_lines(document["goals"], session.out, warnings=warnings_of(document), labels=[])
        else:
            frame = goal_lines(document, session.out, time.time())
        if self.redraws:
            self._draw(frame)
        else:
            session.show([time.strftime("%H:%M:%S"), *frame, ""])
        self.last_frame = frame if self.redraws else []

    def _draw(self, frame: list[str]) -> None:
        """Over the frame before, line by line, so that nothing flickers."""
        out = self._session.out
        room = max(1, out.height - 1)
        shown = frame if len(frame) <= room else [*frame[: room - 1], f"… {len(frame) - room + 1} more lines"]
        out.text(HOME + "".join(line + TO_LINE_END + "\r\n" for line in shown) + TO_SCREEN_END)

    def _is_lost_for_good(self) -> bool:
        now_s = time.monotonic()
        self._lost_s = self._lost_s or now_s
        return now_s - self._lost_s >= RECONNECT_S

    def _say_lost(self) -> None:
        message = "lost the daemon; trying again"
        if self.redraws:
            self._draw([message, "", *self.last_frame])
        else:
            self._session.note(f"kazictl: {message}")
