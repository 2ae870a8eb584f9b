"""An agent that waits for what it left in the background, told by its last words."""

import pytest

from kazid.core.background import LAST_WORDS_CHARS, is_parked


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("The suite runs in the background; I'll be notified when it ends.", True, id="notified"),
        pytest.param("I am waiting for the background job to finish.", True, id="waits"),
        pytest.param("The tests are still running. I will check back shortly.", True, id="still-running"),
        pytest.param("Waiting on the monitored task.", True, id="monitored"),
        pytest.param(
            "I moved the job to the background and fixed the parser.", False, id="waits-for-nothing"
        ),
        pytest.param("I am waiting for your answer.", False, id="no-background"),
        pytest.param("The endpoint no longer waits for a lock.", False, id="of-the-code"),
        pytest.param(
            "Waiting for the background build." + " done" * LAST_WORDS_CHARS, False, id="it-is-over-by-then"
        ),
        pytest.param("", False, id="says-nothing"),
        pytest.param(None, False, id="no-words"),
    ],
)
def test_last_words(text: str | None, expected: bool) -> None:
    assert is_parked(text) is expected
