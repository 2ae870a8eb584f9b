"""`kazictl freeze --reason TEXT [--for DUR]`: no goal acts until `thaw`; observing goes on."""

from kazictl.session import Session, exit_code_of_change
from kazictl.terminal import one_line
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document


def run(session: Session) -> int:
    """Freeze every goal."""
    arguments = session.arguments
    body = {"reason": arguments.texts["reason"], "for_s": arguments.seconds.get("for")}
    return change_fleet(session, "freeze", body, done="frozen")


def change_fleet(session: Session, action: str, body: "Document", *, done: str) -> int:
    """Ask for it and say what came of it; `done` is the word for people."""
    reply = session.client().change("POST", f"{API_PREFIX}/{action}", body)
    code = exit_code_of_change(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    was_frozen = reply.document.get("was_frozen", True)
    line = f"every goal: {done}" if was_frozen else "nothing was frozen"
    if reply.document.get("problem") == "suspending":
        goals = ", ".join(one_line(str(ref)) for ref in reply.document.get("suspending") or ())
        pids = ", ".join(str(pid) for pid in reply.document.get("pids") or ()) or "?"
        line = f"{line}, but executors are still ending: {goals} (pid {pids})"
    session.show([line])
    return code
