"""`kazictl try GOAL.toml [PREDICATE]`: look once, and show all that came of it: for whoever writes a check.

The daemon looks, with the caller's PATH and folder; nothing is stored and nothing acts.
"""

import os

from kazictl.arguments import usage_error
from kazictl.document import is_object, members, number, rows
from kazictl.durations import show_duration
from kazictl.goal_file import read_goal_file
from kazictl.render import plural, value_text
from kazictl.session import Session, exit_code_of
from kazictl.terminal import Terminal, one_line
from kazid.wire.names import API_PREFIX

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

STREAMS = ("stdout", "stderr", "body")
FINDINGS_MAX = 20
COLOURS = {"pass": "green", "fail": "red"}


def run(session: Session) -> int:
    """Send the text, print each look; 0 all pass or are waived, 1 not so, 2 does not load."""
    arguments = session.arguments
    session.source = arguments.words[0]
    request = read_goal_file(session.source)
    if len(arguments.words) > 1:
        request["predicate"] = arguments.words[1]
    workspace = arguments.texts.get("workspace")
    if workspace is not None:
        if request["cwd"] is None and not os.path.isabs(workspace):
            hint = "cd to one that exists"
            raise usage_error("the present folder is gone, so --workspace must be absolute", hint=hint)
        request["workspace"] = os.path.join(request["cwd"] or "/", os.path.expanduser(workspace))
    request["path"] = os.environ.get("PATH", "").encode("utf-8", "ignore").decode()
    reply = session.client().change("POST", f"{API_PREFIX}/try", request, timeout_s=None)
    code = exit_code_of(reply.document)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    tried = rows(reply.document, "predicates")
    green = sum(1 for each in tried if each.get("verdict") == "pass")
    waived = sum(1 for each in tried if each.get("waived"))
    lines = [line for each in tried for line in (*_lines(each, session.out), "")]
    beside = f", {waived} waived" if waived else ""
    session.show([*lines, f"{green} of {len(tried)} pass{beside} (looked once, nothing stored)"])
    return code


def _lines(tried: "Document", out: Terminal) -> list[str]:
    verdict = one_line(tried.get("verdict", "?"))
    took_ms = number(tried, "duration_ms")
    took = "" if took_ms is None else f" in {_took(took_ms)}"
    why = ": ".join(one_line(tried[key]) for key in ("reason", "detail") if tried.get(key))
    kind = tried.get("kind") or tried.get("provider", "?")
    head = f"{one_line(tried.get('id', '?'))} ({one_line(kind)}): "
    waived = ", waived" if tried.get("waived") else ""
    lines = [f"{out.paint(head, 'bold')}{out.paint(verdict, COLOURS.get(verdict, 'yellow'))}{waived}{took}"]
    lines += [f"  {why}"] if why else []
    if tried.get("score") is not None:
        lines.append(
            f"  score {value_text(tried['score'])} {one_line(tried.get('direction') or '')}".rstrip()
        )
    evidence = members(tried, "evidence")
    answers = rows(tried, "answers")
    shown = {key: value for key, value in evidence.items() if not (answers and key in STREAMS)}
    for key, value in shown.items():
        first, *others = _text_lines(value_text(value))
        lines += [f"  {one_line(key)}: {first}", *(f"    {line}" for line in others)]
    lines += _finding_lines(tried)
    for answer in answers:
        lines += _answer_lines(answer)
    total = number(tried, "answers_total")
    if total is not None and total > len(answers):
        lines.append(f"  … {int(total) - len(answers)} more answers are not shown")
    return lines


def _took(duration_ms: float) -> str:
    return f"{duration_ms:.0f} ms" if duration_ms < 1000 else show_duration(duration_ms / 1000)


def _finding_lines(tried: "Document") -> list[str]:
    findings = rows(tried, "findings")
    lines: list[str] = []
    for finding in findings[:FINDINGS_MAX]:
        place = ":".join(str(finding[key]) for key in ("file", "line", "column") if finding.get(key))
        where = f"{one_line(place)}: " if place else ""
        rule = f" [{one_line(finding['rule'])}]" if finding.get("rule") else ""
        lines.append(f"  - {where}{one_line(finding.get('message', ''))}{rule}")
    if len(findings) > FINDINGS_MAX:
        lines.append(f"  - and {plural(len(findings) - FINDINGS_MAX, 'finding')} more")
    return lines


def _answer_lines(answer: "Document") -> list[str]:
    said = members(answer, "said")
    facts = [
        f"{one_line(key)} {value_text(value)}"
        for key, value in said.items()
        if key not in STREAMS and not is_object(value)
    ]
    lines = [f"  $ {one_line(answer.get('what', '?'))}", f"    {', '.join(facts)}"]
    for name in STREAMS:
        text = said.get(name)
        if isinstance(text, str) and text:
            lines += [f"    {name}:", *(f"      {line}" for line in _text_lines(text))]
    return lines


def _text_lines(text: str) -> list[str]:
    return [one_line(line) for line in text.splitlines()] or [""]
