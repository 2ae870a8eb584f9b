"""`cli`: runs a command as a person would and asserts on its exit code and both output streams.

An assertion that cannot be evaluated (no JSON, no golden file) does not hold: it is a FAIL with its reason, and never
an error. A script is a list of runs, each with assertions of its own, that stops at the first that does not hold.
"""

from collections.abc import Mapping, Sequence

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import matching
from kazid.providers.assertions import (
    Answer,
    Assertion,
    Check,
    Match,
    Target,
    checked,
    golden_texts,
    text_of_stream,
)
from kazid.providers.evidence import command_evidence
from kazid.providers.options import allowed_s
from kazid.providers.ran import Ran, Tool, could_not_look, read_command_options, with_evidence

OUTPUT_BYTES_MAX = 1024 * 1024
"""Of one stream: a person reads less."""

STEPS_MAX = 100
FAILURES_MAX = 20


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of a script."""

    assertions: Sequence[Assertion]
    args: Sequence[str] | None = None


class CliOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    cmd: str
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    assertions: Sequence[Assertion] | None = None
    script: Sequence[Step] | None = None
    samples: int = 1
    timeout_ms: int | None = None

    @property
    def steps(self) -> Sequence[Step]:
        """What is run in one sample; `script` wins."""
        return (Step(assertions=self.assertions or ()),) if self.script is None else self.script


class _Budget:
    """How long all that is left to run may take."""

    def __init__(self, look: Look) -> None:
        self._ends_s = anyio.current_time() + allowed_s(None, look)

    @property
    def is_spent(self) -> bool:
        """True when nothing more may be run."""
        return anyio.current_time() >= self._ends_s

    def left_s(self, timeout_ms: int | None) -> float:
        """The deadline of the next run."""
        left_s = max(0.05, self._ends_s - anyio.current_time())
        return left_s if timeout_ms is None else min(timeout_ms / 1000, left_s)


class Cli:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run all samples, each with all steps, until one does not hold."""
        read = read_command_options(options, CliOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := _problem(read)) is not None:
            return problem
        budget = _Budget(look)
        verdicts: list[Verdict] = []
        for _ in range(read.samples):
            verdicts.append(await _sample(read, look, commands, budget))
            if not verdicts[-1].is_green:
                break
        return verdicts[0] if read.samples == 1 else _sampled(verdicts, read)


def _problem(options: CliOptions) -> Verdict | None:
    if options.samples < 1 or not 1 <= len(options.steps) <= STEPS_MAX:
        return errored("invalid_config", f"samples below 1, or not 1 to {STEPS_MAX} steps")
    if not all(step.assertions for step in options.steps):
        return errored("invalid_config", "a run without assertions asserts nothing")
    regexes = [a.expected for s in options.steps for a in s.assertions if a.match is Match.REGEX]
    return matching.bad_regex([regex for regex in regexes if isinstance(regex, str)])


async def _sample(options: CliOptions, look: Look, commands: CommandRunner, budget: _Budget) -> Verdict:
    verdicts: list[Verdict] = []
    for step in options.steps:
        verdicts.append(await _step(step, options, look, commands, budget))
        if not verdicts[-1].is_green:
            break
    return verdicts[0] if options.script is None else _scripted(verdicts, options)


async def _step(
    step: Step, options: CliOptions, look: Look, commands: CommandRunner, budget: _Budget
) -> Verdict:
    args = options.args if step.args is None else step.args
    if budget.is_spent:
        return errored("timeout", "not all runs came to their end within the deadline")
    result = await commands.run(
        Command(
            argv=(options.cmd, *args),
            cwd=look.workspace,
            deadline_s=budget.left_s(options.timeout_ms),
            path=look.path,
            env=options.env,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    )
    evidence = command_evidence(result, args=args, workspace=look.workspace)
    stopped = _could_not_look(result, step, options)
    if stopped is not None:
        return with_evidence(stopped, evidence)
    regexes = [a.expected for a in step.assertions if a.match is Match.REGEX and isinstance(a.expected, str)]
    texts = [text_of_stream(result, target) for target in (Target.STDOUT, Target.STDERR)]
    found = await matching.find(regexes, texts, look, commands, left_s=budget.left_s(None))
    if isinstance(found, Verdict):
        return with_evidence(found, evidence)
    goldens = await anyio.to_thread.run_sync(golden_texts, step.assertions, look.workspace)
    answer = Answer(result=result, found=dict(zip(regexes, found, strict=True)), goldens=goldens)
    return with_evidence(interpret([checked(each, answer) for each in step.assertions]), evidence)


def _could_not_look(result: CommandResult, step: Step, options: CliOptions) -> Verdict | None:
    """ERROR for what did not run to its end. A signal is an exit code, as in a shell."""
    if result.ending is Ending.SIGNALED:
        return None
    tool = Tool(argv=(options.cmd,), timeout_ms=options.timeout_ms, report_path="-")
    stopped = could_not_look(Ran(result=result, report=""), tool)
    streams = {Target.STDOUT: result.stdout, Target.STDERR: result.stderr}
    cut = [a.target.value for a in step.assertions if a.target in streams and streams[a.target].truncated]
    if stopped is None and cut:
        return errored("output_truncated", f"{cut[0]} has more than {OUTPUT_BYTES_MAX} bytes")
    return stopped


def interpret(checks: Sequence[Check]) -> Verdict:
    """PASS iff every assertion holds; the score is how many do."""
    failures = [check for check in checks if not check.holds]
    evidence: dict[str, Json] = {
        "passed": len(checks) - len(failures),
        "total": len(checks),
        "results": [check.told for check in checks[:STEPS_MAX]],
    }
    if failures:
        evidence["assertion_failures"] = [check.told for check in failures[:FAILURES_MAX]]
    return Verdict(
        status=Status.FAIL if failures else Status.PASS,
        reason="assertion" if failures else None,
        detail=failures[0].sentence if failures else None,
        evidence=evidence,
        findings=[Finding(message=c.sentence, rule=c.rule, level="error") for c in failures[:FAILURES_MAX]],
        score=float(len(checks) - len(failures)),
        direction=Direction.HIGHER_BETTER,
    )


def _scripted(verdicts: Sequence[Verdict], options: CliOptions) -> Verdict:
    """The verdict of a script: that of its last run, with how far it came."""
    passing = sum(verdict.is_green for verdict in verdicts)
    last = verdicts[-1]
    steps: list[Json] = [_step_told(number, verdict) for number, verdict in enumerate(verdicts)]
    evidence: dict[str, Json] = {
        **last.evidence,
        "steps_required": len(options.steps),
        "passing_steps": passing,
        "steps": steps,
    }
    if not last.is_green:
        evidence["failed_step"] = len(verdicts) - 1
    return _counted(last, passing, evidence)


def _step_told(number: int, verdict: Verdict) -> Json:
    shown = ("args", "exit", "passed", "total", "assertion_failures")
    facts = {key: verdict.evidence[key] for key in shown if key in verdict.evidence}
    return {"index": number, "status": verdict.status.value, **facts}


def _sampled(verdicts: Sequence[Verdict], options: CliOptions) -> Verdict:
    passing = sum(verdict.is_green for verdict in verdicts)
    runs: list[Json] = [{"status": verdict.status.value, "score": verdict.score} for verdict in verdicts]
    evidence: dict[str, Json] = {
        **verdicts[-1].evidence,
        "samples_required": options.samples,
        "passing_count": passing,
        "runs": runs,
    }
    return _counted(verdicts[-1], passing, evidence)


def _counted(last: Verdict, passing: int, evidence: Mapping[str, Json]) -> Verdict:
    if last.status is Status.ERROR:
        return msgspec.structs.replace(last, evidence=evidence)
    return msgspec.structs.replace(
        last, evidence=evidence, score=float(passing), direction=Direction.HIGHER_BETTER
    )
