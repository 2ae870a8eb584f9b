"""Durations as people write them (`90s`, `1.5h`) and as people read them (`2 min 5 s`). Knows no clock."""

_UNITS = (("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0), ("d", 86400.0))
SECONDS_MAX = 100 * 365 * 86400.0
"""A century: beyond it is a slip of the keyboard, and some clocks overflow."""


def parse_duration(text: str) -> float | None:
    """Seconds; None when the text is not a number (decimals allowed) and one of `ms s m h d`."""
    for unit, factor in _UNITS:
        number = text.removesuffix(unit)
        if number != text and number.replace(".", "", 1).isdecimal() and number.isascii():
            seconds = float(number) * factor
            return seconds if seconds <= SECONDS_MAX else None
    return None


def show_duration(seconds: float) -> str:
    """At most two units, rounded down: `0.4 s`, `12 s`, `2 min 5 s`, `3 h 12 min`, `4 d 1 h`."""
    if seconds < 0:
        return "0 s"
    if seconds < 10 and seconds != int(seconds):
        return f"{int(seconds * 10) / 10:g} s"
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    for size, unit, smaller_size, smaller in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if whole >= size:
            rest = whole % size // smaller_size
            return f"{whole // size} {unit} {rest} {smaller}" if rest else f"{whole // size} {unit}"
    raise AssertionError(whole)


def show_ago(seconds: float) -> str:
    """How long ago, in one unit where that is enough: `3 s ago`."""
    return "just now" if seconds < 1 else f"{show_duration(int(seconds))} ago"


def show_until(seconds: float) -> str:
    """How long from now: `in 12 s`; what is due already is `now`."""
    return "now" if seconds <= 0 else f"in {show_duration(seconds)}"
