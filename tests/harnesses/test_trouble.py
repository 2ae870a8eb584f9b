"""What an agent's words say: limits with their ends, logins, questions; and what they do not say."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.harnesses import trouble
from kazid.harnesses.trouble import AFTER_S_MAX, asked, found_in
from kazid.ports.harness import Trouble, TroubleKind

QUOTA, AUTH = TroubleKind.QUOTA, TroubleKind.AUTH


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param("usage limit reached|1763000000", Trouble(kind=QUOTA, at_wall_s=1763000000.0), id="epoch"),
        pytest.param(
            "You've hit your usage limit. Try again in 3 days 4 hours 5 minutes.",
            Trouble(kind=QUOTA, after_s=3 * 86400.0 + 4 * 3600 + 5 * 60),
            id="days",
        ),
        pytest.param(
            "quota exceeded; your quota will reset after 11h40m57s.",
            Trouble(kind=QUOTA, after_s=11 * 3600.0 + 40 * 60 + 57),
            id="compact",
        ),
        pytest.param('429 {"retryDelay": "34s"}', Trouble(kind=QUOTA, after_s=34.0), id="retry-delay"),
        pytest.param("429 retry-after: 1500ms", Trouble(kind=QUOTA, after_s=1.5), id="milliseconds"),
        pytest.param(
            "rate limit: resets at 2026-02-03T04:05:06Z", Trouble(kind=QUOTA, at_wall_s=1770091506.0), id="stamp"
        ),
        pytest.param("exceeded retry limit, last status: 429 Too Many Requests", Trouble(kind=QUOTA), id="no-end"),
        pytest.param("You exceeded your current quota, please check your plan", Trouble(kind=QUOTA), id="plan"),
        pytest.param("rate limited, try again in 9000 hours", Trouble(kind=QUOTA, after_s=AFTER_S_MAX), id="bounded"),
        pytest.param("Invalid API key · Please run /login", Trouble(kind=AUTH), id="login"),
        pytest.param("unexpected status 401 Unauthorized", Trouble(kind=AUTH), id="401"),
        pytest.param("OAuth token has expired", Trouble(kind=AUTH), id="expired"),
        pytest.param("No API key found for provider", Trouble(kind=AUTH), id="no-key"),
        pytest.param("API Error: 500 scripted failure 500", None, id="server"),
        pytest.param("the test limits.py fails", None, id="a-word-in-passing"),
        pytest.param("Reached maximum number of turns (200)", None, id="turns"),
        pytest.param("prompt is too long: 250000 tokens > 200000 maximum", None, id="overflow"),
        pytest.param("", None, id="nothing"),
    ],
)  # fmt: skip
def test_words_tell_their_trouble(words: str, expected: Trouble | None) -> None:
    assert found_in(words) == expected


@given(st.text(max_size=300))
def test_no_words_crash_it(words: str) -> None:
    found_in(words)
    trouble.quota(words)
    asked(words)


@pytest.mark.parametrize(
    "printed",
    [
        "Do you trust the files in this folder? (y/N)",
        "Overwrite calc.py? [Y/n] ",
        "Allow this? (Y)es/(N)o/(D)on't ask again",
        "Enter your API key: ",
        "Press any key to continue...",
    ],
)
def test_a_question_at_the_end_is_seen(printed: str) -> None:
    assert asked(f"starting\n{printed}")


@pytest.mark.parametrize(
    "printed", ["", "Fixed it.", '{"type":"text","text":"(y/n)"}', "asked (y/n) once\n1\n2\n3\n4\n5\n6"]
)
def test_what_is_no_question_at_the_end_is_none(printed: str) -> None:
    assert not asked(printed)
