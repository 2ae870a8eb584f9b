"""`cve`: runs a vulnerability scanner and counts what is reachable (govulncheck), or what a path leads to.

Scanners exit as they like with findings and without, so the report decides. It has to be one: govulncheck begins each
with its configuration, the others answer in JSON that has the path. A failure without a finding is one of the scanner.
"""

import enum
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Finding, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.counted import Bar, bad_baseline, judged
from kazid.providers.formats.json_text import NotJson, parse_json, parse_stream
from kazid.providers.formats.report import object_of
from kazid.providers.formats.vulnerabilities import (
    evidence_of_reachable,
    findings_in,
    reachable_in,
)
from kazid.providers.json_path import PathProblem, number_at
from kazid.providers.options import read_options
from kazid.providers.ran import (
    Ran,
    Tool,
    could_not_look,
    evidence_of,
    read_off_the_loop,
    run_tool,
    with_evidence,
)

UNREAD = "invalid_json_output"


class Scanner(enum.Enum):
    """Whose report is read."""

    GOVULNCHECK = "govulncheck"
    TRIVY = "trivy"
    GRYPE = "grype"
    NPM_AUDIT = "npm_audit"


USUAL: Mapping[Scanner, tuple[str, ...]] = MappingProxyType(
    {
        Scanner.GOVULNCHECK: ("govulncheck", "-json", "./..."),
        Scanner.TRIVY: ("trivy", "fs", "--format", "json", "."),
        Scanner.GRYPE: ("grype", "-o", "json", "."),
        Scanner.NPM_AUDIT: ("npm", "audit", "--json"),
    }
)
"""What is run where the goal-file names no command."""


class CveOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    tool: Scanner = Scanner.GOVULNCHECK
    cmd: str | None = None
    args: Sequence[str] | None = None
    env: Mapping[str, str] = {}
    count_path: str = ""
    baseline: float | str = 0.0
    allowed_regression: float = 0.0
    store_dir: str = ""
    timeout_ms: int | None = None

    @property
    def run(self) -> Tool:
        """What is run."""
        cmd, *args = USUAL[self.tool]
        argv = (self.cmd or cmd, *(args if self.args is None else self.args))
        return Tool(argv=argv, env=self.env, timeout_ms=self.timeout_ms)


class Cve:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the scanner once and judge what it found."""
        read = read_options(options, CveOptions)
        if isinstance(read, Verdict):
            return read
        if read.tool is not Scanner.GOVULNCHECK and not read.count_path:
            return errored("invalid_config", f"{read.tool.value} needs count_path")
        if (problem := bad_baseline(read.baseline)) is not None:
            return problem
        ran = await run_tool(read.run, look, commands)
        return await read_off_the_loop(
            ran, lambda: interpret(ran, read, workspace=look.workspace, stored=look.baseline)
        )


def interpret(ran: Ran, options: CveOptions, *, workspace: str, stored: float | None) -> Verdict:
    """PASS iff a believed report counts no more than allowed."""
    evidence = evidence_of(ran, options.run, workspace=workspace)
    evidence["tool"] = options.tool.value
    stopped = could_not_look(ran, options.run)
    if stopped is None:
        text = ran.report if isinstance(ran.report, str) else ""
        bar = Bar(baseline=options.baseline, allowed_regression=options.allowed_regression, stored=stored)
        if options.tool is Scanner.GOVULNCHECK:
            stopped = _by_reachability(text, ran, bar)
        else:
            stopped = _by_count(text, ran, bar, options)
    return with_evidence(stopped, evidence)


def _by_reachability(text: str, ran: Ran, bar: Bar) -> Verdict:
    try:
        messages = [object_of(message) for message in parse_stream(text)]
    except NotJson as error:
        reason = "tool_unrunnable" if ran.exit_code else UNREAD
        return errored(reason, f"the output is no stream of JSON: {error}")
    reachable = reachable_in(messages)
    if not any("config" in message for message in messages) and not reachable:
        if ran.exit_code:
            return errored("tool_unrunnable", f"exit {ran.exit_code} without a report")
        return errored(
            "no_proof",
            "nothing shows that govulncheck ran: its report begins with its configuration, since version 1.0",
        )
    if ran.exit_code and not reachable:
        return errored("tool_unrunnable", f"exit {ran.exit_code}: the scan did not come to its end")
    findings = [found.finding for found in reachable]
    verdict = judged(len(reachable), bar, findings, what="reachable vulnerabilities")
    facts: dict[str, Json] = {"count": len(reachable), "findings": evidence_of_reachable(reachable)}
    return with_evidence(verdict, facts)


def _by_count(text: str, ran: Ran, bar: Bar, options: CveOptions) -> Verdict:
    facts: dict[str, Json] = {"count_path": options.count_path}
    try:
        document: Json = parse_json(text)
    except NotJson as error:
        return errored(UNREAD, f"the output is not JSON: {error}", **facts)
    count = number_at(document, options.count_path)
    if isinstance(count, PathProblem):
        return errored(count.reason, count.detail, **facts)
    findings: Sequence[Finding] = findings_in(document, options.tool.value)
    if count < 0:
        return errored("not_a_count", f"{options.count_path} is {count}", **facts)
    if ran.exit_code and not count and not findings:
        detail = f"exit {ran.exit_code}, and no finding that explains it"
        return errored("unexplained_exit", detail, **facts)
    return with_evidence(judged(count, bar, findings, what="vulnerabilities"), {**facts, "count": count})
