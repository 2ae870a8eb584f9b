"""`coverage`: how much of a change is tested, against a target, and of all the project, against what it was.

Two measures, each a command's number or a share of its coverage report. The bar of the project tightens also while the
change is below its target: what was reached once is not given back because something else is not there yet.
"""

from collections.abc import Mapping

import msgspec

from kazid.core.json import Json
from kazid.core.ratchet import Comparison, compare
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.counted import bad_baseline
from kazid.providers.metric import Measured, MetricOptions, measure
from kazid.providers.options import read_options

SECOND_MEASURE_S_MIN = 0.1
"""What is left for the second command when the first took nearly all: enough to be told that it timed out."""


class CoverageOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    patch: MetricOptions
    target: float
    project: MetricOptions | None = None
    project_baseline: float | str = "stored"
    project_allowed_regression: float = 0.0
    store_dir: str = ""


class Coverage:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Measure one after the other, for both may run the tests, and compare."""
        read = read_options(options, CoverageOptions)
        if isinstance(read, Verdict):
            return read
        patch = await measure(read.patch, look, commands)
        if isinstance(patch, Verdict):
            return _of_dimension(patch, "patch")
        if read.project is None:
            return interpret(patch, None, read, baseline=None)
        baseline = read.project_baseline if not isinstance(read.project_baseline, str) else look.baseline
        left_s = max(SECOND_MEASURE_S_MIN, look.deadline_s - patch.duration_s)
        project = await measure(read.project, msgspec.structs.replace(look, deadline_s=left_s), commands)
        if isinstance(project, Verdict):
            return _of_dimension(project, "project")
        if (problem := bad_baseline(read.project_baseline)) is not None:
            if look.reference is None:
                return errored("baseline_ref_unresolved", problem.detail)
            left_s = max(SECOND_MEASURE_S_MIN, left_s - project.duration_s)
            place = msgspec.structs.replace(look, workspace=look.reference, deadline_s=left_s)
            there = await measure(read.project, place, commands)
            if isinstance(there, Verdict):
                return _of_dimension(msgspec.structs.replace(there, reason="baseline_metric"), "project")
            baseline = there.signal
        return interpret(patch, project, read, baseline=baseline)


def interpret(
    patch: Measured, project: Measured | None, options: CoverageOptions, *, baseline: float | None
) -> Verdict:
    """PASS iff the change reaches its target and the project is no worse than its baseline."""
    patch_holds = patch.signal >= options.target
    evidence: dict[str, Json] = {
        **patch.evidence,
        "patch_coverage": patch.signal,
        "target": options.target,
        "patch_status": _status(holds=patch_holds),
    }
    details = (
        [] if patch_holds else [f"{patch.signal:g} of the change is covered, {options.target:g} is asked"]
    )
    findings = list(patch.findings)
    next_baseline: float | None = None
    if project is not None:
        compared = compare(
            project.signal,
            baseline,
            direction=Direction.HIGHER_BETTER,
            allowed_regression=options.project_allowed_regression,
        )
        evidence |= _project_evidence(project, options, compared, baseline=baseline)
        findings += [] if compared.holds else project.findings
        if compared.holds and _is_stored(options):
            next_baseline = compared.next_baseline
        if not compared.holds:
            details.append(f"{project.signal:g} of the project is covered, it was {baseline:g}")
    return Verdict(
        status=Status.FAIL if details else Status.PASS,
        reason=None if not details else "regression" if patch_holds else "below_target",
        detail="; ".join(details) or None,
        evidence=evidence,
        findings=findings,
        score=patch.signal,
        direction=Direction.HIGHER_BETTER,
        baseline=next_baseline,
    )


def _project_evidence(
    project: Measured, options: CoverageOptions, compared: Comparison, *, baseline: float | None
) -> Mapping[str, Json]:
    source = "seed" if baseline is None else "stored"
    if not _is_stored(options):
        source = "git_ref" if isinstance(options.project_baseline, str) else "literal"
    return {
        "project_coverage": project.signal,
        "project_baseline": baseline,
        "project_baseline_source": source,
        "project_regression": compared.regression,
        "project_status": _status(holds=compared.holds),
    }


def _is_stored(options: CoverageOptions) -> bool:
    return isinstance(options.project_baseline, str) and bad_baseline(options.project_baseline) is None


def _status(*, holds: bool) -> str:
    return "pass" if holds else "fail"


def _of_dimension(verdict: Verdict, dimension: str) -> Verdict:
    detail = f"{dimension}: {verdict.detail}" if verdict.detail else dimension
    return msgspec.structs.replace(
        verdict, detail=detail, evidence={"dimension": dimension, **verdict.evidence}
    )
