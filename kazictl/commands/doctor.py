"""`kazictl doctor`: what the daemon's machine has and can enforce, with what to do. Exit 1 when something fails.

And the agents on the caller's PATH, with the login that a dispatch of each would use: those are the caller's to mend.
"""

from kazictl.document import entries, rows
from kazictl.failure import Failure
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document


def run(session: Session) -> int:
    """Ask once and print. That it answers is the first finding: the socket."""
    reply = session.client().get(f"{API_PREFIX}/doctor")
    findings = rows(reply.document, "findings")
    agents = _agents(session)
    code = exit_codes.ERROR if any(f.get("state") == "fail" for f in findings) else exit_codes.OK
    if session.wants_json:
        return session.emit({**reply.document, "agents": agents}, exit_code=code)
    lines = ["ok    socket      the daemon answers"]
    for finding in [*findings, *agents]:
        state, name = one_line(finding.get("state") or ""), one_line(finding.get("name") or "")
        lines.append(f"{state:<5} {name:<11} {one_line(finding.get('found') or '')}")
        if finding.get("todo"):
            lines.append(f"      {'':<11} -> {one_line(finding['todo'])}")
    session.show(lines)
    return code


def _agents(session: Session) -> "list[Document]":
    """The default agent, and every other that is on the caller's PATH."""
    import shutil

    try:
        items = rows(session.client().get(f"{API_PREFIX}/harnesses").document, "harnesses")
    except Failure:
        return []  # an older daemon, or somebody without a role
    found: list[Document] = []
    for item in items:
        command = item.get("command")
        path = shutil.which(command) if isinstance(command, str) and command else None
        if path is not None or item.get("is_default"):
            found.append(_agent(item, path))
    return found


def _agent(item: "Document", path: str | None) -> "Document":
    name = f"agent {item.get('id')}"
    if path is None:
        todo = (
            "install it, or name another: [harness] default in kazid.toml, or [harness] id in the goal-file"
        )
        return {
            "name": name,
            "state": "warn",
            "found": f"{item.get('command')} is not on your PATH",
            "todo": todo,
        }
    credentials = ", ".join(str(each) for each in entries(item, "credentials_set"))
    home = item.get("config_home")
    said = [path, credentials and f"credential {credentials}", home and f"config home {home}"]
    has_login = bool(credentials or home or not item.get("credentials"))
    todo = "" if has_login else "give the daemon its credential, or log in; [harness] env refers to one"
    words = "; ".join(str(each) for each in said if each)
    return {"name": name, "state": "ok" if has_login else "warn", "found": words, "todo": todo}
