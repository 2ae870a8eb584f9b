"""No sound check is refused, every check that cannot be red is, and what is less certain is a doubt."""

import pytest

from kazid.falsify.judge import judge
from tests.falsify.corpus import DOUBTFUL, SOUND, UNSOUND


def findings(script: str, shell: str = "sh") -> list[tuple[str, str]]:
    options = {"cmd": shell, "args": ["-c", script]}
    return [(n.code, n.severity) for n in judge("custom_script", options)]


@pytest.mark.parametrize("shell", ["sh", "/bin/bash"])
@pytest.mark.parametrize("script", SOUND)
def test_a_sound_check_is_left_alone(script: str, shell: str) -> None:
    assert findings(script, shell) == []


@pytest.mark.parametrize(("script", "code"), UNSOUND)
def test_what_cannot_be_red_is_refused(script: str, code: str) -> None:
    assert findings(script) == [(code, "refuse")]


@pytest.mark.parametrize(("script", "code"), DOUBTFUL)
def test_what_may_never_be_red_is_doubted(script: str, code: str) -> None:
    assert findings(script) == [(code, "doubt")]


def test_the_corpora_are_of_a_size_that_says_something() -> None:
    assert len(set(SOUND)) >= 80
    assert len(set(UNSOUND)) >= 60
