"""`kazictl restart`: replace the daemon's process; running attempts go on and are taken over by the new one."""

import time

from kazictl.client import RECONNECT_S, Client
from kazictl.connection import ConnectionLost, Unreachable
from kazictl.failure import Failure
from kazictl.session import Session
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

PAUSE_S = 0.1
ANSWER_S = 5.0


def run(session: Session) -> int:
    """Ask for it, and wait until another process answers."""
    client = session.client()
    before = client.get(f"{API_PREFIX}/info").document.get("started_at")
    reply = client.change("POST", f"{API_PREFIX}/restart", {"reason": "kazictl restart"})
    took_s = _await_successor(client, before)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    session.show([f"kazid restarted in {took_s:.1f} s"])
    return exit_codes.OK


def _await_successor(client: Client, before: object) -> float:
    """Seconds until a daemon answers that started later. Raises Failure (exit 8) when none does."""
    asked_s = time.monotonic()
    while time.monotonic() - asked_s < RECONNECT_S:
        try:
            info = client.get_once(f"{API_PREFIX}/info", timeout_s=ANSWER_S).document
        except (ConnectionLost, Unreachable):
            info = {}
        if info and info.get("started_at") != before:
            return time.monotonic() - asked_s
        time.sleep(PAUSE_S)
    raise Failure(
        f"kazid has not come back after {RECONNECT_S:g} s",
        exit_code=exit_codes.NO_DAEMON,
        kind="no_daemon",
        hint="look at its log; start it with: kazid",
    )
