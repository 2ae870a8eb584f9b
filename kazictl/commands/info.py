"""`kazictl info`: the daemon about itself."""

import time

from kazictl.document import members, number
from kazictl.durations import show_duration
from kazictl.render import fields
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX


def run(session: Session) -> int:
    """Ask once and print."""
    reply = session.client().get(f"{API_PREFIX}/info")
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    document = reply.document
    goals = members(document, "goals")
    started_at = number(document, "started_at")
    pairs = [(name, one_line(document.get(name) or "")) for name in ("version", "pid", "mode", "socket")]
    pairs += [
        ("state", one_line(document.get("state_dir") or "")),
        ("settings", one_line(document.get("settings_file") or "defaults")),
        ("up", show_duration(int(time.time() - started_at)) if started_at is not None else ""),
        (
            "goals",
            ", ".join(f"{count} {one_line(status)}" for status, count in sorted(goals.items())) or "none",
        ),
        ("frozen", one_line(document.get("frozen") or "")),
        ("incident", one_line(document.get("incident") or "")),
        ("degraded", one_line(document.get("degraded") or "")),
    ]
    session.show(fields(session.out, pairs))
    return exit_codes.OK
