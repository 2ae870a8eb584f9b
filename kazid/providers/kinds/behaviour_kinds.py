"""Kinds that judge behaviour against a written spec, or a picture of it.

Keys and load checks only (reference 4.19 to 4.23); the providers are elsewhere.
"""

from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds import browser_kinds, command_kinds

VERDICT_FORMATS: Final = ("cucumber_json", "scenario_map")
SURFACES: Final = ("browser", "cli")
CAPTURE_PREFIX: Final = "capture:"

_CAPTURE: Final = {
    "capture": KeySpec(type=KeyType.STRING, help="name of a declared [[capture]]"),
    "input": KeySpec(type=KeyType.STRING, help='the same as "capture:NAME"'),
}


def _check_capture(options: JsonObject) -> Iterator[KeyProblem]:
    source = options.get("input")
    if options.get("capture"):
        return
    if not isinstance(source, str):
        yield KeyProblem(key="capture", message='missing required key "capture" (or input = "capture:NAME")')
    elif not source.removeprefix(CAPTURE_PREFIX) or not source.startswith(CAPTURE_PREFIX):
        yield KeyProblem(key="input", message='input must be "capture:NAME"')


def _check_visual_judge(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _check_capture(options)
    if "rubric" in options and options["rubric"] in ("", []):
        yield KeyProblem(key="rubric", message="rubric must not be empty")


SPEC_COVERAGE = KindSpec(
    name="spec_coverage",
    summary="every public name of the source occurs in some scenario",
    verdicts="pass: each public name occurs in a scenario or is allowed; fail: one does not; error: no "
    "public name was found, or a file cannot be read",
    live=False,
    built=True,
    keys={
        "features": KeySpec(
            type=KeyType.STRING_OR_STRING_LIST,
            default="docs/specs/**/*.feature",
            help="globs of feature files",
        ),
        "allow_list": KeySpec(type=KeyType.STRING_LIST, default=(), help="names that need no scenario"),
        "source_dirs": KeySpec(
            type=KeyType.STRING_LIST, default=("lib",), help="where public names are looked for"
        ),
    },
)

SCENARIO = KindSpec(
    name="scenario",
    summary="replays the pinned trace of one scenario on its surface",
    verdicts="pass: the replay of its pinned trace holds; fail: it does not, or there is no pin of these "
    "words; error: no such scenario, or no such surface",
    live=False,
    built=True,
    keys={
        # Whatever the surface takes passes through to it.
        **command_kinds.CLI.keys,
        **browser_kinds.BROWSER.keys,
        "url": KeySpec(type=KeyType.STRING, help="where the surface starts"),
        "base_url": KeySpec(type=KeyType.STRING, help="what relative addresses of the trace are below"),
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the runner"),
        "assertions": KeySpec(type=KeyType.ANY, help="assertions of the surface"),
        "spec": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the feature file"),
        "scenario": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the scenario's name"),
        "surface": KeySpec(
            type=KeyType.STRING, choices=SURFACES, default="browser", help="what the trace is replayed on"
        ),
        "pin": KeySpec(type=KeyType.STRING, help="the pinned trace; below docs/specs/pins when absent"),
        "repin": KeySpec(
            type=KeyType.STRING, choices=("auto", "manual"), default="auto", help="who renews a stale pin"
        ),
    },
)

GHERKIN = KindSpec(
    name="gherkin",
    summary="one predicate per scenario of a feature file, judged by one run of its runner",
    verdicts="pass: each report of the scenario passed; fail: one did not; error: it could not be run, or its report "
    "not be read; unknown: nothing says what runs it, or its report does not name the scenario",
    live=False,
    built=True,
    keys={
        "feature": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            required=True,
            help="the feature file: workspace, then goal-file folder",
        ),
        "verdict_format": KeySpec(
            type=KeyType.STRING,
            choices=VERDICT_FORMATS,
            default="cucumber_json",
            help="what the runner reports",
        ),
        "runner_cmd": KeySpec(type=KeyType.STRING, help="the executable that runs the scenarios"),
        "runner_args": KeySpec(type=KeyType.STRING_LIST, default=(), help="its arguments"),
        "report_path": KeySpec(
            type=KeyType.STRING, help="the report below the workspace; its output when absent"
        ),
    },
)

RENDER_PROOF = KindSpec(
    name="render_proof",
    summary="a capture shows something: enough bytes, and enough different ones",
    live=False,
    built=False,
    keys={
        **_CAPTURE,
        "min_bytes": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, default=1024, help="smaller is no picture"),
        "min_distinct_bytes": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, default=16, help="fewer is a blank one"
        ),
    },
    check=_check_capture,
)

VISUAL_JUDGE = KindSpec(
    name="visual_judge",
    summary="a model judges a capture by a rubric",
    live=False,
    built=False,
    keys={
        **_CAPTURE,
        "rubric": KeySpec(
            type=KeyType.STRING_OR_STRING_LIST, required=True, help="what the picture has to show"
        ),
        "model": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="which model judges"),
        "reference": KeySpec(type=KeyType.STRING_OR_STRING_LIST, help="pictures to compare with"),
        "votes": KeySpec(type=KeyType.POSITIVE_INTEGER, default=1, help="judgements that have to agree"),
    },
    check=_check_visual_judge,
)

KINDS = (SPEC_COVERAGE, SCENARIO, GHERKIN, RENDER_PROOF, VISUAL_JUDGE)
