"""`kazictl apply GOAL.toml`: submit a goal and follow it to its verdict; the exit code is the goal's.

The text goes to the daemon with the folder and the PATH it was typed in; nothing is judged here. Leaving (Ctrl-C,
--timeout, a lost daemon) never touches the goal, and always says how to come back.
"""

import os
import time

from kazictl.arguments import usage_error
from kazictl.client import CHANGE_TIMEOUT_S, Reply
from kazictl.connection import DeadlinePassed
from kazictl.document import entries
from kazictl.failure import Failure
from kazictl.follow import follow_goal
from kazictl.goal_file import read_goal_file
from kazictl.goal_view import notices, outcome_line, predicate_lines, status_text
from kazictl.session import Session, exit_code_of, exit_code_of_change
from kazictl.targets import target_of
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

APPLIED = {
    "created": "created",
    "attached": "unchanged, attached to it",
    "updated": "updated in place",
    "generation": "changed, new generation",
    "revived": "revived",
    "reopened": "was finished, new episode",
    "held": "looser than what is in force, so it waits for an approval",
}


def run(session: Session) -> int:
    """Check, detach, or follow."""
    arguments = session.arguments
    exclusive = [f"--{name}" for name in ("check", "detach", "stream") if name in arguments.flags]
    if len(exclusive) > 1:
        raise usage_error(f"{' and '.join(exclusive)} exclude each other", hint="give one of them")
    timeout_s = arguments.seconds.get("timeout")
    deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
    request = _request(session)
    client = session.client()
    if "check" in arguments.flags:
        return _check(session, request, timeout_s=timeout_s)
    reply = client.change("POST", f"{API_PREFIX}/goals", request, timeout_s=timeout_s or CHANGE_TIMEOUT_S)
    document = _with_missing_workspace(reply.document)
    if document.get("applied") == "held":
        return _held(session, reply)
    if "detach" in arguments.flags:
        code = exit_code_of_change(document)
        if session.wants_json:
            return session.emit_reply(reply, exit_code=code)
        _announce(session, document)
        session.show([f"detached; come back with: kazictl status {_reference(document)}"])
        return code
    _announce(session, document)
    return _follow(session, document, deadline_s=deadline_s)


def _request(session: Session) -> "Document":
    """The body of an apply: ApplyRequest in kazid/wire/messages.py."""
    arguments = session.arguments
    session.source = arguments.words[0]
    request = read_goal_file(session.source)
    workspace = arguments.texts.get("workspace")
    if workspace is not None:
        if request["cwd"] is None and not os.path.isabs(workspace):
            raise usage_error(
                "the present folder is gone, so --workspace must be absolute", hint="cd to one that exists"
            )
        request["workspace"] = os.path.join(request["cwd"] or "/", os.path.expanduser(workspace))
    request["standing"] = "standing" in arguments.flags
    if "allow-vacuous" in arguments.flags:
        request["allow_vacuous"] = True
    for name in ("harness", "model", "env"):
        if name in arguments.texts:
            request[name] = arguments.texts[name]
    search_path = os.environ.get("PATH", "")
    request["path"] = search_path.encode("utf-8", "ignore").decode()
    return request


def _with_missing_workspace(document: "Document") -> "Document":
    """With a notice where the workspace is not there: live predicates do not need it, the first act does."""
    workspace = document.get("workspace")
    if not isinstance(workspace, str):
        return document
    try:
        os.stat(workspace)
    except FileNotFoundError:
        notice = f"the workspace {workspace} is not there: nothing can act before it is"
        return {**document, "notices": [*entries(document, "notices"), notice]}
    except (OSError, ValueError):
        pass
    return document


def _check(session: Session, request: "Document", *, timeout_s: float | None) -> int:
    """Look once, and print the verdicts."""
    reply = session.client().change("POST", f"{API_PREFIX}/check", request, timeout_s=timeout_s)
    document = reply.document
    code = exit_code_of(document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    predicates = document.get("predicates") or ()
    green = sum(1 for predicate in predicates if predicate.get("verdict") == "pass")
    lines = predicate_lines(document, session.out, time.time())
    lines += [f"note: {notice}" for notice in notices(document)]
    session.show(
        [
            *lines,
            "",
            f"{_reference(document)}: {green} of {len(predicates)} pass (checked once, nothing stored)",
        ]
    )
    return code


def _held(session: Session, reply: Reply) -> int:
    """Say what waits, for whom, and how they say yes; there is nothing to follow."""
    document, code = reply.document, exit_codes.WAITING
    if session.wants_json and "stream" not in session.arguments.flags:
        return session.emit_reply(reply, exit_code=code)
    _announce(session, document)
    if "stream" not in session.arguments.flags:
        held: Document = document.get("held") or {}
        lines = [f"  loosens: {one_line(what)}" for what in held.get("loosened") or ()]
        session.show([*lines, "  kazictl approvals shows it to whoever may approve"])
    return code


def _announce(session: Session, document: "Document") -> None:
    """Say what the apply did, before anything else happens."""
    applied = one_line(document.get("applied") or "applied")
    if "stream" in session.arguments.flags:
        told = {
            key: document.get(key)
            for key in ("schema_version", "goal_id", "owner", "ref", "applied", "status")
        }
        session.emit_line({"event": "applied", **told, "notices": notices(document)})
    elif not session.wants_json:
        kind = "standing, " if document.get("standing") else ""
        done = APPLIED.get(applied, applied)
        lines = [f"{_reference(document)}: {done} ({kind}generation {document.get('generation')})"]
        session.show([*lines, *(f"  note: {notice}" for notice in notices(document))])


def _follow(session: Session, applied: "Document", *, deadline_s: float | None) -> int:
    target = target_of(applied)
    announced = notices(applied)
    try:
        document = follow_goal(
            session.client(),
            f"{target}/follow",
            deadline_s=deadline_s,
            on_item=lambda item: _progress(session, item, applied, announced=announced),
            note=session.note,
        )
    except DeadlinePassed:
        return _detached(session, applied, problem="timeout", code=exit_codes.TIMED_OUT)
    except KeyboardInterrupt:
        return _detached(session, applied, problem="interrupted", code=exit_codes.INTERRUPTED)
    except Failure as failure:
        failure.hint = _way_back(session, applied)
        raise
    code = exit_code_of(document)
    if session.wants_json:
        said = entries(applied, "notices")
        said += [notice for notice in entries(document, "notices") if notice not in said]
        return session.emit({**document, "applied": applied.get("applied"), "notices": said}, exit_code=code)
    session.show([outcome_line(document, session.out)])
    return code


def _progress(session: Session, item: "Document", applied: "Document", *, announced: list[str]) -> None:
    """One thing that happened: a line for people, or as it came for --stream. What was announced is not repeated."""
    if item.get("event") == "notice" and one_line(item.get("text", "")) in announced:
        return
    if "stream" in session.arguments.flags:
        session.emit_line(item)
        return
    if session.wants_json:
        return
    parts = [f"iteration {item['iteration']}"] if item.get("event") == "iteration" else []
    if item.get("event") == "status" and item.get("status"):
        parts.append(status_text(item, session.out))
    if item.get("failing"):
        parts.append("failing " + ", ".join(one_line(name) for name in item["failing"]))
    if item.get("text"):
        parts.append(one_line(item["text"]))
    if item.get("event") == "iteration" and item.get("next_action"):
        parts.append(f"next: {one_line(item['next_action'])}")
    if parts:
        session.show([f"{_reference(applied)}: {'; '.join(parts)}"])


def _detached(session: Session, applied: "Document", *, problem: str, code: int) -> int:
    """Leave without touching the goal, and say how to come back."""
    way_back = _way_back(session, applied)
    if not session.wants_json:
        after = "timed out" if problem == "timeout" else "detached"
        session.notes.line(
            f"\nkazictl: {after}; {way_back}" if problem == "interrupted" else f"kazictl: {after}; {way_back}"
        )
        return code
    try:
        document = session.client().get(target_of(applied)).document
    except Failure:
        document = applied
    session.note(f"kazictl: {way_back}")
    return session.emit({**document, "problem": problem}, exit_code=code)


def _way_back(session: Session, applied: "Document") -> str:
    reference = _reference(applied)
    return (
        f"the goal goes on. Come back with: kazictl apply {session.source} (follows it again), "
        f"kazictl wait {reference}, kazictl status {reference}"
    )


def _reference(document: "Document") -> str:
    return one_line(document.get("ref") or document.get("goal_id") or "?")
