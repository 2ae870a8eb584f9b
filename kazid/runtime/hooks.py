"""Hooks: whoever knows a token may have one predicate looked at, and learns nothing else.

A token is made from the daemon's own key and the predicate's place (incarnation and id), so it is stored nowhere, stays
the same over restarts and new generations, and ends with the goal. Only its hash is looked up: how long that takes says
nothing of how much of a guess was right. A token is a secret: it is never logged, journalled or listed.
"""

import base64
import hashlib
import hmac
from collections.abc import Callable

from kazid.ports.watcher import WatchKey

KEY_BYTES = 32
HOOKS_MAX = 10_000
"""Of the daemon; about 1 MB."""


class Hooks:
    """Every hook that answers now."""

    def __init__(self, key: bytes) -> None:
        assert len(key) >= KEY_BYTES, "a key that can be guessed guards nothing"
        self._key = key
        self._by_hash: dict[bytes, Callable[[], None]] = {}

    def token(self, key: WatchKey) -> str:
        """The token of this predicate's hook, whether it answers or not."""
        place = f"{key.uid}\0{key.predicate_id}".encode()
        mac = hmac.new(self._key, place, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(mac).decode("ascii").rstrip("=")

    def open(self, key: WatchKey, wake: Callable[[], None]) -> str | None:
        """From now on the hook answers; else why it does not."""
        place = _hash(self.token(key))
        if place not in self._by_hash and len(self._by_hash) >= HOOKS_MAX:
            return f"more than {HOOKS_MAX} hooks; this one does not answer"
        self._by_hash[place] = wake
        return None

    def close(self, key: WatchKey) -> None:
        """The hook answers no more; one that did not is nothing."""
        self._by_hash.pop(_hash(self.token(key)), None)

    def ring(self, token: str) -> bool:
        """Wake whoever this token belongs to; False when it belongs to nobody."""
        wake = self._by_hash.get(_hash(token))
        if wake is None:
            return False
        wake()
        return True


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", errors="surrogatepass")).digest()
