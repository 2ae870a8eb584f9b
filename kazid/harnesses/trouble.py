"""What an agent's own words say kept it from working: a quota with its end, a login, or a question nobody saw. Pure.

Read from the error an agent reported, or from the end of what a silent one printed. Only unmistakable words count,
for a wrong guess stops every goal of that agent; whatever is not recognised is an ordinary failed attempt, and the
next observation decides.
"""

import re
from datetime import datetime

from kazid.ports.harness import Trouble, TroubleKind

LINES_READ = 5
"""Of the end of an output, in which a question would stand."""
CHARS_READ = 2000
AFTER_S_MAX = 8 * 86_400.0
"""A weekly limit is the longest there is; more is a misread number."""

_QUOTA = re.compile(
    r"\b429\b|too many requests|rate.?limit|usage.?limit|quota (?:exceeded|exhausted)"
    r"|exceeded (?:your|the) (?:current )?quota|insufficient_quota|resource.?exhausted"
    r"|out of credits|credit balance is too low|limit reached"
    r"|you.ve (?:hit|reached) your .{0,20}limit",
    re.IGNORECASE,
)
_AUTH = re.compile(
    r"\b401\b|unauthori[sz]ed|unauthenticated|/login\b"
    r"|(?:not|please) (?:be )?(?:logged|log|signed|sign) ?in\b"
    r"|authentication (?:failed|error|required|fails)|failed to authenticate|invalid.{0,12}api.?key|api.?key.{0,20}"
    r"(?:invalid|missing|not set|expired|revoked|required|must be)"
    r"|(?:missing|no) (?:an? )?(?:api.?key|credentials?|auth\w*)"
    r"|(?:token|oauth|session).{0,20}(?:expired|revoked)|set an auth method",
    re.IGNORECASE,
)
_AGO = re.compile(
    r"(?:try again|retry|reset\w*|available|wait)[^.\n]{0,40}?\b(?:in|after|for)?:?\s*"
    r"((?:\d+(?:\.\d+)?\s*(?:days?|d|hours?|hrs?|h|minutes?|mins?|m|seconds?|secs?|s)(?![a-z])[\s,and]*)+)",
    re.IGNORECASE,
)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)\s*(d|h|m|s)", re.IGNORECASE)
_RETRY_DELAY = re.compile(r"retry.?(?:delay|after)\W{1,6}(\d+(?:\.\d+)?)(ms|s)?", re.IGNORECASE)
_EPOCH = re.compile(r"(?:limit reached|reset\w*)\D{0,20}\b(1[6-9]\d{8}|2\d{9})\b", re.IGNORECASE)
_STAMP = re.compile(
    r"(?:reset|try again|until|available)[^\n]{0,30}?"
    r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?(?:\.\d+)?)(Z|[+-]\d\d:?\d\d)",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"[\[(](?:y(?:es)?/n(?:o)?|n/y)[\])]|\(y\)es/\(n\)o|press (?:any key|enter|return)"
    r"|do you (?:trust|want to)\b.*\?"
    r"|^\W*(?:password|passphrase|username|enter .{1,40}|paste .{1,40}|select .{1,40}|choose .{1,40})\s*[:?>]\s*$",
    re.IGNORECASE,
)
_UNIT_S = {"d": 86_400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def found_in(error: str | None) -> Trouble | None:
    """The trouble these words tell of; None for any other failure. A limit wins over a login: both say 40x."""
    if not error:
        return None
    words = error[:CHARS_READ]
    if _QUOTA.search(words):
        return quota(words)
    if _AUTH.search(words):
        return Trouble(kind=TroubleKind.AUTH)
    return None


def by_status(status: int | None, words: str | None) -> Trouble | None:
    """The trouble an HTTP status of the model tells of, with whatever its words add."""
    if status == 429:
        return quota(words or "")
    if status == 401:
        return Trouble(kind=TroubleKind.AUTH)
    return found_in(words)


def quota(words: str) -> Trouble:
    """A limit, and when it is over as far as the words say."""
    epoch = _EPOCH.search(words)
    if epoch is not None:
        return Trouble(kind=TroubleKind.QUOTA, at_wall_s=float(epoch[1]))
    stamp = _STAMP.search(words)
    if stamp is not None and (at_wall_s := _instant(stamp[1], stamp[2])) is not None:
        return Trouble(kind=TroubleKind.QUOTA, at_wall_s=at_wall_s)
    delay = _RETRY_DELAY.search(words)
    if delay is not None:
        return _after(float(delay[1]) / (1000 if delay[2] == "ms" else 1))
    ago = _AGO.search(words)
    if ago is not None:
        return _after(sum(float(n) * _UNIT_S[unit.lower()] for n, unit in _PIECE.findall(ago[1])))
    return Trouble(kind=TroubleKind.QUOTA)


def unseen(stdout: str) -> Trouble | None:
    """A question that nobody saw; it counts only where the agent then waited until it was ended."""
    return Trouble(kind=TroubleKind.UNSEEN_PROMPT) if asked(stdout) else None


def asked(stdout: str) -> bool:
    """True when the last thing printed is a question to somebody at a terminal."""
    lines = [line.strip() for line in stdout[-CHARS_READ:].splitlines() if line.strip()]
    return any(_QUESTION.search(line) for line in lines[-LINES_READ:] if not line.startswith(("{", "[{")))


def _after(seconds: float) -> Trouble:
    return Trouble(kind=TroubleKind.QUOTA, after_s=min(seconds, AFTER_S_MAX))


def _instant(stamp: str, zone: str) -> float | None:
    try:
        return datetime.fromisoformat(f"{stamp}{'+00:00' if zone in 'Zz' else zone}").timestamp()
    except ValueError:
        return None
