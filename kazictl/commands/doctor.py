"""`kazictl doctor`: what the daemon's machine has and can enforce, with what to do. Exit 1 when something fails."""

from kazictl.document import rows
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX


def run(session: Session) -> int:
    """Ask once and print. That it answers is the first finding: the socket."""
    reply = session.client().get(f"{API_PREFIX}/doctor")
    findings = rows(reply.document, "findings")
    code = exit_codes.ERROR if any(f.get("state") == "fail" for f in findings) else exit_codes.OK
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    lines = ["ok    socket      the daemon answers"]
    for finding in findings:
        state, name = one_line(finding.get("state") or ""), one_line(finding.get("name") or "")
        lines.append(f"{state:<5} {name:<11} {one_line(finding.get('found') or '')}")
        if finding.get("todo"):
            lines.append(f"      {'':<11} -> {one_line(finding['todo'])}")
    session.show(lines)
    return code
