"""Connections that are kept for the next probe of the same origin, where a probe asks for that.

One for each origin and identity, bounded in number and in idle time. Whoever takes one has it alone; what broke while
nobody looked is found out by its next user, who asks again on a new one.
"""

from typing import NamedTuple

import anyio

from kazid.providers.http_exchange import Conversation
from kazid.providers.http_wire import Wire

KEPT_MAX = 256
IDLE_S_MAX = 120.0
"""Servers close sooner as a rule; a longer interval than this gains nothing from a kept connection."""


class Line(NamedTuple):
    """A connection and the conversation on it."""

    wire: Wire
    conversation: Conversation


class Kept:
    """The connections nobody uses now, the one that was used longest ago first."""

    def __init__(self) -> None:
        self._lines: dict[tuple[object, ...], tuple[float, Line]] = {}

    def take(self, key: tuple[object, ...]) -> Line | None:
        """Return one for this key and keep it no longer."""
        self._close_old()
        found = self._lines.pop(key, None)
        return None if found is None else found[1]

    def put(self, key: tuple[object, ...], line: Line) -> None:
        """Keep it; of two for one key the older one is closed."""
        if (older := self.take(key)) is not None:
            older.wire.close()
        self._lines[key] = (anyio.current_time(), line)
        while len(self._lines) > KEPT_MAX:
            self._close(next(iter(self._lines)))

    def _close_old(self) -> None:
        now_s = anyio.current_time()
        while self._lines:
            key, (since_s, _) = next(iter(self._lines.items()))
            if now_s - since_s < IDLE_S_MAX:
                return
            self._close(key)

    def _close(self, key: tuple[object, ...]) -> None:
        self._lines.pop(key)[1].wire.close()
