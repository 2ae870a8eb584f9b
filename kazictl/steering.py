"""Verbs that steer goals: one request per goal, for a REF or for every goal that labels select, reported goal by goal.

What a fence does (suspend, stop) is acknowledged by the daemon only when every executor is verified gone; until then it
says `suspending`, and that is exit 7.
"""

from kazictl.arguments import usage_error
from kazictl.failure import Failure
from kazictl.goal_view import status_text
from kazictl.session import Session, exit_code_of_change
from kazictl.targets import all_goals, goal_target, target_of, untyped
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kazictl.document import Document

    Word = Callable[[Document], str]

HEX = frozenset("0123456789abcdef")
HASH_CHARS = 64


def steer(session: Session, action: str, body: "Document | None" = None, *, done: "str | Word") -> int:
    """Do `action` (the last path segment) to what the command line names. `done`: the word for people."""
    arguments = session.arguments
    reference, labels = arguments.word, arguments.labels
    if (reference is None) == (not labels):
        raise usage_error(
            f"{arguments.verb.name} needs a REF or -l KEY=VALUE, and not both", hint=arguments.verb.usage
        )
    if reference is None:
        return _steer_selected(session, action, body, done=done)
    reply = session.client().change("POST", goal_target(reference, f"/{action}"), body)
    code = exit_code_of_change(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    session.show([change_line(session, reply.document, done=done)])
    return code


def answer(session: Session, action: str, body: "Document", *, done: str) -> None:
    """Say yes or no to what one goal waits for. Raises Failure for a word that does not count."""
    plan = str(body.get("plan") or "")
    if plan and (len(plan) != HASH_CHARS or not set(plan) <= HEX):
        raise usage_error(
            f"--plan {one_line(plan)}: a plan's hash has {HASH_CHARS} characters, 0-9 and a-f",
            hint="kazictl approvals shows it, with the whole command",
        )
    reference = untyped(session.arguments.words[0])
    reply = session.client().change("POST", goal_target(reference, f"/{action}"), body)
    if session.wants_json:
        session.emit_reply(reply, exit_code=exit_codes.OK)
        return
    name = one_line(reply.document.get("ref") or reference)
    session.show([f"{name}: {done}; now {one_line(reply.document.get('status') or '?')}"])


def _steer_selected(session: Session, action: str, body: "Document | None", *, done: "str | Word") -> int:
    """One after the other; a goal that refuses does not stop the rest."""
    client = session.client()
    goals, _ = all_goals(client, session.arguments.labels)
    if not goals:
        selection = " ".join(f"-l {label}" for label in session.arguments.labels)
        raise Failure(
            f"no goal matches {selection}",
            exit_code=exit_codes.USAGE,
            kind="unknown_goal",
            hint="kazictl list",
        )
    outcomes: list[Document] = []
    for goal in goals:
        try:
            document = client.change("POST", target_of(goal, f"/{action}"), body).document
        except Failure as failure:
            if failure.exit_code == exit_codes.NO_DAEMON:
                raise
            document = {**failure.as_document(), "goal_id": goal.get("goal_id"), "ref": goal.get("ref")}
        else:
            document = {**document, "exit_code": exit_code_of_change(document)}
        outcomes.append(document)
        if not session.wants_json:
            session.show([change_line(session, document, done=done)])
    code = combined([outcome["exit_code"] for outcome in outcomes])
    if session.wants_json:
        return session.emit({"schema_version": SCHEMA_VERSION, "goals": outcomes}, exit_code=code)
    return code


def combined(codes: list[int]) -> int:
    """One exit code for several goals: the one they share, if any failed; 1 when they failed differently."""
    failed = {code for code in codes if code != exit_codes.OK}
    if not failed:
        return exit_codes.OK
    return failed.pop() if len(failed) == 1 else exit_codes.ERROR


def change_line(session: Session, document: "Document", *, done: "str | Word") -> str:
    """What became of one goal."""
    done = done if isinstance(done, str) else done(document)
    reference = one_line(document.get("ref") or document.get("goal_id") or "?")
    if document.get("error"):
        return f"{reference}: refused: {one_line(document['error'])}: {one_line(document.get('detail', ''))}"
    if document.get("problem") == "suspending":
        pids = ", ".join(str(pid) for pid in document.get("pids") or ()) or "?"
        return f"{reference}: {done}, but an executor is still ending (pid {pids}); see kazictl status {reference}"
    is_told = document.get("status") == done or done == "deleted"
    return f"{reference}: {done}" + ("" if is_told else f"; now {status_text(document, session.out)}")
