"""When a line of a log was written, as it says: ISO 8601, the common log format, syslog, or seconds of Unix time.

Only the beginning of a line is looked at, with expressions that are linear. A time without a zone is taken for local
time; whoever asks bounds it by what is known of the line otherwise. Pure.
"""

import datetime as dt
import re

LOOKED_AT_CHARS = 256
_UNIX_S = (1_000_000_000, 5_000_000_000)

_ISO = re.compile(
    r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9}))?(?: ?(Z|[+-]\d\d:?\d\d)(?!\d))?"
)
_COMMON = re.compile(r"(\d\d)/([A-Z][a-z]{2})/(\d{4}):(\d\d):(\d\d):(\d\d)(?: ([+-]\d{4}))?")
_SYSLOG = re.compile(r"(?:^|>)([A-Z][a-z]{2}) ([ \d]\d) (\d\d):(\d\d):(\d\d)")
_UNIX = re.compile(r"""(?:^|"(?:ts|time|timestamp)": ?"?)(\d{10}(?:\.\d{1,9})?|\d{13})(?![\d.])""")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def time_of(line: str, *, now_s: float) -> float | None:
    """Return the wall time a line says, or None. `now_s` tells the year where there is none."""
    head = line[:LOOKED_AT_CHARS]
    local = dt.datetime.fromtimestamp(now_s, dt.UTC).astimezone().tzinfo
    assert local is not None, "astimezone() always sets one"
    try:
        if found := _ISO.search(head):
            year, month, day, hour, minute, second = (int(found[i]) for i in range(1, 7))
            micros = int((found[7] or "0").ljust(6, "0")[:6])
            zone = _zone(found[8], local)
            return dt.datetime(year, month, day, hour, minute, second, micros, tzinfo=zone).timestamp()
        if found := _COMMON.search(head):
            month = _MONTHS.index(found[2]) + 1
            at = (int(found[3]), month, int(found[1]), int(found[4]), int(found[5]), int(found[6]))
            return dt.datetime(*at, tzinfo=_zone(found[7], local)).timestamp()
        if found := _SYSLOG.search(head):
            return _of_this_year(found, now_s, local)
        if found := _UNIX.search(head):
            number = float(found[1]) / (1000 if len(found[1]) == 13 else 1)
            return number if _UNIX_S[0] <= number < _UNIX_S[1] else None
    except ValueError:
        return None
    return None


def _of_this_year(found: re.Match[str], now_s: float, local: dt.tzinfo) -> float:
    """The last such day: a log of December is read in January."""
    year = dt.datetime.fromtimestamp(now_s, local).year
    at = (_MONTHS.index(found[1]) + 1, int(found[2]), int(found[3]), int(found[4]), int(found[5]))
    wall_s = dt.datetime(year, *at, tzinfo=local).timestamp()
    return wall_s if wall_s <= now_s + 86_400 else dt.datetime(year - 1, *at, tzinfo=local).timestamp()


def _zone(text: str | None, local: dt.tzinfo) -> dt.tzinfo:
    if text is None:
        return local
    if text == "Z":
        return dt.UTC
    minutes = int(text[1:3]) * 60 + int(text[-2:])
    if minutes >= 24 * 60:
        return local
    return dt.timezone(dt.timedelta(minutes=-minutes if text[0] == "-" else minutes))
