"""What every attempt of an agent leaves for measuring and learning: one bounded record, made from the journal alone.

Pure, so an attempt has its trace however the daemon ended meanwhile, as long as its events are kept. What is held out
is counted and never named; there is no prompt, evidence, output or reason in it, only digests, counts and names that
are redacted once more. Format: docs/traces.md; `version` rises when a field changes its meaning or goes.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec
from msgspec.structs import replace

from kazid.core.event import (
    ActEnded,
    ActIntended,
    DispatchPrepared,
    EpisodeClosed,
    GoalApplied,
    Recorded,
    SnapshotTaken,
    StatusChanged,
)
from kazid.core.fold import Folded, fold
from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.progress import Progress
from kazid.core.status import FINISHED, GoalStatus

FORMAT = "kazi-trace"
VERSION = 1
SETTLED = FINISHED | {GoalStatus.HOLDING, GoalStatus.CONVERGED}


class TraceUsage(msgspec.Struct, frozen=True, kw_only=True):
    """Tokens by class. Null: the agent did not say."""

    input: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    output: int | None = None


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt of an agent. Null is unknown, never zero."""

    format: str = FORMAT
    version: int = VERSION
    owner: str
    goal_id: str
    uid: str
    attempt: int
    attempt_id: str
    episode: int | None
    started_at: float
    """Wall seconds."""
    harness: str
    model_asked: str | None = None
    effort: str | None = None
    chosen_by: str | None = None
    predicates: Sequence[str] = ()
    withheld: int = 0
    """How many predicates are not named here, of the whole goal."""
    program: str | None = None
    """The name of the executable, without its folder."""
    cli_version: str | None = None
    prompt_sha256: str | None = None
    prompt_bytes: int | None = None
    imports: str | None = None
    """`told`, or why the prompt does not say who imports what is near the failure."""
    before: Mapping[str, str] = {}
    after: Mapping[str, str] = {}
    """Verdicts by predicate: when it was sent, and looked at after it ended. Not looked at: absent."""
    ending: str | None = None
    """Null: it runs, or ended where nobody saw it."""
    exit_code: int | None = None
    cause: str | None = None
    duration_s: float | None = None
    model: str | None = None
    tools: Mapping[str, int] = {}
    turns: int | None = None
    denials: int | None = None
    tokens: TraceUsage = TraceUsage()
    tokens_charged: int | None = None
    tokens_estimated: bool = False
    cost_usd: float | None = None
    cost_estimated: bool = False
    cost_by_table: str | None = None
    files: int | None = None
    """As git tells it; null where it does not."""
    lines: int | None = None
    touched: Sequence[str] = ()
    outside: int = 0
    commits: int = 0


def traces_of(records: Iterable[Recorded], *, owner: str, goal_id: str) -> Iterator[Trace]:
    """One for each attempt of an agent, oldest first; the last may be of one under way."""
    folded = Folded(None, Progress())
    open_trace: Trace | None = None
    for record in records:
        event, before = record.event, folded
        if folded.goal is None and not isinstance(event, GoalApplied | SnapshotTaken):
            continue  # of before the oldest that is kept
        folded = fold(folded, event, at=record.at)
        if open_trace is not None and _closes(event):
            yield _looked(open_trace, before)
            open_trace = None
        if isinstance(event, ActIntended) and event.rung.startswith("harness:"):
            open_trace = _sent(event, record, before, owner=owner, goal_id=goal_id)
        elif open_trace is not None and isinstance(event, DispatchPrepared | ActEnded):
            open_trace = _with(open_trace, event)
    if open_trace is not None:
        yield _looked(open_trace, folded)


def _closes(event: object) -> bool:
    """True for what begins something else: what is seen after it is not this attempt's doing alone."""
    if isinstance(event, StatusChanged):
        return event.status in SETTLED
    return isinstance(event, ActIntended | EpisodeClosed | GoalApplied | SnapshotTaken)


def _sent(event: ActIntended, record: Recorded, before: Folded, *, owner: str, goal_id: str) -> Trace:
    goal, progress = before.goal, before.progress
    assert goal is not None, "what acts has a spec"
    sent = event.assignment
    return Trace(
        owner=owner,
        goal_id=goal_id,
        uid=record.uid,
        attempt=event.number,
        attempt_id=event.attempt_id,
        episode=None if progress.episode is None else progress.episode.number,
        started_at=round(record.at.wall_s, 3),
        harness=event.rung.removeprefix("harness:"),
        model_asked=None if sent is None else sent.model,
        effort=None if sent is None else sent.effort,
        chosen_by=None if sent is None else sent.by,
        predicates=[p for p in event.predicates if p in _named(goal)],
        withheld=len(goal.predicates) - len(_named(goal)),
        before=_verdicts(goal, progress),
    )


def _with(trace: Trace, event: DispatchPrepared | ActEnded) -> Trace:
    if event.attempt_id != trace.attempt_id:
        return trace
    if isinstance(event, DispatchPrepared):
        return replace(
            trace,
            program=event.program,
            cli_version=event.version,
            prompt_sha256=event.prompt_sha256,
            prompt_bytes=event.prompt_bytes,
            imports=event.imports,
        )
    usage, said, change = event.usage, event.said, event.change
    return replace(
        trace,
        ending=event.ending,
        exit_code=event.exit_code,
        cause=None if event.cause is None else event.cause.value,
        duration_s=round(event.duration_s, 3),
        model=None if said is None else said.model,
        cli_version=trace.cli_version if said is None or said.version is None else said.version,
        tools={} if said is None else said.tools,
        turns=None if said is None else said.turns,
        denials=None if said is None else said.denials,
        cost_by_table=None if said is None else said.cost_by_table,
        tokens=trace.tokens
        if usage is None
        else TraceUsage(
            input=usage.input_tokens,
            cached_input=usage.cached_input_tokens,
            cache_write=usage.cache_write_tokens,
            output=usage.output_tokens,
        ),
        tokens_charged=event.tokens_charged,
        tokens_estimated=event.charge_estimated,
        cost_usd=event.cost_usd_charged,
        cost_estimated=event.cost_estimated,
        files=None if change is None else change.files,
        lines=None if change is None else change.lines,
        touched=() if change is None else change.touched,
        outside=0 if change is None else len(change.outside),
        commits=0 if change is None else change.commits,
    )


def _looked(trace: Trace, folded: Folded) -> Trace:
    """The trace with what was seen of the goal since the attempt ended."""
    goal, progress = folded.goal, folded.progress
    if trace.ending is None or goal is None or progress.last_act_ended_s is None:
        return trace
    return replace(trace, after=_verdicts(goal, progress, since_s=progress.last_act_ended_s))


def _verdicts(goal: Goal, progress: Progress, *, since_s: float | None = None) -> dict[str, str]:
    states = {p: progress.predicate(p) for p in _named(goal)}
    return {
        p: s.verdict.status.value
        for p, s in states.items()
        if s.verdict is not None and (since_s is None or s.started_s >= since_s)
    }


def _named(goal: Goal) -> list[PredicateId]:
    return [p.id for p in goal.predicates if not p.held_out]
