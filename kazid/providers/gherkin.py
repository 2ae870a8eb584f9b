"""`gherkin`: one scenario of a feature file, as the one run of its runner reports it.

A goal-file's gherkin predicate becomes one for each scenario when it is loaded; all of them share a run. What cannot be
run or read is an ERROR, so that it ends as other errors do. Without a runner, and for a scenario that the report does
not name, there is no claim: UNKNOWN. A name that is reported more than once is green when every report of it is.
"""

import enum
import json
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Finding, Status, Verdict, errored, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import excerpt, shortened
from kazid.providers.formats.cucumber import PASSED, ScenarioResult, read_scenarios
from kazid.providers.formats.report import text_of
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
from kazid.providers.shared_runs import SharedRuns

NAMES_SHOWN_MAX = 50
SCENARIOS_MAX = 20_000
_PASSING = frozenset({"pass", "passed", "ok", "true", "green", "success"})


class VerdictFormat(enum.Enum):
    """What the runner reports."""

    CUCUMBER_JSON = "cucumber_json"
    SCENARIO_MAP = "scenario_map"


class GherkinOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored, and what the expansion of the feature file added."""

    feature: str
    scenario: str
    steps: Sequence[str] = ()
    row_key: str = ""
    example: Mapping[str, str] = {}
    verdict_format: VerdictFormat = VerdictFormat.CUCUMBER_JSON
    runner_cmd: str = ""
    runner_args: Sequence[str] = ()
    report_path: str = ""

    @property
    def tool(self) -> Tool:
        """What is run."""
        return Tool(argv=(self.runner_cmd, *self.runner_args), report_path=self.report_path)

    @property
    def names(self) -> tuple[str, ...]:
        """What the report may call it: a row first by the name with its cells filled in."""
        filled = self.scenario
        for column, cell in self.example.items():
            filled = filled.replace(f"<{column}>", cell)
        return tuple(dict.fromkeys((filled, self.scenario)))


class Reported(msgspec.Struct, frozen=True, kw_only=True):
    """One run, shared by the looks at its scenarios: `scenarios`, or why there are none."""

    evidence: Mapping[str, Json]
    scenarios: Sequence[ScenarioResult] = ()
    problem: Verdict | None = None


class Gherkin:
    """The provider."""

    def __init__(self) -> None:
        self._runs = SharedRuns[Reported]()

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Run the runner, or share a run, and look the scenario up."""
        read = read_options(options, GherkinOptions)
        if isinstance(read, Verdict):
            return read
        if not read.scenario:
            return errored("invalid_config", "no scenario is named")
        if not read.runner_cmd:
            return unknown("no_runner", "no runner_cmd says what runs the scenarios", **_named(read))

        async def run() -> Reported:
            ran = await run_tool(read.tool, look, commands)
            return await read_off_the_loop(ran, lambda: reported(ran, read, workspace=look.workspace))

        key = (read.feature, read.tool.argv, read.report_path, read.verdict_format)
        return interpret(await self._runs.answer(key, look, run), read)


def reported(ran: Ran, options: GherkinOptions, *, workspace: str) -> Reported:
    """What this run says of all scenarios."""
    evidence = evidence_of(ran, options.tool, workspace=workspace)
    stopped = could_not_look(ran, options.tool)
    if stopped is not None:
        return Reported(evidence=evidence, problem=stopped)
    text = ran.report if isinstance(ran.report, str) else ""
    is_map = options.verdict_format is VerdictFormat.SCENARIO_MAP
    scenarios = _read_map(text) if is_map else read_scenarios(text)
    if isinstance(scenarios, str):
        return Reported(evidence=evidence, problem=errored("report_unreadable", scenarios))
    if len(scenarios) > SCENARIOS_MAX:
        detail = f"{len(scenarios)} scenarios are more than {SCENARIOS_MAX}"
        return Reported(evidence=evidence, problem=errored("report_too_large", detail))
    return Reported(evidence=evidence, scenarios=scenarios)


def interpret(run: Reported, options: GherkinOptions) -> Verdict:
    """PASS iff the run reports the scenario, and every report of it passed."""
    evidence = {**run.evidence, **_named(options)}
    if run.problem is not None:
        return with_evidence(run.problem, evidence)
    found = _of_scenario(run.scenarios, options)
    if not found:
        names: list[Json] = [shortened(s.name) for s in run.scenarios[:NAMES_SHOWN_MAX]]
        return unknown(
            "scenario_absent_from_report",
            f"the report does not name {options.names[0]!r}",
            **{**evidence, "available_scenarios": names},
        )
    failed = next((scenario for scenario in found if not scenario.has_passed), None)
    evidence["reports"] = len(found)
    if failed is None:
        return Verdict(status=Status.PASS, evidence=evidence)
    told = f"{failed.status}: {failed.message}" if failed.message else failed.status
    return Verdict(
        status=Status.FAIL,
        reason="scenario_failed",
        detail=f"{options.names[0]}: {shortened(told)}",
        evidence=evidence,
        findings=[
            Finding(
                message=excerpt(told, 1000),
                file=failed.feature or options.feature,
                line=failed.line,
                rule=shortened(options.names[0]),
                level="error",
            )
        ],
    )


def _named(options: GherkinOptions) -> dict[str, Json]:
    return {"feature": options.feature, "scenario": options.names[0], "format": options.verdict_format.value}


def _of_scenario(scenarios: Sequence[ScenarioResult], options: GherkinOptions) -> Sequence[ScenarioResult]:
    """Its reports; where the report says whose they are, those of other features are left out."""
    for name in options.names:
        found = [scenario for scenario in scenarios if scenario.name == name]
        own = [s for s in found if s.feature is None or _is_same_file(s.feature, options.feature)]
        if found:
            return own or found
    return ()


def _is_same_file(reported_path: str, authored: str) -> bool:
    one, other = reported_path.removeprefix("file:").split("/"), authored.removeprefix("./").split("/")
    shorter = min(len(one), len(other))
    return one[-shorter:] == other[-shorter:]


def _read_map(text: str) -> list[ScenarioResult] | str:
    """The scenarios of an object `name -> value`; a name that is there twice is two of them."""
    pairs: list[tuple[str, Json]] = []

    def keep(found: list[tuple[str, Json]]) -> dict[str, Json]:
        pairs[:] = found  # the outermost object ends last
        return dict(found)

    try:
        document: Json = json.loads(text, object_pairs_hook=keep)
    except (ValueError, RecursionError) as error:
        return f"the report is not JSON: {shortened(str(error))}"
    if not isinstance(document, dict):
        return "the report is JSON, but no object of scenarios"
    return [ScenarioResult(name=name, status=_status(value)) for name, value in pairs]


def _status(value: Json) -> str:
    if value is True or (isinstance(value, str) and value.strip().lower() in _PASSING):
        return PASSED
    return text_of(value) or shortened(json.dumps(value))
