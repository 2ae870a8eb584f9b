"""`kazictl bundle REF`: what the last end that was not converged left for a person."""

from json import dumps

from kazictl.document import entries, members, rows
from kazictl.session import Session
from kazictl.targets import goal_target
from kazictl.terminal import clip, one_line
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

EVIDENCE_LINES_MAX = 12
"""Of one predicate; --json has all of it."""
PATCH_LINES_MAX = 400
"""Of what is proposed; likewise."""


def run(session: Session) -> int:
    """Ask once and print."""
    reference = session.arguments.words[0]
    reply = session.client().get(goal_target(reference, "/bundle"))
    bundle = members(reply.document, "bundle")
    code = exit_codes.OK if bundle else exit_codes.ERROR
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    if not bundle:
        session.note(f"kazictl: {reference} has left no bundle: no end of it was other than converged")
        return code
    session.show(_lines(session, reply.document, bundle))
    return code


def _lines(session: Session, document: "Document", bundle: "Document") -> list[str]:
    out, width = session.out, session.out.width
    cause = f" ({one_line(bundle['cause'])})" if bundle.get("cause") else ""
    lines = [
        out.paint(
            f"{one_line(document.get('ref', '?'))}  {one_line(bundle.get('status', '?'))}{cause}", "bold"
        )
    ]
    lines += [f"  {one_line(bundle.get('reason', ''))}", "", out.paint("Not green", "bold")]
    for each in rows(bundle, "failing"):
        why = one_line(each.get("detail") or each.get("reason") or "")
        lines.append(
            clip(f"  {one_line(each.get('id', '?'))}  {one_line(each.get('verdict', '?'))}  {why}", width)
        )
        evidence = members(each, "evidence")
        shown = [
            f"{key}: {value if isinstance(value, str) else dumps(value)}" for key, value in evidence.items()
        ]
        pieces = [line for text in shown for line in text.split("\n")]
        lines += [clip(f"      {one_line(line)}", width) for line in pieces[:EVIDENCE_LINES_MAX]]
        if len(pieces) > EVIDENCE_LINES_MAX:
            lines.append(f"      … {len(pieces) - EVIDENCE_LINES_MAX} lines more: --json")
    tried = rows(bundle, "tried")
    if tried:
        lines += ["", out.paint("Tried", "bold")]
        lines += [clip(f"  {_attempt(each)}", width) for each in tried]
    lines += _proposal(session, members(bundle, "proposal"), is_whole=bool(bundle.get("is_whole")))
    changed = entries(bundle, "changed")
    if bundle.get("base") and bundle.get("changed") is not None:
        more = bundle.get("changed_left_out")
        lines += ["", out.paint(f"Changed since {one_line(bundle['base'])[:12]}", "bold")]
        lines += [clip(f"  {one_line(name)}", width) for name in changed] or ["  nothing"]
        lines += [f"  and {more} more"] if more else []
    cost = members(bundle, "cost")
    if cost:
        spent = ", ".join(f"{key} {one_line(value)}" for key, value in cost.items())
        lines += ["", out.paint("Cost", "bold"), f"  {spent}"]
    lines += ["", out.paint("Next", "bold")]
    reference = one_line(document.get("ref") or "REF")
    return lines + [f"  {one_line(step).replace('REF', reference)}" for step in entries(bundle, "next_steps")]


def _proposal(session: Session, proposal: "Document", *, is_whole: bool) -> list[str]:
    """What is proposed, as it was sealed; nothing for other ends."""
    if not proposal:
        return []
    out, width, patch = session.out, session.out.width, members(proposal, "patch")
    seal = "sealed" if is_whole else "NOT what was sealed as"
    lines = [
        "",
        out.paint("Proposed", "bold"),
        clip(f"  {seal} {one_line(proposal.get('sha256', '?'))}", width),
    ]
    if proposal.get("by"):
        lines.append(clip(f"  by {one_line(proposal['by'])}", width))
    lines += [
        clip(f"    {one_line(said)}", width) for said in str(proposal.get("reasoning", "")).splitlines()
    ]
    for each in rows(proposal, "alternatives"):
        words = f"  instead: {one_line(each.get('title', '?'))} ({one_line(each.get('what', '?'))})"
        lines.append(clip(words, width))
    for each in rows(proposal, "evidence"):
        said = one_line(each.get("detail") or "")
        words = f"  {one_line(each.get('id', '?'))}  {one_line(each.get('verdict', '?'))}  {said}"
        lines.append(clip(words, width))
    if not patch:
        return lines
    digest = one_line(patch.get("sha256") or "")
    bound = (
        f"{digest}, {patch.get('bytes', '?')} bytes"
        if digest
        else f"of commit {one_line(patch.get('commit', '?'))}"
    )
    lines += [
        clip(f"  patch {bound}", width),
        clip(f"  branch {one_line(patch.get('branch', '?'))} in {one_line(patch.get('folder', '?'))}", width),
        f"  {one_line(patch.get('how', '?'))} | sha256sum",
    ]
    if patch.get("is_redacted"):
        lines.append("  a secret was taken out of what follows; the command above prints it all")
    text = str(patch.get("text") or "").splitlines()
    lines += ["", *(f"  {one_line(line)}" for line in text[:PATCH_LINES_MAX])]
    if len(text) > PATCH_LINES_MAX:
        lines.append(f"  … {len(text) - PATCH_LINES_MAX} lines more: --json")
    return lines


def _attempt(attempt: "Document") -> str:
    code = f" {attempt['exit_code']}" if attempt.get("exit_code") is not None else ""
    broke = ", ".join(one_line(predicate) for predicate in entries(attempt, "broke"))
    damage = f", broke {broke}" if broke else ""
    ended = f"{one_line(attempt.get('ending') or 'running')}{code}{damage}"
    return f"{attempt.get('number', '?')}  {one_line(attempt.get('title', ''))}  {ended}"
