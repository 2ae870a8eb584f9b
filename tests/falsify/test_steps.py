"""`fresh_clone`: commands that cannot fail make a check that cannot be red."""

import pytest

from kazid.falsify.judge import judge


@pytest.mark.parametrize(
    ("commands", "is_refused"),
    [
        pytest.param(["make test || true"], True, id="hidden"),
        pytest.param(["echo one", "true"], True, id="each-of-them"),
        pytest.param(["true", "make test"], False, id="one-that-can"),
        pytest.param([], False, id="none-said"),
    ],
)
def test_commands_that_cannot_fail_are_told(commands: list[str], is_refused: bool) -> None:
    notes = list(judge("fresh_clone", {"commands": commands}))
    assert [n.severity for n in notes] == (["refuse"] if is_refused else [])
