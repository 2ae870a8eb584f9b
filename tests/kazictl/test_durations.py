"""Durations: what is accepted, and how they read."""

import pytest

from kazictl.durations import parse_duration, show_ago, show_duration, show_until


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30.0),
        ("1.5m", 90.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        (".5s", 0.5),
        ("0s", 0.0),
    ],
)
def test_a_duration_is_a_number_and_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "s",
        "30",
        "-1s",
        "+1s",
        "1 s",
        "1e3s",
        "infs",
        "nans",
        "1h30m",
        "1..5s",
        "1_0s",
        "٣s",
        "99999999999d",
    ],
)
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"),
        (-3, "0 s"),
        (0.44, "0.4 s"),
        (9.0, "9 s"),
        (12.7, "12 s"),
        (60, "1 min"),
        (125, "2 min 5 s"),
        (3600, "1 h"),
        (11_520, "3 h 12 min"),
        (90_000, "1 d 1 h"),
    ],
)
def test_a_duration_reads_in_at_most_two_units(seconds: float, shown: str) -> None:
    assert show_duration(seconds) == shown


def test_a_moment_is_told_relative_to_now() -> None:
    assert show_ago(0.2) == "just now"
    assert show_ago(75.9) == "1 min 15 s ago"
    assert show_until(12) == "in 12 s"
    assert show_until(-4) == "now"
