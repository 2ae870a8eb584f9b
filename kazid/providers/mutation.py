"""`mutation`: runs a mutation tester and compares the share of mutants that its tests killed with a threshold.

Mutation testers fail below bars of their own, so the exit code decides nothing. A score is a share from 0 to 1, and a
percentage is refused: 85 is above every threshold. Where nothing was mutated there is no claim.
"""

from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.formats.report import integer_of, object_of, text_of
from kazid.providers.json_path import PathProblem, number_at, value_at
from kazid.providers.ran import (
    Ran,
    Tool,
    could_not_look,
    evidence_of,
    read_command_options,
    read_off_the_loop,
    run_tool,
    with_evidence,
)

SURVIVORS_MAX = 20


class MutationOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    cmd: str
    threshold: float
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    report_path: str = ""
    score_path: str = ""
    killed_path: str = ""
    survived_path: str = ""
    survivors_path: str = ""
    merge_stderr: bool = False
    timeout_ms: int | None = None

    @property
    def tool(self) -> Tool:
        """What is run."""
        return Tool(
            argv=(self.cmd, *self.args),
            env=self.env,
            merge_stderr=self.merge_stderr,
            timeout_ms=self.timeout_ms,
            report_path=self.report_path,
        )


class _Score(msgspec.Struct, frozen=True, kw_only=True):
    """A share from 0 to 1, None where nothing was mutated, and what it was made of."""

    share: float | None
    facts: Mapping[str, Json] = {}


class Mutation:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the mutation tester once and judge its score."""
        read = read_command_options(options, MutationOptions)
        if isinstance(read, Verdict):
            return read
        if not 0 <= read.threshold < 1:
            return errored("invalid_config", "threshold is a number from 0 to below 1")
        if not read.score_path and not (read.killed_path and read.survived_path):
            return errored("invalid_config", "needs score_path, or both killed_path and survived_path")
        ran = await run_tool(read.tool, look, commands)
        return await read_off_the_loop(ran, lambda: interpret(ran, read, workspace=look.workspace))


def interpret(ran: Ran, options: MutationOptions, *, workspace: str) -> Verdict:
    """PASS iff the share of killed mutants reaches the threshold."""
    evidence = evidence_of(ran, options.tool, workspace=workspace)
    evidence["threshold"] = options.threshold
    stopped = could_not_look(ran, options.tool)
    return with_evidence(stopped or _judged(ran, options), evidence)


def _judged(ran: Ran, options: MutationOptions) -> Verdict:
    try:
        document: Json = parse_json(ran.report if isinstance(ran.report, str) else "")
    except NotJson as error:
        return errored("invalid_json_output", f"the report is not JSON: {error}")
    score = _score(document, options)
    if isinstance(score, Verdict):
        return score
    if score.share is None:
        return with_evidence(
            unknown("not_applicable", "no mutants in scope: nothing was tested"),
            {**score.facts, "note": "no_mutants_in_scope"},
        )
    survivors = _survivors(document, options)
    facts = {**score.facts, "score": score.share, "survivors": [shortened(s.message) for s in survivors]}
    holds = score.share >= options.threshold
    return Verdict(
        status=Status.PASS if holds else Status.FAIL,
        reason=None if holds else "threshold",
        detail=None
        if holds
        else f"{score.share:g} of the mutants were killed, {options.threshold:g} are asked",
        evidence=facts,
        findings=survivors,
        score=score.share,
        direction=Direction.HIGHER_BETTER,
    )


def _score(document: Json, options: MutationOptions) -> _Score | Verdict:
    if options.score_path:
        score = number_at(document, options.score_path)
        if isinstance(score, PathProblem):
            return errored(score.reason, score.detail)
        if not 0 <= score <= 1:
            detail = (
                f"{options.score_path} is {score:g}: a score is a share from 0 to 1, no count or percentage"
            )
            return errored("not_a_share", detail)
        return _Score(share=float(score))
    counts: list[float] = []
    for path in (options.killed_path, options.survived_path):
        count = number_at(document, path)
        if isinstance(count, PathProblem):
            return errored(count.reason, count.detail)
        if count < 0:
            return errored("not_a_count", f"{path} is {count:g}")
        counts.append(count)
    killed, survived = counts
    total = killed + survived
    return _Score(share=killed / total if total else None, facts={"killed": killed, "survived": survived})


def _survivors(document: Json, options: MutationOptions) -> list[Finding]:
    if not options.survivors_path:
        return []
    found = value_at(document, options.survivors_path)
    return [_survivor(entry) for entry in found[:SURVIVORS_MAX]] if isinstance(found, list) else []


def _survivor(entry: Json) -> Finding:
    told = object_of(entry)
    names = (told.get(key) for key in ("description", "name", "id", "mutator"))
    message = text_of(entry) or next((t for n in names if (t := text_of(n)) is not None), None)
    return Finding(
        message=message or shortened(str(entry)),
        file=text_of(told.get("file")) or text_of(told.get("path")),
        line=integer_of(told.get("line")),
        rule="survivor",
        level="warning",
    )
