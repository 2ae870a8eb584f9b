"""Kinds that measure something and compare it with a bar or with what it was.

Keys and load checks only (reference 4.7 to 4.13); the providers are elsewhere.
"""

from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import (
    ALLOWED_REGRESSION,
    ARGS,
    BASELINE,
    CMD,
    CMD_REQUIRED,
    DIRECTIONS,
    ENV,
    METRIC_HELP,
    REPORT_PATH,
    STORE_DIR,
    TIMEOUT_MS,
    bad_metric,
    is_number,
    missing,
)

STATIC_FORMATS: Final = ("dialyzer", "sarif", "tsc", "mypy", "golangci-lint")
CVE_TOOLS: Final = ("govulncheck", "trivy", "grype", "npm_audit")


def _check_ratchet(options: JsonObject) -> Iterator[KeyProblem]:
    yield from bad_metric(options, "metric")


def _check_coverage(options: JsonObject) -> Iterator[KeyProblem]:
    yield from bad_metric(options, "patch")
    yield from bad_metric(options, "project")


def _check_mutation(options: JsonObject) -> Iterator[KeyProblem]:
    threshold = options.get("threshold", 0)
    if not is_number(threshold) or threshold < 0:
        yield KeyProblem(key="threshold", message="threshold must be a number from 0 up to, not including, 1")
    elif threshold >= 1:
        message = "threshold must be below 1: equivalent mutants make a perfect score unreachable"
        yield KeyProblem(key="threshold", message=message)
    if not options.get("score_path") and not (options.get("killed_path") and options.get("survived_path")):
        message = 'missing "score_path", or both "killed_path" and "survived_path"'
        yield KeyProblem(key="score_path", message=message)


def _check_cve(options: JsonObject) -> Iterator[KeyProblem]:
    tool = options.get("tool", "govulncheck")
    if tool != "govulncheck":
        yield from missing(options, ("count_path",), why=f'tool = "{tool}"')


RATCHET = KindSpec(
    name="ratchet",
    summary="measures a number and fails when it gets worse than its baseline",
    verdicts="pass: no worse than the baseline by more than allowed_regression; fail: worse; error: no "
    "number was measured",
    live=False,
    built=True,
    keys={
        "metric": KeySpec(type=KeyType.TABLE, required=True, help=METRIC_HELP),
        "direction": KeySpec(
            type=KeyType.STRING, required=True, choices=DIRECTIONS, help="which way is better"
        ),
        "baseline": KeySpec(type=KeyType.NUMBER_OR_STRING, required=True, help=BASELINE.help),
        "allowed_regression": ALLOWED_REGRESSION,
        "store_dir": STORE_DIR,
    },
    check=_check_ratchet,
)

STATIC = KindSpec(
    name="static",
    summary="runs an analyser and allows no findings, or no more than the baseline",
    verdicts="pass: no finding that counts, or no more than the baseline allows, and proof that the tool "
    "ran; fail: more; error: it did not come to its end, or its report proves nothing",
    live=False,
    built=True,
    keys={
        "cmd": CMD_REQUIRED,
        "args": ARGS,
        "env": ENV,
        "format": KeySpec(
            type=KeyType.STRING,
            choices=STATIC_FORMATS,
            default="dialyzer",
            help="how findings are read",
        ),
        "baseline": BASELINE,
        "allowed_regression": ALLOWED_REGRESSION,
        "merge_stderr": KeySpec(type=KeyType.BOOLEAN, default=False, help="read both output streams as one"),
        "error_codes": KeySpec(type=KeyType.INTEGER_LIST, help="exit codes that mean: could not look"),
        "report_path": REPORT_PATH,
        "store_dir": STORE_DIR,
        "timeout_ms": TIMEOUT_MS,
    },
)

COVERAGE = KindSpec(
    name="coverage",
    summary="patch coverage at least the target, project coverage no worse than its baseline",
    verdicts="pass: the patch reaches its target and the project is no worse than its baseline; fail: one "
    "is not; error: one was not measured, or counts nothing",
    live=False,
    built=True,
    keys={
        "patch": KeySpec(type=KeyType.TABLE, required=True, help=METRIC_HELP),
        "target": KeySpec(type=KeyType.NUMBER, required=True, help="what patch coverage has to reach"),
        "project": KeySpec(type=KeyType.TABLE, help=METRIC_HELP),
        "project_baseline": KeySpec(type=KeyType.NUMBER_OR_STRING, default="stored", help=BASELINE.help),
        "project_allowed_regression": ALLOWED_REGRESSION,
        "store_dir": STORE_DIR,
    },
    check=_check_coverage,
)

PROPERTY = KindSpec(
    name="property",
    summary="runs property tests: green when every case held, scored by how many did",
    verdicts="pass: exit 0 and a word of a test; fail: a case was falsified; error: neither is said",
    live=False,
    built=True,
    keys={
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, default="mix", help=CMD.help),
        "args": KeySpec(type=KeyType.STRING_LIST, default=("test",), help=ARGS.help),
        "env": ENV,
        "num_tests": KeySpec(type=KeyType.POSITIVE_INTEGER, default=100, help="cases of a whole run"),
        "merge_stderr": KeySpec(type=KeyType.BOOLEAN, default=True, help="read both output streams as one"),
        "timeout_ms": TIMEOUT_MS,
    },
)

MUTATION = KindSpec(
    name="mutation",
    summary="runs a mutation tester: green when enough mutants were killed",
    verdicts="pass: the share of killed mutants reaches the threshold; fail: it does not; error: no share "
    "was reported; unknown: nothing was mutated",
    live=False,
    built=True,
    keys={
        "cmd": CMD,
        "args": ARGS,
        "env": ENV,
        "threshold": KeySpec(
            type=KeyType.NUMBER, required=True, help="share of mutants to kill, from 0 to below 1"
        ),
        "score_path": KeySpec(type=KeyType.STRING, help="JSONPath of the score"),
        "killed_path": KeySpec(type=KeyType.STRING, help="JSONPath of the killed, instead of a score"),
        "survived_path": KeySpec(type=KeyType.STRING, help="JSONPath of the survivors, instead of a score"),
        "survivors_path": KeySpec(type=KeyType.STRING, help="JSONPath of the survivors' list, as evidence"),
        "report_path": REPORT_PATH,
        "merge_stderr": KeySpec(type=KeyType.BOOLEAN, default=False, help="read both output streams as one"),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_mutation,
)

CVE = KindSpec(
    name="cve",
    summary="runs a vulnerability scanner: no reachable finding, or no more than the baseline",
    verdicts="pass: no more counted than the baseline allows, and proof that the scan ran; fail: more; "
    "error: it did not come to its end, or its report proves nothing",
    live=False,
    built=True,
    keys={
        "tool": KeySpec(type=KeyType.STRING, choices=CVE_TOOLS, default="govulncheck", help="which scanner"),
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the scanner's usual command when absent"),
        "args": KeySpec(type=KeyType.STRING_LIST, help="its usual arguments when absent"),
        "env": ENV,
        "count_path": KeySpec(type=KeyType.STRING, help="JSONPath of the count; not for govulncheck"),
        "baseline": KeySpec(type=KeyType.NUMBER_OR_STRING, default=0, help='a number, or "stored"'),
        "allowed_regression": ALLOWED_REGRESSION,
        "store_dir": STORE_DIR,
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_cve,
)

KINDS = (RATCHET, STATIC, COVERAGE, PROPERTY, MUTATION, CVE)
