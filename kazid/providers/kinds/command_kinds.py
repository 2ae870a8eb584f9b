"""Kinds that run a command and judge how it ended or what it printed.

Keys and load checks only (reference 4.1, 4.6, 4.9, 4.14); the providers are elsewhere.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from kazid.core.json import Json, JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import (
    ARGS,
    CMD,
    CMD_REQUIRED,
    ENV,
    REPORT_PATH,
    TIMEOUT_MS,
    bad_pass_when,
    bad_regexes,
    is_integer,
    is_list_of_strings,
    missing,
    tables_of,
    unknown_keys,
    words,
)

VERDICTS: Final = ("exit_zero", "exit_code", "json", "match_count", "report")
EVIDENCE_FORMATS: Final = ("raw", "sarif", "junit", "tap", "cucumber", "json")
CLI_TARGETS: Final = ("exit_code", "stdout", "stderr")
CLI_MATCHES: Final = ("equals", "contains", "regex", "json_path", "golden")
CLI_ASSERTION_KEYS: Final = ("target", "match", "expected", "path", "golden")
CLI_STEP_KEYS: Final = ("args", "assertions")

_JUDGEMENT: Mapping[str, KeySpec] = {
    "pass_codes": KeySpec(type=KeyType.INTEGER_LIST, help="exit codes that pass (verdict exit_code)"),
    "fail_codes": KeySpec(
        type=KeyType.INTEGER_LIST, default=(), help="exit codes that fail; any other fails, too"
    ),
    "error_codes": KeySpec(type=KeyType.INTEGER_LIST, help="exit codes that mean: could not look"),
    "path": KeySpec(type=KeyType.STRING, help="JSONPath into the output (verdict json)"),
    "pass_when": KeySpec(type=KeyType.STRING, help='a comparison, e.g. "== 0" (verdicts json, match_count)'),
    "match_regex": KeySpec(
        type=KeyType.STRING, help="counts the output lines it matches (verdict match_count)"
    ),
    "evidence_format": KeySpec(
        type=KeyType.STRING,
        choices=EVIDENCE_FORMATS,
        default="raw",
        help="how findings are read from the output",
    ),
    "report_path": REPORT_PATH,
    "timeout_ms": TIMEOUT_MS,
}


def _check_custom_script(options: JsonObject) -> Iterator[KeyProblem]:
    match options.get("verdict"):
        case "exit_code":
            yield from missing(options, ("pass_codes",), why='verdict = "exit_code"')
        case "json":
            yield from missing(options, ("path", "pass_when"), why='verdict = "json"')
            yield from bad_pass_when(options)
        case "match_count":
            yield from missing(options, ("match_regex", "pass_when"), why='verdict = "match_count"')
            yield from bad_regexes(options.get("match_regex"), "match_regex")
            yield from bad_pass_when(options)
        case "report" if options.get("evidence_format", "raw") == "raw":
            message = 'verdict = "report" needs evidence_format: what the report is'
            yield KeyProblem(key="evidence_format", message=message)
        case _:
            pass


def _check_cli(options: JsonObject) -> Iterator[KeyProblem]:
    if "script" not in options:
        yield from _bad_assertions(
            options.get("assertions"), "assertions", why="a cli predicate without script"
        )
        return
    script = options["script"]
    entries = list(tables_of(script, "script"))
    if not isinstance(script, list) or not script or len(entries) != len(script):
        yield KeyProblem(key="script", message="script must be a non-empty list of tables")
    for key, step in entries:
        yield from unknown_keys(step, CLI_STEP_KEYS, prefix=key)
        if not is_list_of_strings(step.get("args", ())):
            yield KeyProblem(key=f"{key}.args", message=f"{key}.args must be a list of strings")
        yield from _bad_assertions(step.get("assertions"), f"{key}.assertions", why="each step of a script")


def _bad_assertions(value: Json, key: str, *, why: str) -> Iterator[KeyProblem]:
    if value is None:
        yield KeyProblem(key=key, message=f"{key} is missing ({why} needs a non-empty list of assertions)")
        return
    entries = list(tables_of(value, key))
    if not isinstance(value, list) or not value or len(entries) != len(value):
        yield KeyProblem(key=key, message=f"{key} must be a non-empty list of tables")
    for entry_key, assertion in entries:
        yield from unknown_keys(assertion, CLI_ASSERTION_KEYS, prefix=entry_key)
        yield from _bad_assertion(assertion, entry_key)


def _bad_assertion(assertion: JsonObject, key: str) -> Iterator[KeyProblem]:
    target = assertion.get("target")
    if target not in CLI_TARGETS:
        yield KeyProblem(key=f"{key}.target", message=f"{key}.target must be one of {words(CLI_TARGETS)}")
        return
    expected = assertion.get("expected")
    if target == "exit_code":
        if not is_integer(expected):
            yield KeyProblem(key=f"{key}.expected", message=f"{key}.expected must be an integer")
        return
    match assertion.get("match", "equals"):
        case "equals" | "contains":
            if not isinstance(expected, str):
                yield KeyProblem(key=f"{key}.expected", message=f"{key}.expected must be a string")
        case "regex":
            if not isinstance(expected, str):
                yield KeyProblem(key=f"{key}.expected", message=f"{key}.expected must be a string")
            yield from bad_regexes(expected if isinstance(expected, str) else None, f"{key}.expected")
        case "json_path":
            if not isinstance(path := assertion.get("path"), str) or not path:
                yield KeyProblem(
                    key=f"{key}.path", message=f"{key}.path must be a non-empty string (match json_path)"
                )
            if "expected" not in assertion:
                yield KeyProblem(
                    key=f"{key}.expected", message=f"{key}.expected is missing (match json_path)"
                )
        case "golden":
            if not isinstance(golden := assertion.get("golden"), str) or not golden:
                yield KeyProblem(
                    key=f"{key}.golden", message=f"{key}.golden must be a non-empty string (match golden)"
                )
        case _:
            yield KeyProblem(key=f"{key}.match", message=f"{key}.match must be one of {words(CLI_MATCHES)}")


CUSTOM_SCRIPT = KindSpec(
    name="custom_script",
    summary="runs a command and judges its exit code, a number in its JSON output, or how many lines match",
    verdicts="pass, fail: as `verdict` says of the exit code or the output; error: it did not start, did not "
    "end, or its output cannot be read so",
    live=False,
    built=True,
    keys={
        "cmd": CMD_REQUIRED,
        "args": ARGS,
        "env": ENV,
        "verdict": KeySpec(type=KeyType.STRING, choices=VERDICTS, default="exit_zero", help="what decides"),
        **_JUDGEMENT,
        "merge_stderr": KeySpec(type=KeyType.BOOLEAN, default=False, help="judge both output streams as one"),
    },
    check=_check_custom_script,
)

TEST_RUNNER = KindSpec(
    name="test_runner",
    summary="runs a test command: green when it exits 0, both output streams as evidence",
    verdicts="pass: exit 0; fail: any other exit code; error: it did not start or did not end",
    live=False,
    built=True,
    # cmd is not required: files without one load and the check answers missing_cmd, as lint says.
    keys={"cmd": CMD, "args": ARGS, "env": ENV, **_JUDGEMENT},
    deprecated_for="custom_script",
)

CLI = KindSpec(
    name="cli",
    summary="runs a command as a person would and asserts on its exit code and both output streams",
    verdicts="pass: every assertion of every run holds; fail: one does not, or cannot be evaluated; error: "
    "the command did not start or did not end",
    live=False,
    built=True,
    keys={
        "cmd": CMD_REQUIRED,
        "args": ARGS,
        "env": ENV,
        "assertions": KeySpec(
            type=KeyType.ANY, help="non-empty list of tables: target, match, expected, path, golden"
        ),
        "script": KeySpec(
            type=KeyType.ANY, help="non-empty list of {args, assertions}, run in order; wins over assertions"
        ),
        "samples": KeySpec(type=KeyType.POSITIVE_INTEGER, default=1, help="passing runs in a row"),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_cli,
)

SWIFT_TEST = KindSpec(
    name="swift_test",
    summary="reads an xcresult bundle: green when tests ran and none failed",
    live=False,
    built=False,
    keys={
        "xcresult_path": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the result bundle"),
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, default="xcrun", help=CMD.help),
        "args": KeySpec(type=KeyType.STRING_LIST, help="its arguments; xcresulttool's when absent"),
        "env": ENV,
        "merge_stderr": KeySpec(type=KeyType.BOOLEAN, default=False, help="read both output streams as one"),
        "timeout_ms": TIMEOUT_MS,
    },
)

KINDS = (TEST_RUNNER, CUSTOM_SCRIPT, CLI, SWIFT_TEST)
