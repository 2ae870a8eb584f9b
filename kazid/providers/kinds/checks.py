"""Checks of authored options that several kinds share: what a shape alone cannot tell.

Each yields problems as data and never raises. A problem's key is written as in the file: `metric.cmd`,
`assertions[2].type` (entries count from one). Unknown keys of nested tables are problems like any other.
"""

import difflib
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

from kazid.core.json import Json, JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType
from kazid.providers.pass_when import parse_pass_when

DIRECTIONS = ("higher_better", "lower_better")
METRIC_KEYS = ("cmd", "args", "env", "path", "format", "counts", "report_path", "timeout_ms")
METRIC_FORMATS = ("number", "coverage_py", "cobertura", "lcov")
METRIC_COUNTS = ("lines", "branches", "both")
METRIC_HELP = (
    "cmd, args, env and timeout_ms of what is measured; path (JSONPath into its output), or format (coverage_py, "
    "cobertura, lcov) with counts (lines, branches, both); report_path where it writes a file"
)

CMD = KeySpec(
    type=KeyType.NON_EMPTY_STRING, help="the executable: one word, no shell; in the workspace when it has a /"
)
CMD_REQUIRED = KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help=CMD.help)
ARGS = KeySpec(type=KeyType.STRING_LIST, default=(), help="its arguments")
ENV = KeySpec(type=KeyType.STRING_TABLE, help="variables it gets besides the allow-list")
TIMEOUT_MS = KeySpec(type=KeyType.POSITIVE_INTEGER, help="deadline of one look in milliseconds")
BASELINE = KeySpec(type=KeyType.NUMBER_OR_STRING, help='a number, "stored" or a git ref')
STORE_DIR = KeySpec(type=KeyType.STRING, help="where stored baselines are kept")
REPORT_PATH = KeySpec(
    type=KeyType.STRING, help="the file below the workspace that the command writes; its output when absent"
)
ALLOWED_REGRESSION = KeySpec(
    type=KeyType.NUMBER, default=0, help="how much worse than the baseline is still green"
)


def missing(options: JsonObject, keys: Sequence[str], *, why: str) -> Iterator[KeyProblem]:
    """A problem for each of these keys that is absent, or an empty string or list."""
    for key in keys:
        if options.get(key) in (None, "", [], {}):
            yield KeyProblem(key=key, message=f'missing required key "{key}" ({why})')


def bad_pass_when(options: JsonObject, key: str = "pass_when") -> Iterator[KeyProblem]:
    """A problem when the condition is there and is none."""
    condition = options.get(key)
    if isinstance(condition, str) and condition and parse_pass_when(condition) is None:
        yield KeyProblem(
            key=key, message=f'{key} must be a comparison such as ">= 90" or "== 0", not "{condition[:40]}"'
        )


def bad_regexes(patterns: Json, key: str) -> Iterator[KeyProblem]:
    """A problem for each pattern (a string, or those of a list) that does not compile."""
    if isinstance(patterns, str):
        yield from _bad_regex(patterns, key)
    elif isinstance(patterns, Sequence):
        for number, pattern in enumerate(patterns, start=1):
            if isinstance(pattern, str):
                yield from _bad_regex(pattern, f"{key}[{number}]")


def bad_metric(options: JsonObject, key: str) -> Iterator[KeyProblem]:
    """Problems of a metric table: its command, its shapes, unknown keys."""
    metric = options.get(key)
    if not isinstance(metric, Mapping):
        return
    yield from unknown_keys(metric, METRIC_KEYS, prefix=key)
    if not _is_filled(metric.get("cmd")):
        yield KeyProblem(key=f"{key}.cmd", message=f"{key}.cmd must be a non-empty string")
    if not is_list_of_strings(metric.get("args", ())):
        yield KeyProblem(key=f"{key}.args", message=f"{key}.args must be a list of strings")
    if not _is_table_of_strings(metric.get("env", {})):
        yield KeyProblem(key=f"{key}.env", message=f"{key}.env must be a table whose values are strings")
    if not isinstance(metric.get("path", ""), str):
        yield KeyProblem(key=f"{key}.path", message=f"{key}.path must be a string")
    yield from _bad_metric_report(metric, key)
    if not is_integer(timeout_ms := metric.get("timeout_ms", 1)) or timeout_ms < 1:
        yield KeyProblem(key=f"{key}.timeout_ms", message=f"{key}.timeout_ms must be an integer > 0")


def _bad_metric_report(metric: JsonObject, key: str) -> Iterator[KeyProblem]:
    for name, choices in (("format", METRIC_FORMATS), ("counts", METRIC_COUNTS)):
        if name in metric and metric[name] not in choices:
            yield KeyProblem(key=f"{key}.{name}", message=f"{key}.{name} must be one of {words(choices)}")
    if not isinstance(metric.get("report_path", ""), str):
        yield KeyProblem(key=f"{key}.report_path", message=f"{key}.report_path must be a string")
    is_coverage = metric.get("format", "number") != "number"
    if is_coverage and metric.get("path"):
        yield KeyProblem(key=f"{key}.path", message=f"{key}.path is for numbers, not for a coverage report")
    if not is_coverage and "counts" in metric:
        yield KeyProblem(key=f"{key}.counts", message=f"{key}.counts needs a format of coverage reports")


def unknown_keys(table: JsonObject, known: Sequence[str], *, prefix: str) -> Iterator[KeyProblem]:
    """A problem for each key of a nested table that nothing reads, with the closest one that something does."""
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key[:64], known, n=1)
            hint = f'did you mean "{close[0]}"?' if close else f"known keys: {words(known)}"
            yield KeyProblem(key=f"{prefix}.{key}", message=f'{prefix}: unknown key "{key[:64]}"', hint=hint)


def tables_of(value: Json, key: str) -> Iterator[tuple[str, JsonObject]]:
    """The tables of a list with the key of each, e.g. `steps[1]`. What is no table is left out."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        for number, entry in enumerate(value, start=1):
            if isinstance(entry, Mapping):
                yield f"{key}[{number}]", entry


def is_list_of_strings(value: Json) -> bool:
    """True for an array of strings, the empty one included."""
    return (
        isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(v, str) for v in value)
    )


def is_integer(value: Json) -> TypeGuard[int]:
    """True for integers, never for booleans."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: Json) -> TypeGuard[int | float]:
    """True for numbers, never for booleans."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def words(known: Sequence[str]) -> str:
    """A vocabulary for an error, sorted and quoted."""
    return ", ".join(f'"{w}"' for w in sorted(known))


def _is_filled(value: Json) -> bool:
    return isinstance(value, str) and value != ""


def _is_table_of_strings(value: Json) -> bool:
    return isinstance(value, Mapping) and all(isinstance(v, str) for v in value.values())


def _bad_regex(pattern: str, key: str) -> Iterator[KeyProblem]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a future meaning of `[[` is no reason to refuse it today
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield KeyProblem(key=key, message=f"{key} is not a regular expression: {error}")
