"""`kazictl approvals`: what waits for a person's yes, with the hash to say yes to."""

import time

from kazictl.document import rows
from kazictl.durations import show_duration
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document


def run(session: Session) -> int:
    """Ask once and print."""
    reply = session.client().get(f"{API_PREFIX}/approvals")
    if session.wants_json:
        return session.emit_reply(reply, exit_code=exit_codes.OK)
    waiting = [row for row in rows(reply.document, "approvals") if not row.get("is_met")]
    lines = [line for row in waiting for line in _lines(row)]
    session.show(lines or ["nothing waits for an approval"])
    return exit_codes.OK


def _lines(row: "Document") -> "list[str]":
    plan: Document = row.get("plan") or {}
    given = [str(by) for by in row.get("given") or ()]
    roles = " or ".join(str(role) for role in plan.get("roles") or ())
    left_s = max(0.0, float(plan.get("until") or 0.0) - time.time())
    so_far = f"; said yes: {', '.join(given)}" if given else ""
    told = [
        f"{row.get('ref')}: {plan.get('gate')}: {plan.get('title')}",
        f"  needs {plan.get('count')} of {roles}, not {row.get('owner')}{so_far}; for {show_duration(left_s)}",
    ]
    told += [f"  loosens: {what}" for what in row.get("loosened") or ()]
    argv = " ".join(str(word) for word in plan.get("argv") or ())
    told += [f"  runs: {argv}"] if argv else []
    told.append(f"  kazictl approve {row.get('ref')} --plan {row.get('plan_sha256')}")
    return [("  " if line.startswith("  ") else "") + one_line(line.strip()) for line in told]
