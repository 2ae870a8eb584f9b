"""Kinds that look at a running service from outside.

Keys and load checks only (reference 4.2 to 4.5); the providers are elsewhere.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from kazid.core.json import Json, JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers import expectation
from kazid.providers.json_path import is_path
from kazid.providers.kinds.checks import (
    ARGS,
    DIRECTIONS,
    ENV,
    TIMEOUT_MS,
    bad_pass_when,
    bad_regexes,
    is_number,
    missing,
    unknown_keys,
    words,
)

SERVER_ERROR_REGEX: Final = r"""(?:\bstatus[=: ]+|[\s"])(5\d{2})(?:\b|")"""
PANIC_REGEX: Final = "panic"
WINDOW_MINUTES_MAX: Final = 7 * 24 * 60
_CORRELATE_KEYS = ("route", "window")
_BURN_RATE_KEYS = ("long", "short", "threshold")


def _bad_headers(options: JsonObject) -> Iterator[KeyProblem]:
    headers = options.get("headers")
    if isinstance(headers, Mapping):
        for name, value in headers.items():
            if not name.isascii() or not name.strip() or any(c in f"{name}{value}" for c in "\r\n"):
                yield KeyProblem(
                    key=f"headers.{name}", message=f'headers: "{name[:40]}" cannot be sent as a header'
                )


def _check_http_probe(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _bad_headers(options)
    if "body" in options and "json" in options:
        yield KeyProblem(key="json", message="body and json are two bodies; a request has one")
    if "tls_key" in options and "tls_cert" not in options:
        yield KeyProblem(key="tls_key", message="tls_key has no certificate; tls_cert names it")
    expected_json = options.get("expect_json")
    if isinstance(expected_json, Mapping):
        for path, expected in expected_json.items():
            if not is_path(path):
                yield KeyProblem(
                    key="expect_json", message=f'expect_json: "{path[:40]}" is no path such as $.key[0].key'
                )
            for problem in expectation.problems_of(expected):
                yield KeyProblem(key="expect_json", message=f'expect_json: "{path[:40]}" {problem}')
    expected_headers = options.get("expect_headers")
    if isinstance(expected_headers, Mapping):
        for name, expected in expected_headers.items():
            if not isinstance(expected, (str, Mapping)):
                yield KeyProblem(
                    key="expect_headers",
                    message=f'expect_headers: "{name[:40]}" must be a string or a table of conditions',
                )
            for problem in expectation.problems_of(expected):
                yield KeyProblem(key="expect_headers", message=f'expect_headers: "{name[:40]}" {problem}')


def _check_prod_log(options: JsonObject) -> Iterator[KeyProblem]:
    sources = [name for name in ("files", "cmd", "unit") if options.get(name)]
    if len(sources) > 1:
        yield KeyProblem(key=sources[1], message=f"{words(sources)} are several sources; a predicate has one")
    window_minutes = options.get("window_minutes", 1)
    if is_number(window_minutes) and not 0 < window_minutes <= WINDOW_MINUTES_MAX:
        yield KeyProblem(
            key="window_minutes", message="window_minutes must be more than 0 and at most a week"
        )
    for key in ("server_error_regex", "panic_regex"):
        yield from bad_regexes(options.get(key), key)
    correlate = options.get("correlate")
    if not isinstance(correlate, Mapping):
        return
    yield from unknown_keys(correlate, _CORRELATE_KEYS, prefix="correlate")
    if not isinstance(route := correlate.get("route"), str) or not route:
        yield KeyProblem(key="correlate.route", message="correlate.route must be a non-empty string")
    if not is_number(correlate.get("window", 0)):
        yield KeyProblem(key="correlate.window", message="correlate.window must be a number")


def _check_metrics(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _bad_headers(options)
    yield from bad_pass_when(options)
    if "burn_rate" in options:
        yield from _bad_burn_rate(options["burn_rate"])
    elif "quantile" in options:
        quantile = options["quantile"]
        if not is_number(quantile) or not 0 <= quantile <= 1:
            yield KeyProblem(key="quantile", message="quantile must be a number from 0 to 1")
        yield from missing(options, ("query", "pass_when"), why="a quantile is compared")
    else:
        yield from missing(options, ("query", "pass_when"), why="a metric is compared")


def _bad_burn_rate(burn_rate: Json) -> Iterator[KeyProblem]:
    if not isinstance(burn_rate, Mapping):
        yield KeyProblem(key="burn_rate", message="burn_rate must be a table with long, short and threshold")
        return
    yield from unknown_keys(burn_rate, _BURN_RATE_KEYS, prefix="burn_rate")
    for key in ("long", "short"):
        if not isinstance(window := burn_rate.get(key), str) or not window:
            yield KeyProblem(key=f"burn_rate.{key}", message=f"burn_rate.{key} must be a non-empty string")
    if not is_number(burn_rate.get("threshold")):
        yield KeyProblem(key="burn_rate.threshold", message="burn_rate.threshold must be a number")


HTTP_PROBE = KindSpec(
    name="http_probe",
    summary="sends one HTTP request, or several in a row, and asserts on what comes back",
    verdicts="pass: every assertion holds in each of the samples, or any 2xx where nothing is asserted; "
    "fail: one does not hold, or the address cannot be reached; error: it could not be asked, or not to its end",
    live=True,
    built=True,
    keys={
        "url": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            required=True,
            help="http:// or https:// address, or unix:/run/app.sock:/path",
        ),
        "method": KeySpec(type=KeyType.STRING, default="get", help="any case"),
        "headers": KeySpec(type=KeyType.STRING_TABLE, help="request headers"),
        "body": KeySpec(type=KeyType.STRING, help="text to send"),
        "json": KeySpec(type=KeyType.ANY, help="a value to send as JSON, with its content type"),
        "expect_status": KeySpec(
            type=KeyType.INTEGER, help="the only status that passes; a 2xx when nothing is expected"
        ),
        "expect_body": KeySpec(type=KeyType.STRING, help="text the body has to contain, or be"),
        "body_match": KeySpec(
            type=KeyType.STRING, default="contains", help="contains or exact; any other word means contains"
        ),
        "expect_json": KeySpec(
            type=KeyType.TABLE,
            help='JSONPath = value, or = a table of equals, contains, pass_when, exists; "$.queue" = "on"',
        ),
        "expect_headers": KeySpec(
            type=KeyType.TABLE, help="header = text, or = a table of equals, contains, pass_when, exists"
        ),
        "expect_url": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="the address that the answer has to come from, after redirects",
        ),
        "follow_redirects": KeySpec(
            type=KeyType.BOOLEAN, default=True, help="false: a redirect is the answer that is asserted on"
        ),
        "keep_alive": KeySpec(
            type=KeyType.BOOLEAN,
            default=False,
            help="true: one connection for all looks, which is no new client",
        ),
        "tls_ca": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="PEM file of the only issuers to trust, relative to the workspace",
        ),
        "tls_cert": KeySpec(type=KeyType.NON_EMPTY_STRING, help="PEM file of a certificate to show"),
        "tls_key": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="PEM file of its key, where it is another file"
        ),
        "tls_server_name": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="the name the certificate has to be for, when it is not the url's",
        ),
        "tls_verify": KeySpec(
            type=KeyType.BOOLEAN, default=True, help="false: any certificate will do, an expired one too"
        ),
        "timeout_ms": TIMEOUT_MS,
        "samples": KeySpec(
            type=KeyType.POSITIVE_INTEGER, default=1, help="passing requests in a row that make one pass"
        ),
        "interval_ms": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, default=0, help="wait between samples"),
        "path": KeySpec(type=KeyType.STRING, help="what the OpenAPI importer read; the url decides"),
    },
    check=_check_http_probe,
)

PROD_LOG = KindSpec(
    name="prod_log",
    summary="reads what a service logged (files, journald, or a query) and fails on panics and too many 5xx lines",
    verdicts="pass: no panic and no more 5xx lines than allowed in the window; fail: a panic, or more of them; "
    "error: a log is missing or cannot be read, the query did not end with 0, or more is logged than can be read",
    live=True,
    built=True,
    keys={
        "files": KeySpec(
            type=KeyType.STRING_OR_STRING_LIST,
            help="logs to follow through rotation, relative to the workspace; globs allowed",
        ),
        "unit": KeySpec(type=KeyType.STRING_OR_STRING_LIST, help="systemd units whose journal is read"),
        "journal_dir": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="journal files of another place than the system's"
        ),
        "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="a query that prints the log: one word, no shell"),
        "args": ARGS,
        "env": ENV,
        "window_minutes": KeySpec(
            type=KeyType.NUMBER,
            help="how far back lines of files and journald count, 5 when absent",
        ),
        "max_5xx": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, default=0, help="5xx lines that are still green"
        ),
        "server_error_regex": KeySpec(
            type=KeyType.STRING, help="what a 5xx line looks like; status=5xx and the like"
        ),
        "panic_regex": KeySpec(type=KeyType.STRING, default=PANIC_REGEX, help="what a panic looks like"),
        "correlate": KeySpec(
            type=KeyType.TABLE,
            help="route and window: lines that belong to a failing probe, told in the evidence",
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_prod_log,
)

METRICS = KindSpec(
    name="metrics",
    summary="queries Prometheus and compares a value, a quantile or two burn rates",
    verdicts="pass: every series meets the condition, or not both windows burn; fail: one does not, or both do; "
    "unknown: no data (an empty result, NaN, nothing observed), and not_applicable without a query_url; "
    "error: Prometheus could not be asked, or not understood",
    live=True,
    built=True,
    keys={
        "query_url": KeySpec(
            type=KeyType.STRING, help="base address; without one the verdict is unknown: not_applicable"
        ),
        "query": KeySpec(type=KeyType.STRING, help="PromQL"),
        "pass_when": KeySpec(type=KeyType.STRING, help='a comparison, e.g. "< 0.5"'),
        "quantile": KeySpec(
            type=KeyType.ANY, help="0 to 1: compare this quantile of the histogram's buckets"
        ),
        "burn_rate": KeySpec(
            type=KeyType.ANY, help="long, short (queries) and threshold: red when both reach it"
        ),
        "direction": KeySpec(
            type=KeyType.STRING, choices=DIRECTIONS, default="lower_better", help="which way is better"
        ),
        "window": KeySpec(type=KeyType.ANY, help="recorded for people"),
        "headers": KeySpec(type=KeyType.STRING_TABLE, help="request headers, e.g. Authorization"),
        "tls_ca": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="PEM file of the only issuers to trust, relative to the workspace",
        ),
        "timeout_ms": KeySpec(
            type=KeyType.POSITIVE_INTEGER, default=5000, help="deadline of one look in milliseconds"
        ),
    },
    check=_check_metrics,
)

KINDS = (HTTP_PROBE, PROD_LOG, METRICS)
