"""`kazictl audit verify | export | show REF`: the trail of who did what, checked, copied, or one goal's part read.

An export is checked here, by its bytes alone: whoever keeps one, or only its head, need not trust the daemon later.
"""

import os

from kazictl.arguments import usage_error
from kazictl.decode import decode_object
from kazictl.document import members, rows
from kazictl.failure import Failure
from kazictl.render import value_text
from kazictl.session import Session
from kazictl.targets import query, split_reference
from kazictl.terminal import clip, one_line
from kazid.wire import chain, exit_codes
from kazid.wire.names import API_PREFIX, SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from kazictl.document import Document

_SPEC_KEYS_SHOWN = 12
_HASH_DIGITS = 64
"""Of SHA-256 in hexadecimal."""
_NOT_SHOWN = {"goal", "type", "verdict", "started_s", "ended_s", "tree", "seal", "spec_sha256", "fingerprint"}
"""Of a record, in a line; --json has all of it."""


def run(session: Session) -> int:
    """Do what the first word says."""
    action, *rest = session.arguments.words
    if action == "verify":
        return _verify_file(session, rest[0]) if rest else _verify(session)
    if action == "export" and not rest:
        return _export(session)
    if action == "show" and rest:
        return _show(session, rest[0])
    if action == "show":
        raise usage_error("audit show needs REF: the goal", hint="kazictl audit show REF")
    raise usage_error(
        f"audit cannot {' '.join([action, *rest])!r}",
        hint="kazictl audit verify [FILE], audit export, or audit show REF",
    )


def _verify(session: Session) -> int:
    head = session.arguments.texts.get("head")
    _known(head)  # so that a slip of the pen is told in the words of the command line
    report = session.client().get(f"{API_PREFIX}/audit/verify{query(head=head)}", timeout_s=None).document
    return _tell(session, report)


def _verify_file(session: Session, path: str) -> int:
    """The same for an export: nothing but its bytes is believed."""
    head = session.arguments.texts.get("head")
    check = chain.ChainCheck(known=_known(head))
    try:
        with open(path, "rb") as file:
            check.add_lines(iter(file))
    except OSError as error:
        raise Failure(
            f"cannot read {path}: {error.strerror or error}",
            exit_code=exit_codes.USAGE,
            kind="input",
            hint="name a file that `kazictl audit export` wrote",
        ) from None
    check.end(last=check.number)
    problems = [{"number": number, "what": what} for number, what in check.problems]
    report = {
        "schema_version": SCHEMA_VERSION,
        "records": check.records,
        "head": f"{check.number}:{check.head.hex()}",
        "problems": problems,
        "problems_total": len(problems),
        "exit_code": exit_codes.ERROR if problems else exit_codes.OK,
    }
    return _tell(session, report)


def _known(head: str | None) -> dict[int, bytes]:
    if head is None:
        return {}
    number, _, digest = head.partition(":")
    try:
        known = {int(number): bytes.fromhex(digest)}
    except ValueError:
        known = {}
    if not known or len(digest) != _HASH_DIGITS:
        raise usage_error(
            f"--head {head}: not NUMBER:HASH", hint="write it as `kazictl audit verify` printed it"
        )
    return known


def _tell(session: Session, report: "Document") -> int:
    problems = rows(report, "problems")
    code = exit_codes.ERROR if problems else exit_codes.OK
    if session.wants_json:
        return session.emit(report, exit_code=code)
    lines = [f"record {one_line(p.get('number'))} {one_line(p.get('what'))}" for p in problems]
    verdict = f"{report.get('problems_total')} damages" if problems else "sound"
    lines.append(f"{report.get('records')} records, {verdict}; head {one_line(report.get('head'))}")
    session.show(lines)
    return code


def _export(session: Session) -> int:
    after = session.arguments.numbers.get("after")
    path = session.arguments.texts.get("output")
    lines = session.client().lines(f"{API_PREFIX}/audit{query(after=after)}")
    if path is None:
        for line in lines:
            session.show([line.decode()])
        return exit_codes.OK
    count = 0
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with open(descriptor, "wb") as file:
            for line in lines:
                file.write(line + b"\n")
                count += 1
            file.flush()
            os.fsync(descriptor)
    except OSError as error:
        raise Failure(
            f"cannot write {path}: {error.strerror or error}",
            exit_code=exit_codes.USAGE,
            kind="output",
            hint="name a file that is not there yet: --output FILE",
        ) from None
    if session.wants_json:
        document = {"schema_version": SCHEMA_VERSION, "path": path, "records": count}
        return session.emit(document, exit_code=exit_codes.OK)
    session.show(
        [f"{count} records in {one_line(path)}; check them with: kazictl audit verify {one_line(path)}"]
    )
    return exit_codes.OK


def _show(session: Session, reference: str) -> int:
    owner, goal_id = split_reference(reference)
    target = f"{API_PREFIX}/audit{query(goal=f'{owner}/{goal_id}')}"
    records = [members(decode_object(line), "record") for line in session.client().lines(target)]
    if not records:
        raise Failure(
            f"the trail has no record of {reference!r}",
            exit_code=exit_codes.USAGE,
            kind="unknown_goal",
            hint="kazictl list shows what goals there are",
        )
    if session.wants_json:
        document = {"schema_version": SCHEMA_VERSION, "ref": reference, "records": records}
        return session.emit(document, exit_code=exit_codes.OK)
    session.show([clip(line, session.out.width) for line in _shown(records)])
    return exit_codes.OK


def _shown(records: "list[Document]") -> "Iterator[str]":
    """A line per record; under a new generation what differs from the one before."""
    spec: Document = {}
    for record in records:
        event = members(record, "event")
        verdict = members(event, "verdict")
        said = {"verdict": verdict.get("status")} if verdict else {}
        said.update({key: value for key, value in event.items() if key not in _NOT_SHOWN and value})
        words = ", ".join(f"{key} {_value(value)}" for key, value in said.items())
        yield f"{record.get('number')}  {one_line(record.get('type'))}  {words}"
        if record.get("type") == "goal.applied":
            new = members(event, "goal")
            yield from _differences(spec, new)
            spec = new


def _differences(old: "Document", new: "Document") -> "Iterator[str]":
    if not old:
        return
    changed = [key for key in sorted({*old, *new}) if old.get(key) != new.get(key)]
    for key in changed[:_SPEC_KEYS_SHOWN]:
        yield f"      {key}: {value_text(old.get(key))} -> {value_text(new.get(key))}"


def _value(value: object) -> str:
    """A record is read by people: nobody needs the microseconds of a duration."""
    return f"{value:.3f}" if isinstance(value, float) else value_text(value)
