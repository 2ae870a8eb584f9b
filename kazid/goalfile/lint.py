"""What is doubtful about a goal that loads: checks that cannot be red, reds nobody may repair, limits that never bind.

Pure rules over the resolved goal, one function each. `refuse` is said on proof only, everything else is a doubt;
nothing is run here and nothing is read.
"""

import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Literal, TypeAlias

import msgspec

from kazid.core import autonomy
from kazid.core.backoff import BASE_S, CAP_S
from kazid.core.goal import Goal, Predicate
from kazid.core.rungs import agent_may
from kazid.falsify.judge import judge
from kazid.falsify.notes import NOTES, UNREAD
from kazid.goalfile.problems import printable
from kazid.ports.catalog import KindSpec

Severity: TypeAlias = Literal["refuse", "doubt"]

TOKENS_PER_DISPATCH_MIN = 10_000
"""A guess on the low side: what a dispatch reads before its first edit."""
DISPATCH_S_MIN = 30.0
COST_USD_PER_DISPATCH_MIN = 0.01
JUDGED_CHARS_MAX = 131_072
"""Of one goal's options in all: what is beyond is not read for whether it can be red."""
HTTP_METHODS = frozenset({"get", "head", "post", "put", "patch", "delete", "options", "trace"})
BROWSER_ACTIONS = frozenset({"click", "fill", "press", "wait_for", "goto"})

_INSTALLED = ("node_modules", ".venv", "venv", ".tox", "vendor/bundle")
"""Where tools lie that a repository ignores."""
_WHOLE_TREE = frozenset({".", "*", "**", "**/*", "/"})


class LintFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One doubt: what about (None: the goal itself), which rule, how sure, and why in a sentence."""

    predicate: str | None
    code: str
    severity: Severity
    why: str
    line: int | None = None


VACUOUS = frozenset(n.code for n in NOTES)


def cannot_be_red(findings: Iterable[LintFinding]) -> tuple[LintFinding, ...]:
    """Those on which a goal is refused: proof that a predicate passes whatever happens."""
    return tuple(f for f in findings if f.severity == "refuse" and f.code in VACUOUS)


def lint(goal: Goal, *, kinds: Mapping[str, KindSpec]) -> tuple[LintFinding, ...]:
    """Everything doubtful, the goal's own findings first, then by predicate in vector order."""
    found = [f for rule in _GOAL_RULES for f in rule(goal)]
    left = JUDGED_CHARS_MAX
    for predicate in goal.predicates:
        kind = kinds.get(predicate.provider)
        if kind is None or kind.synthesized:
            continue
        if kind.deprecated_for is not None:
            why = f'provider "{kind.name}" is deprecated, "{kind.deprecated_for}" does the same'
            found.append(_doubt(predicate, "deprecated-kind", why))
        found += [f for rule in _PREDICATE_RULES for f in rule(goal, predicate)]
        left -= len(str(predicate.options))
        found += _vacuous(predicate, is_due=left > 0)
    return tuple(found)


def _single_sample(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    samples = predicate.options.get("samples", 1)
    if predicate.live and predicate.cadence.recover == 1 and samples == 1:
        yield _doubt(predicate, "single-sample", "one passing look converges it; one lucky answer is enough")


def _no_executor(goal: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    if any(r.covers(predicate.id) for r in goal.remedies) or agent_may(goal, predicate):
        return
    if autonomy.is_observed(goal, predicate.id):
        return  # asked for
    if goal.harness is None:
        why = "no remedy covers it and this goal has no agent: a red is reported and held"
    else:
        why = "no remedy covers it, and an agent works on a live predicate only if [harness] for names it"
    yield _doubt(predicate, "no-executor", why)


def _no_assertion(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    options = predicate.options
    match predicate.provider:
        case "http_probe" if "expect_status" not in options and "expect_body" not in options:
            yield _doubt(
                predicate,
                "no-assertion",
                "it asserts nothing: any 2xx answer passes, an error page with 200 too",
            )
        case "browser" if not options.get("assertions"):
            yield _doubt(predicate, "no-assertion", "it asserts nothing: a page that loads passes")
        case _:
            pass


def _http_words(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    if predicate.provider != "http_probe":
        return
    options = predicate.options
    if not str(options.get("url", "")).lower().startswith(("http://", "https://")):
        yield _doubt(predicate, "not-http", "its url begins neither with http:// nor with https://")
    if str(options.get("method", "get")).lower() not in HTTP_METHODS:
        yield _doubt(predicate, "unknown-method", f'"{options.get("method")}" is no HTTP method')
    if options.get("body_match", "contains") not in ("contains", "exact"):
        yield _doubt(predicate, "unknown-match", f'body_match "{options.get("body_match")}" means contains')


def _unknown_action(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    steps = predicate.options.get("steps", ())
    if predicate.provider == "browser" and isinstance(steps, list):
        for number, step in enumerate(steps, start=1):
            action = step.get("action") if isinstance(step, Mapping) else None
            if action not in BROWSER_ACTIONS:
                yield _doubt(
                    predicate, "unknown-action", f'step {number} has no action a browser knows: "{action}"'
                )


def _samples_fit(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    samples, interval_ms = predicate.options.get("samples", 1), predicate.options.get("interval_ms", 0)
    if isinstance(samples, int) and isinstance(interval_ms, int):
        taken_s = (samples - 1) * interval_ms / 1000
        if taken_s >= predicate.cadence.deadline_s:
            why = f"{samples} samples take {taken_s:g} s, and a look ends after {predicate.cadence.deadline_s:g} s"
            yield _refuse(predicate, "never-passes", why)


def _command(_: Goal, predicate: Predicate) -> Iterator[LintFinding]:
    options = predicate.options
    cmd = options.get("cmd")
    sources = ("files", "unit", "journal_dir") if predicate.provider == "prod_log" else ()
    is_bare = cmd is None and not any(options.get(key) for key in sources)
    if is_bare and predicate.provider in ("test_runner", "prod_log", "mutation"):
        yield _refuse(predicate, "no-command", "it has no cmd, so every look is an error")
    if not isinstance(cmd, str):
        return
    yield from _whole_line(predicate, cmd, "cmd")


def _vacuous(predicate: Predicate, *, is_due: bool) -> Iterator[LintFinding]:
    """What its command's text tells of its ability to be red."""
    for note in judge(predicate.provider, predicate.options) if is_due else (UNREAD,):
        yield _finding(predicate, note.code, note.severity, f"{note.why}; instead: {note.instead}")


def _whole_line(predicate: Predicate | None, cmd: str, what: str) -> Iterator[LintFinding]:
    if any(c.isspace() for c in cmd):
        why = f'{what} is one executable, not a line for a shell: "{cmd[:60]}"; put the rest into args'
        yield _finding(predicate, "command-line", "doubt", why)


def _remedy_commands(goal: Goal) -> Iterator[LintFinding]:
    for number, remedy in enumerate(goal.remedies, start=1):
        yield from _whole_line(None, remedy.cmd, f"[[remedy]] {number}: cmd")


def _blank_id(goal: Goal) -> Iterator[LintFinding]:
    if not goal.id.strip():
        yield _finding(None, "blank-id", "doubt", "its id is blank, so nobody can type it")


def _contradictions(goal: Goal) -> Iterator[LintFinding]:
    """The same request cannot have two answers."""
    asked: dict[tuple[str, str, str], dict[str, tuple[Predicate, object]]] = {}
    for predicate in goal.predicates:
        options = predicate.options
        if predicate.provider != "http_probe":
            continue
        headers = options.get("headers", {})
        request = (str(options.get("method", "get")).lower(), str(options.get("url")), str(headers))
        claims = {"status": options.get("expect_status")}
        if options.get("body_match") == "exact":
            claims["body"] = options.get("expect_body")
        earlier = asked.setdefault(request, {})
        for what, claim in claims.items():
            if claim is None:
                continue
            other, claimed = earlier.setdefault(what, (predicate, claim))
            if claimed != claim:
                why = f'"{other.id}" demands another {what} of the same request: both can never hold'
                yield _refuse(predicate, "contradiction", why)


def _denied_scope(goal: Goal) -> Iterator[LintFinding]:
    denied = {posixpath.normpath(d) for d in goal.scope.deny}
    whole = bool(denied & _WHOLE_TREE)
    if whole or (goal.scope.paths and all(_is_below(p, denied) for p in goal.scope.paths)):
        why = "[scope] deny covers all that the goal may work on, so no repair is possible"
        yield _finding(None, "deny-covers-scope", "refuse", why)


def _is_below(path: str, folders: set[str]) -> bool:
    plain = posixpath.normpath(path)
    return any(plain == f or plain.startswith(f"{f}/") for f in folders)


def _budget(goal: Goal) -> Iterator[LintFinding]:
    if goal.harness is None:
        return
    budget = goal.budget
    ceilings: tuple[tuple[str, float | None, float], ...] = (
        ("max_tokens", budget.tokens_max, TOKENS_PER_DISPATCH_MIN),
        ("max_cost_usd", budget.cost_usd_max, COST_USD_PER_DISPATCH_MIN),
        ("max_wall_clock_ms", _ms(budget.wall_clock_s_max), DISPATCH_S_MIN * 1000),
    )
    for name, ceiling, least in ceilings:
        if ceiling is not None and ceiling < least:
            why = f"budget.{name} = {ceiling:g} is below one dispatch, which takes at least {least:g}"
            yield _finding(None, "budget-below-dispatch", "doubt", why)


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else seconds * 1000


def _limits_that_never_bind(goal: Goal) -> Iterator[LintFinding]:
    """A limit that another one always reaches first is a promise nobody keeps."""
    harness, clock_s = goal.harness, goal.budget.wall_clock_s_max
    if harness is not None and harness.idle_timeout_s > harness.total_timeout_s:
        why = (
            f"harness idle_timeout ({harness.idle_timeout_s:g} s) never trips: timeout ends the attempt first"
        )
        yield _finding(None, "never-trips", "doubt", why)
    for number, remedy in enumerate(goal.remedies, start=1):
        waited_s = sum(
            min(CAP_S, BASE_S * 2.0 ** min(n, 30)) / 2 for n in range(min(remedy.attempts - 1, 10_000))
        )
        if clock_s is not None and waited_s > clock_s:
            what = f"[[remedy]] {number}: attempts = {remedy.attempts}"
            why = f"{what} never trips: backoff alone outlasts max_wall_clock_ms"
            yield _finding(None, "never-trips", "doubt", why)


def _guards_without_metric(goal: Goal) -> Iterator[LintFinding]:
    enforcement = goal.tables.get("enforcement")
    guards = enforcement.get("guard") if isinstance(enforcement, Mapping) else None
    for guard in guards if isinstance(guards, list) else ():
        if isinstance(guard, Mapping):
            metric = guard.get("metric")
            if not isinstance(metric, Mapping) or not metric.get("cmd"):
                yield LintFinding(
                    predicate=str(guard.get("id")),
                    code="no-command",
                    severity="refuse",
                    why="this enforcement guard measures nothing: its metric has no cmd",
                )


def _doubt(predicate: Predicate, code: str, why: str) -> LintFinding:
    return _finding(predicate, code, "doubt", why)


def _refuse(predicate: Predicate, code: str, why: str) -> LintFinding:
    return _finding(predicate, code, "refuse", why)


def _finding(predicate: Predicate | None, code: str, severity: Severity, why: str) -> LintFinding:
    return LintFinding(
        predicate=None if predicate is None else predicate.id,
        code=code,
        severity=severity,
        why=printable(why),
    )


def _held_out_in_reach(goal: Goal) -> Iterator[LintFinding]:
    """The one file that tells all must not lie where the agent works."""
    if goal.harness is None or goal.workspace is None or goal.source_path is None:
        return
    folder = goal.workspace.rstrip("/") + "/"
    hidden = [p for p in goal.predicates if p.held_out]
    if hidden and posixpath.normpath(goal.source_path).startswith(folder):
        why = (
            "this goal-file lies in the workspace, where the agent can read what it holds out; "
            "keep it outside and name the workspace in [scope]"
        )
        yield LintFinding(predicate=None, code="held-out-in-reach", severity="doubt", why=why)


def _installed_in_the_workspace(goal: Goal) -> Iterator[LintFinding]:
    """A worktree has what git knows: what was installed beside it is not there before `setup` brings it."""
    isolation = goal.isolation
    if goal.harness is None or isolation.mode != "worktree" or isolation.setup:
        return
    for predicate in goal.predicates:
        words = f"{predicate.options.get('cmd', '')} {predicate.options.get('args', '')}"
        found = next((f for f in _INSTALLED if f"{f}/" in words), None)
        if not predicate.live and found is not None and f"/{found}/" not in words:
            why = (
                f"it runs from {found}, which a fresh worktree does not have: say in [workspace] setup how it "
                'gets there, or mode = "in_place"'
            )
            yield _doubt(predicate, "not-in-a-worktree", why)


_GOAL_RULES: tuple[Callable[[Goal], Iterator[LintFinding]], ...] = (
    _blank_id,
    _installed_in_the_workspace,
    _denied_scope,
    _budget,
    _limits_that_never_bind,
    _remedy_commands,
    _contradictions,
    _guards_without_metric,
    _held_out_in_reach,
)
_PREDICATE_RULES: tuple[Callable[[Goal, Predicate], Iterator[LintFinding]], ...] = (
    _no_executor,
    _no_assertion,
    _single_sample,
    _command,
    _http_words,
    _unknown_action,
    _samples_fit,
)
