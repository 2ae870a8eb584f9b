"""A goal document as lines for people: what `status`, `watch`, `explain`, `wait` and `apply` show of it.

Reads the JSON document only and never fails on one: a field that a newer or older daemon does not send is not shown.
Times are the daemon's wall seconds; `wall_s` is the client's own, on the same machine.
"""

from kazictl.document import entries, is_number, members, rows
from kazictl.durations import show_ago, show_duration
from kazictl.render import STATUS_COLOURS, plural, status_cell, table, value_text
from kazictl.terminal import Terminal, clip, one_line, plain

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kazictl.document import Document

EXCERPT_LINES_MAX = 8
"""Of one predicate's evidence: enough for the end of a traceback; `--json` has all of it."""
EXCERPT_CHARS_MAX = 200
FINDINGS_MAX = 5
ATTEMPTS_MAX = 5
PROOF_CHARS_MAX = 160

NEXT_STEPS = {
    "investigate": "kazictl explain {ref}",
    "raise_budget": "raise [budget] in the goal-file and apply it again",
    "resume": "kazictl resume {ref} --reason TEXT",
    "apply": "apply the goal-file again",
    "thaw": "kazictl thaw",
    "wait": "kazictl wait {ref}",
}


def goal_lines(document: "Document", terminal: Terminal, wall_s: float) -> list[str]:
    """Everything `status REF` shows."""
    lines = [headline(document, terminal, wall_s), *_about(document, terminal)]
    lines += ["", *predicate_lines(document, terminal, wall_s)]
    sections = (
        ("Held by", guard_lines(document, wall_s)),
        ("Attempts", _attempt_lines(document, terminal)),
        ("Notices", [f"  {notice}" for notice in notices(document)]),
    )
    for title, section in sections:
        if section:
            lines += ["", terminal.paint(title, "bold"), *section]
    step = next_step(document)
    return [*lines, "", f"Next: {step}"] if step else lines


def headline(document: "Document", terminal: Terminal, wall_s: float) -> str:
    """`web  acting (backoff) for 12 s: reason`."""
    since = document.get("since")
    lasting_s = wall_s - since if is_number(since) else 0
    lasting = f" for {show_duration(int(lasting_s))}" if lasting_s >= 1 else ""
    name = terminal.paint(_reference(document), "bold")
    return f"{name}  {status_text(document, terminal)}{lasting}{_because(document)}"


def status_text(document: "Document", terminal: Terminal) -> str:
    """The status in its colour, with its cause and what stands in the way."""
    status = one_line(document.get("status") or "unknown")
    painted = terminal.paint(status, STATUS_COLOURS.get(status, "red"))
    if document.get("waived"):
        painted += f", {one_line(document['waived'])} waived"
    beside = [one_line(document[key]) for key in ("cause", "problem") if document.get(key)]
    beside = [word for word in beside if word != status]
    return f"{painted} ({', '.join(beside)})" if beside else painted


def _because(document: "Document") -> str:
    reason = one_line(document.get("reason") or "")
    return f": {reason}" if reason and reason != document.get("status") else ""


def _about(document: "Document", terminal: Terminal) -> list[str]:
    kind = "standing" if document.get("standing") else "one-shot"
    parts = [kind, f"generation {document.get('generation', '?')}"]
    if document.get("workspace"):
        parts.append(one_line(document["workspace"]))
    parts += [
        f"{one_line(key)}={one_line(value)}" for key, value in sorted(members(document, "labels").items())
    ]
    lines = ["  " + terminal.paint(", ".join(parts), "dim")]
    spent = spent_text(document)
    episode = members(document, "episode")
    if episode:
        lines.append(f"  episode {episode.get('number', '?')}: {spent}")
    elif spent:
        lines.append(f"  spent: {spent}")
    lines += [
        f"  {text}"
        for window in rows(members(document, "budget"), "windows")
        if (text := window_text(window))
    ]
    lines += agent_lines(document)
    tree = members(document, "worktree")
    if tree:
        lines.append(f"  worktree: {one_line(tree.get('path'))} on {one_line(tree.get('branch'))}")
    if document.get("pids"):
        lines.append("  still running: pid " + ", ".join(str(pid) for pid in document["pids"]))
    return lines


def spent_text(document: "Document") -> str:
    """`2 of 8 iterations, 1 dispatch, 1,200 of 50,000 tokens, 34 s of 10 min, $0.12`: what is unknown is left out."""
    spent, budget = members(document, "budget_spent"), members(document, "budget")
    parts = [
        _counted(spent.get("iterations"), budget.get("max_iterations"), "iteration"),
        _counted(spent.get("dispatches"), budget.get("max_dispatches"), "dispatch"),
        _counted(spent.get("tokens"), budget.get("max_tokens"), "token"),
    ]
    if spent.get("tokens_estimated") and parts[2]:
        parts[2] += " (reserved)"
    wall_ms, wall_max_ms = spent.get("wall_clock_ms"), budget.get("max_wall_clock_ms")
    if is_number(wall_ms):
        limit = f" of {show_duration(wall_max_ms / 1000)}" if is_number(wall_max_ms) else ""
        parts.append(f"{show_duration(wall_ms / 1000)}{limit}")
    cost, cost_max = spent.get("cost_usd"), budget.get("max_cost_usd")
    if is_number(cost):
        limit = f" of ${cost_max:.2f}" if is_number(cost_max) else ""
        reserved = " (reserved)" if spent.get("cost_estimated") else ""
        parts.append(f"${cost:.2f}{limit}{reserved}")
    return ", ".join(part for part in parts if part)


def window_text(window: "Document") -> str:
    """`last 1 d: 3 of 20 dispatches, $1.20 of $5.00`: only limits, and nothing while nothing is used."""
    per_s = window.get("per_s")
    if not is_number(per_s) or not window.get("dispatches"):
        return ""
    parts = [
        _counted(
            window.get(noun), window.get(f"max_{noun}"), noun.removesuffix("es" if "ch" in noun else "s")
        )
        for noun in ("dispatches", "tokens")
        if window.get(f"max_{noun}") is not None
    ]
    cost, cost_max = window.get("cost_usd"), window.get("max_cost_usd")
    if is_number(cost) and is_number(cost_max):
        parts.append(f"${cost:.2f} of ${cost_max:.2f}")
    return f"last {show_duration(per_s)}: {', '.join(part for part in parts if part)}"


def _counted(count: object, limit: object, noun: str) -> str:
    if not isinstance(count, int):
        return ""
    several = noun + ("es" if noun.endswith("ch") else "s")
    if isinstance(limit, int):
        return f"{count:,} of {limit:,} {noun if limit == 1 else several}"
    return f"{count:,} {noun if count == 1 else several}"


def predicate_lines(document: "Document", terminal: Terminal, wall_s: float) -> list[str]:
    """The table of predicates; under it the evidence of each that is not green."""
    predicates = rows(document, "predicates")
    if not predicates:
        return ["  no predicates"]
    shown = [
        (
            one_line(predicate.get("id", "?")),
            status_cell(one_line(predicate.get("verdict", "?"))),
            _age(predicate, wall_s),
            _why(predicate),
        )
        for predicate in predicates
    ]
    lines = table(terminal, ("PREDICATE", "VERDICT", "LOOKED", "WHY"), shown)
    for predicate in predicates:
        excerpt = evidence_lines(predicate, terminal) if predicate.get("verdict") != "pass" else []
        if excerpt:
            lines += ["", terminal.paint(one_line(predicate.get("id", "?")), "bold"), *excerpt]
    return lines


def watch_lines(document: "Document", terminal: Terminal, wall_s: float) -> list[str]:
    """What brings a look at once, by predicate; what is only polled says why."""
    lines: list[str] = []
    told: set[str] = set()
    for item in rows(document, "watched"):
        predicate = one_line(item.get("predicate", "?"))
        problem = f": polled only, {one_line(item['problem'])}" if item.get("problem") else ""
        last = ""
        if predicate not in told and is_number(item.get("last_push_at")):
            what = one_line(item.get("last_source") or "?")
            ago = show_ago(wall_s - item["last_push_at"])
            last = f" (woken {item.get('pushes', 0)} times, last {ago} by {what})"
        told.add(predicate)
        lines.append(f"  {predicate}: {one_line(item.get('source', '?'))}{problem}{last}")
    return ["", terminal.paint("Watched", "bold"), *lines] if lines else []


def _age(predicate: "Document", wall_s: float) -> str:
    at = predicate.get("observed_at")
    return show_ago(wall_s - at) if is_number(at) else "never"


def _why(predicate: "Document") -> str:
    parts = [one_line(predicate[key]) for key in ("reason", "detail") if predicate.get(key)]
    if is_number(predicate.get("score")):
        parts.append(f"score {predicate['score']:g}")
    marks = [mark for mark in ("guard", "acceptance") if predicate.get(mark)]
    return ": ".join(parts) + (f" [{', '.join(marks)}]" if marks else "")


def evidence_lines(predicate: "Document", terminal: Terminal) -> list[str]:
    """What convinced the provider, bounded: findings, then values, then the end of each output."""
    width = min(EXCERPT_CHARS_MAX, terminal.width - 4)
    findings = rows(predicate, "findings")
    lines = [_finding(finding) for finding in findings[:FINDINGS_MAX]]
    if len(findings) > FINDINGS_MAX:
        lines.append(f"and {plural(len(findings) - FINDINGS_MAX, 'more finding')}")
    texts: list[tuple[str, str]] = []
    values: list[str] = []
    for key, value in members(predicate, "evidence").items():
        if isinstance(value, str) and "\n" in value.strip():
            texts.append((one_line(key), value))
        elif value not in (None, "", [], {}):
            values.append(f"{one_line(key)}={value_text(value)}")
    if values:
        lines.append(" ".join(values))
    for key, value in texts:
        tail = [line.rstrip() for line in plain(value).split("\n") if line.strip()]
        kept = tail[-max(1, EXCERPT_LINES_MAX - len(lines)) :]
        lines += [f"{key}: {line}" for line in kept]
    return [
        f"  {terminal.paint('|', 'dim')} {clip(line.expandtabs(4), width)}"
        for line in lines[:EXCERPT_LINES_MAX]
    ]


def _finding(finding: "Document") -> str:
    place = ":".join(str(finding[key]) for key in ("file", "line", "column") if finding.get(key) is not None)
    rule = f" [{finding['rule']}]" if finding.get("rule") else ""
    return one_line(f"{place + ': ' if place else ''}{finding.get('message', '')}{rule}")


def guard_lines(document: "Document", wall_s: float) -> list[str]:
    """One line for each thing that holds the goal, with the moment it opens."""
    lines: list[str] = []
    for guard in rows(document, "guards"):
        until = guard.get("until")
        opens = _lasts(until - wall_s) if is_number(until) else "until something changes"
        about = (
            f" [{', '.join(one_line(name) for name in guard['predicates'])}]"
            if guard.get("predicates")
            else ""
        )
        lines.append(
            f"  {one_line(guard.get('name', '?'))}: {one_line(guard.get('reason', ''))}, {opens}{about}"
        )
    return lines


def _lasts(seconds: float) -> str:
    return "until now" if seconds <= 0 else f"for {show_duration(seconds)} more"


def _attempt_lines(document: "Document", terminal: Terminal) -> list[str]:
    attempts = rows(document, "attempts")
    shown = [
        (
            f"  {attempt.get('number', '?')}",
            one_line(attempt.get("rung", "?")),
            _ending(attempt),
            show_duration(attempt["duration_s"]) if is_number(attempt.get("duration_s")) else "",
            one_line(attempt.get("title", "")) + _sent(attempt),
        )
        for attempt in attempts[-ATTEMPTS_MAX:]
    ]
    return table(terminal, ("  #", "BY", "ENDED", "TOOK", "WHAT"), shown) if shown else []


def _sent(sent: "Document") -> str:
    """` [opus, effort high, by route 1]`; nothing for the goal's own agent with its own model."""
    parts = [one_line(sent["model"])] if sent.get("model") else []
    parts += [f"effort {one_line(sent['effort'])}"] if sent.get("effort") else []
    by = sent.get("chosen_by")
    parts += [f"by {one_line(by)}"] if by and by != "[harness]" else []
    return f" [{', '.join(parts)}]" if parts else ""


def dispatch_line(document: "Document") -> str:
    """Whom the next slice of an agent would be given to, and why; empty where none is."""
    sent = members(document, "next_dispatch")
    if not sent:
        return ""
    about = ", ".join(one_line(p) for p in entries(sent, "predicates")) or "a check that is withheld"
    return f"{about}: {one_line(sent.get('harness', '?'))}{_sent(sent)}"


def agent_lines(document: "Document") -> list[str]:
    """Which rung of the ladder it is on, and who the next slice goes to."""
    lines: list[str] = []
    ladder = members(document, "ladder")
    models = [one_line(model) for model in entries(ladder, "models")]
    rung = ladder.get("rung")
    if isinstance(rung, int) and 0 < rung <= len(models):
        used = _counted(ladder.get("dispatches"), ladder.get("max_dispatches"), "dispatch")
        lines.append(
            f"  ladder: rung {rung} of {len(models)}, {models[rung - 1]}{f', {used}' if used else ''}"
        )
    dispatch = dispatch_line(document)
    return [*lines, f"  next agent: {dispatch}"] if dispatch else lines


def _ending(attempt: "Document") -> str:
    if attempt.get("ending") is None:
        return "running"
    code = f" {attempt['exit_code']}" if attempt.get("exit_code") is not None else ""
    reason = f": {one_line(attempt['reason'])}" if attempt.get("reason") else ""
    return clip(f"{one_line(attempt['ending'])}{code}{reason}", 48)


def step_lines(document: "Document", terminal: Terminal) -> list[str]:
    """What a person could do now, as `explain` and `bundle` end."""
    steps = [f"  {one_line(step)}" for step in entries(document, "next_steps")]
    return ["", terminal.paint("Next", "bold"), *steps] if steps else []


def notices(document: "Document") -> list[str]:
    """What the daemon wants people to know."""
    return [one_line(notice) for notice in entries(document, "notices")]


def next_step(document: "Document") -> str:
    """What a person can do now; empty where there is nothing to do."""
    action = document.get("next_action")
    if not isinstance(action, str) or action == "done":
        return ""
    return NEXT_STEPS.get(action, one_line(action)).format(ref=_reference(document))


def outcome_line(document: "Document", terminal: Terminal) -> str:
    """The verdict with its proof, in one line: counts, the first failing evidence, the cost, and what to do."""
    predicates = rows(document, "predicates")
    waived = [predicate for predicate in predicates if predicate.get("waived")]
    passing = [predicate for predicate in predicates if predicate.get("verdict") == "pass"]
    not_green = [p for p in predicates if p.get("verdict") != "pass" and not p.get("waived")]
    parts = [f"{len(passing)} of {len(predicates)} pass" + (f", {len(waived)} waived" if waived else "")]
    for predicate in not_green[:1]:
        proof = f"{one_line(predicate.get('id', '?'))} {one_line(predicate.get('verdict', '?'))}"
        why = _why(predicate) or next(iter(_plain_evidence(predicate)), "")
        parts.append(clip(f"{proof}: {why}" if why else proof, PROOF_CHARS_MAX))
    if len(not_green) > 1:
        parts.append(
            "also " + clip(", ".join(one_line(p.get("id", "?")) for p in not_green[1:]), PROOF_CHARS_MAX)
        )
    spent = spent_text(document)
    step = next_step(document)
    take = members(document, "worktree").get("take") if step else None
    kept = f"the agents' change: {one_line(take)}" if take else ""
    parts += [part for part in (spent, kept, f"next: {step}" if step else "") if part]
    return (
        f"{_reference(document)}: {status_text(document, terminal)}{_because(document)}; {'; '.join(parts)}"
    )


def _plain_evidence(predicate: "Document") -> list[str]:
    return [
        f"{one_line(key)}={value_text(value)}"
        for key, value in members(predicate, "evidence").items()
        if value
    ]


def fingerprint(document: "Document") -> object:
    """What must differ for a watcher to be told again: everything but times."""
    return (
        [
            document.get(key)
            for key in ("status", "cause", "reason", "problem", "iterations", "dispatches", "generation")
        ],
        [(p.get("id"), p.get("verdict"), p.get("reason")) for p in rows(document, "predicates")],
        [(a.get("id"), a.get("ending")) for a in rows(document, "attempts")],
        [guard.get("name") for guard in rows(document, "guards")],
    )


def _reference(document: "Document") -> str:
    return one_line(document.get("ref") or document.get("goal_id") or "?")


def summary_lines(goals: "Sequence[Document]", terminal: Terminal, wall_s: float) -> list[str]:
    """The table of `list`: one goal a row."""
    shown: list[tuple[str | tuple[str, str], ...]] = []
    for goal in goals:
        since = goal.get("since")
        failing = ", ".join(one_line(name) for name in entries(goal, "failing"))
        why = [one_line(goal["cause"])] if goal.get("cause") and goal["cause"] != goal.get("status") else []
        why += [f"failing {failing}"] if failing else []
        why += [one_line(goal["reason"])] if goal.get("reason") else []
        shown.append(
            (
                _reference(goal),
                status_cell(one_line(goal.get("status", "?"))),
                show_duration(max(0, int(wall_s - since))) if is_number(since) else "",
                f"{goal.get('green', '?')}/{goal.get('total', '?')}",
                str(goal.get("iterations", "")),
                "; ".join(why),
            )
        )
    return table(terminal, ("GOAL", "STATUS", "FOR", "GREEN", "ACTS", "WHY"), shown)
