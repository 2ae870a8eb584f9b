"""`kazictl prompt REF`: what an agent would be told if it were sent now."""

from kazictl.session import Session
from kazictl.targets import goal_target
from kazictl.terminal import one_line
from kazid.wire import exit_codes


def run(session: Session) -> int:
    """Ask once and print the text as it is."""
    reference = session.arguments.words[0]
    reply = session.client().get(goal_target(reference, "/prompt"))
    text = reply.document.get("prompt")
    code = exit_codes.OK if isinstance(text, str) else exit_codes.ERROR
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    if not isinstance(text, str):
        session.note(f"kazictl: {one_line(reference)}: nothing is red that an agent may mend")
        return code
    session.show(text.rstrip().split("\n"))
    return code
