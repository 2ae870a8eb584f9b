"""What a journey through a page is, as authored: where it starts, steps, assertions, how wide the window is.

Pure values; what they do is in `browser_walk.py`.
"""

import enum
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.json import Json

VIEWPORTS: Mapping[str, Mapping[str, int]] = {
    "mobile": {"width": 390, "height": 844},
    "tablet": {"width": 820, "height": 1180},
    "desktop": {"width": 1440, "height": 900},
}
TIMEOUT_MS = 30_000
SEEDED = "baseline_seeded"
"""Why a journey ended that made the picture it had to compare with."""


class Severity(enum.Enum):
    """How bad axe-core says a violation is, in this order."""

    MINOR = "minor"
    MODERATE = "moderate"
    SERIOUS = "serious"
    CRITICAL = "critical"


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A form's field and what to write into it."""

    selector: str
    value: str = ""


class Step(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One action."""

    action: str
    selector: str = ""
    value: str = ""
    key: str = ""
    url: str = ""


class Assertion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One claim about the page; which keys mean something depends on the type."""

    type: str
    selector: str = ""
    exact: str | None = None
    contains: str | None = None
    network: bool = False
    filename_pattern: str = ""
    trigger_selector: str = ""
    name: str = ""
    expected: Json = None
    submit_selector: str = ""
    invalid: Sequence[Field] = ()
    valid: Sequence[Field] = ()
    error_selector: str = ""
    error_text: str = ""
    success_selector: str = ""
    success_url: str = ""
    severity: Severity = Severity.SERIOUS
    max_violations: int = 0
    threshold: float = 0.01
    timeout_ms: int | None = None


class BrowserOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    url: str
    steps: Sequence[Step] = ()
    assertions: Sequence[Assertion] = ()
    viewport: Json = None
    screenshot: str = ""
    cmd: str = ""
    args: Sequence[str] = ()
    env: Mapping[str, str] = {}
    timeout_ms: int = TIMEOUT_MS
    samples: int = 1


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one assertion."""

    type: str
    ok: bool
    selector: str = ""
    expected: Json = None
    found: Json = None
    viewport: str = ""


class Walk(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one journey. `stopped` is where it ended before its end: a reason, a sentence, whose fault."""

    records: Sequence[Record] = ()
    stopped: "Stopped | None" = None
    url: str = ""
    snapshot: str = ""
    screenshot: str = ""
    violations: int | None = None


class Stopped(msgspec.Struct, frozen=True, kw_only=True):
    """Why a journey did not come to its end; `is_page` says that the page is at fault and not our instruments."""

    is_page: bool
    reason: str
    detail: str


def viewports_of(viewport: Json) -> Sequence[tuple[str, Mapping[str, int] | None]]:
    """The windows to walk in, by name; one without a name where none is asked for."""
    if viewport is None:
        return (("", None),)
    several = viewport if isinstance(viewport, Sequence) and not isinstance(viewport, str) else [viewport]
    return [_viewport(each) for each in several]


def _viewport(each: Json) -> tuple[str, Mapping[str, int]]:
    if isinstance(each, str) and each in VIEWPORTS:
        return each, VIEWPORTS[each]
    if isinstance(each, Mapping):
        width, height = each.get("width"), each.get("height")
        if (
            isinstance(width, int)
            and isinstance(height, int)
            and 0 < width <= 10_000
            and 0 < height <= 10_000
        ):
            return f"{width}x{height}", {"width": width, "height": height}
    raise ValueError(f"viewport {each!r} is none of {', '.join(VIEWPORTS)} and no {{width, height}}")
