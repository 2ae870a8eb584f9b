"""`kazictl lint GOAL.toml`: what keeps a goal-file from loading, and what is doubtful though it loads."""

from kazictl.document import entries, rows
from kazictl.failure import Failure
from kazictl.goal_file import read_goal_file
from kazictl.render import plural
from kazictl.session import Session, exit_code_of
from kazictl.terminal import one_line
from kazid.wire.names import API_PREFIX


def run(session: Session) -> int:
    """Send the text, print the findings; 0 clean, 1 doubtful, 2 does not load."""
    session.source = session.arguments.words[0]
    request = read_goal_file(session.source)
    if "no-run" in session.arguments.flags:
        request["no_run"] = True
    reply = session.client().change("POST", f"{API_PREFIX}/lint", request)
    report = reply.document
    code = exit_code_of(report)
    if session.wants_json:
        return session.emit_reply(reply, exit_code=code)
    from kazictl.cli import problem_lines

    problems, findings = rows(report, "problems"), rows(report, "findings")
    lines = problem_lines(Failure("", exit_code=code, kind="", problems=problems), session.source)
    for finding in findings:
        about = f"{one_line(finding['predicate'])}: " if finding.get("predicate") else ""
        severity, rule = one_line(finding.get("severity", "warning")), one_line(finding.get("code", "?"))
        line = f":{finding['line']}" if isinstance(finding.get("line"), int) else ""
        lines.append(
            f"  {session.source}{line}: {severity}: {about}{one_line(finding.get('why', ''))} [{rule}]"
        )
    lines += [f"  note: {one_line(notice)}" for notice in entries(report, "notices")]
    if problems:
        verdict = f"does not load: {plural(len(problems), 'problem')}"
    elif findings:
        refused = sum(finding.get("severity") == "refuse" for finding in findings)
        doubts = len(findings) - refused
        said = [f"{refused} refused by apply"] if refused else []
        said += [plural(doubts, "doubt")] if doubts else []
        verdict = f"loads, with {', '.join(said)}"
    else:
        verdict = "clean"
    session.show([*lines, f"{session.source}: {verdict}"])
    return code
