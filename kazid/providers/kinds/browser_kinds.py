"""Kinds that look at a page through a browser: a journey with assertions, and a picture against its baseline.

Keys and load checks only (reference 4.4); the providers are elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from kazid.core.json import Json, JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import (
    ARGS,
    ENV,
    bad_regexes,
    is_integer,
    is_number,
    tables_of,
    unknown_keys,
    words,
)
from kazid.providers.picture import is_picture_name

VIEWPORTS: Final = ("mobile", "tablet", "desktop")
A11Y_SEVERITIES: Final = ("minor", "moderate", "serious", "critical")
ASSERTION_KEYS: Mapping[str, tuple[str, ...]] = {
    "visible": ("selector",),
    "hidden": ("selector",),
    "text": ("selector", "exact", "contains"),
    "url": ("exact", "contains"),
    "console_clean": ("network",),
    "download": ("filename_pattern", "trigger_selector"),
    "attr": ("selector", "name", "expected"),
    "count": ("selector", "expected"),
    "enabled": ("selector", "expected"),
    "field_value": ("selector", "expected"),
    "form_validation": (
        "submit_selector", "invalid", "valid", "error_selector", "error_text", "success_selector", "success_url",
    ),
    "a11y": ("severity", "max_violations"),
    "visual": ("name", "selector", "threshold"),
}  # fmt: skip
"""What a browser may assert, and the keys of each besides `type` and `timeout_ms`."""
FORM_TARGETS: Final = ("error_selector", "submit_selector", "success_selector", "success_url")

_ALL_ASSERTION_KEYS = sorted({"type", "timeout_ms", *(k for keys in ASSERTION_KEYS.values() for k in keys)})


def _check_browser(options: JsonObject) -> Iterator[KeyProblem]:
    if "viewport" in options:
        yield from _bad_viewports(options["viewport"])
    for key, assertion in tables_of(options.get("assertions", ()), "assertions"):
        kind = assertion.get("type")
        if not isinstance(kind, str) or kind not in ASSERTION_KEYS:
            yield KeyProblem(
                key=f"{key}.type", message=f"{key}.type must be one of {words(tuple(ASSERTION_KEYS))}"
            )
            continue
        yield from unknown_keys(assertion, _ALL_ASSERTION_KEYS, prefix=key)
        yield from bad_regexes(assertion.get("filename_pattern"), f"{key}.filename_pattern")
        yield from _bad_assertion(kind, assertion, key)


def _bad_assertion(kind: str, assertion: JsonObject, key: str) -> Iterator[KeyProblem]:
    match kind:
        case "console_clean" if not isinstance(assertion.get("network", False), bool):
            yield KeyProblem(key=f"{key}.network", message=f"{key}.network must be true or false")
        case "attr" | "visual" if not isinstance(name := assertion.get("name"), str) or not name:
            yield KeyProblem(key=f"{key}.name", message=f"{key}.name must be a non-empty string")
        case "count" if not is_integer(expected := assertion.get("expected")) or expected < 0:
            yield KeyProblem(key=f"{key}.expected", message=f"{key}.expected must be an integer >= 0")
        case "enabled" if not isinstance(assertion.get("expected", True), bool):
            yield KeyProblem(key=f"{key}.expected", message=f"{key}.expected must be true or false")
        case "form_validation" if not any(assertion.get(k) for k in FORM_TARGETS):
            yield KeyProblem(
                key=key, message=f"{key} (form_validation) needs at least one of {words(FORM_TARGETS)}"
            )
        case "a11y":
            yield from _bad_a11y(assertion, key)
        case "visual":
            threshold = assertion.get("threshold", 0)
            if not is_number(threshold) or not 0 <= threshold <= 1:
                yield KeyProblem(
                    key=f"{key}.threshold", message=f"{key}.threshold must be a number from 0 to 1"
                )
        case _:
            pass


def _bad_a11y(assertion: JsonObject, key: str) -> Iterator[KeyProblem]:
    if assertion.get("severity", "serious") not in A11Y_SEVERITIES:
        yield KeyProblem(
            key=f"{key}.severity", message=f"{key}.severity must be one of {words(A11Y_SEVERITIES)}"
        )
    violations = assertion.get("max_violations", 0)
    if not is_integer(violations) or violations < 0:
        yield KeyProblem(key=f"{key}.max_violations", message=f"{key}.max_violations must be an integer >= 0")


def _bad_viewports(viewport: Json) -> Iterator[KeyProblem]:
    several = viewport if isinstance(viewport, Sequence) and not isinstance(viewport, str) else [viewport]
    if not several or not all(_is_viewport(v) for v in several):
        message = f"viewport must be one of {words(VIEWPORTS)}, a table {{width, height}}, or a list of these"
        yield KeyProblem(key="viewport", message=message)


def _is_viewport(value: Json) -> bool:
    if isinstance(value, Mapping):
        return set(value) == {"width", "height"} and all(is_integer(v) and v > 0 for v in value.values())
    return value in VIEWPORTS


def _check_visual(options: JsonObject) -> Iterator[KeyProblem]:
    if "viewport" in options:
        yield from _bad_viewports(options["viewport"])
    if not is_picture_name(str(options.get("name", ""))):
        yield KeyProblem(key="name", message="name must be a file name: letters, digits, dots, dashes")


BROWSER = KindSpec(
    name="browser",
    summary="drives a page in a real browser and asserts on what a person would see",
    verdicts="pass: every assertion holds in every window, or the page loads where there is none; fail: one does not "
    "hold, a step cannot be done, or the page does not load; unknown: no browser is installed; "
    "error: the browser or its instruments failed, or a baseline had to be made",
    live=True,
    built=True,
    keys={
        "url": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="where the journey starts"),
        "steps": KeySpec(
            type=KeyType.TABLE_LIST, default=(), help="actions: click, fill, press, wait_for, goto"
        ),
        "assertions": KeySpec(
            type=KeyType.TABLE_LIST, default=(), help=f"types: {', '.join(ASSERTION_KEYS)}"
        ),
        "viewport": KeySpec(
            type=KeyType.ANY, help="mobile, tablet, desktop, {width, height}, or a list of these"
        ),
        "screenshot": KeySpec(type=KeyType.STRING, help="where a picture is kept, below the workspace"),
        "cmd": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="a runner of your own; it gets the journey as its last argument",
        ),
        "args": ARGS,
        "env": ENV,
        "timeout_ms": KeySpec(
            type=KeyType.POSITIVE_INTEGER, default=30000, help="of one operation, in milliseconds"
        ),
        "samples": KeySpec(
            type=KeyType.POSITIVE_INTEGER, default=1, help="passing journeys in a row that make one pass"
        ),
    },
    check=_check_browser,
)

VISUAL = KindSpec(
    name="visual",
    summary="takes a picture of a page in a real browser and compares it with the one kept in the workspace",
    verdicts="pass: no more pixels differ than the threshold allows; fail: more do, or the size does; "
    "unknown: no browser is installed; error: there was no baseline and this look made one, or none was taken",
    live=True,
    built=True,
    keys={
        "url": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="where the journey starts"),
        "name": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            required=True,
            help="of the picture: .kazi/visual-baselines/NAME-WINDOW.png",
        ),
        "steps": KeySpec(
            type=KeyType.TABLE_LIST, default=(), help="actions: click, fill, press, wait_for, goto"
        ),
        "selector": KeySpec(type=KeyType.STRING, help="the element to take; the window when absent"),
        "threshold": KeySpec(type=KeyType.FRACTION, default=0.01, help="share of pixels that may differ"),
        "viewport": KeySpec(
            type=KeyType.ANY,
            default="desktop",
            help="mobile, tablet, desktop, {width, height}, or a list of these",
        ),
        "timeout_ms": KeySpec(
            type=KeyType.POSITIVE_INTEGER, default=30000, help="of one operation, in milliseconds"
        ),
    },
    check=_check_visual,
)

KINDS = (BROWSER, VISUAL)
