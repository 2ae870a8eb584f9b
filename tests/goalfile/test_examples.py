"""Every goal-file of config/goals loads, can be applied, and leaves nothing to doubt."""

from pathlib import Path

import pytest

from tests.goalfile.loading import loaded

EXAMPLES = sorted((Path(__file__).parents[2] / "config" / "goals").glob("*.toml"))


def test_there_are_examples() -> None:
    assert len(EXAMPLES) >= 6


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in EXAMPLES])
def test_an_example_loads_clean(path: Path) -> None:
    result = loaded(path.read_bytes(), path=str(path))
    assert result.goal.id == path.name.removesuffix(".goal.toml")
    assert result.unbuilt == ()
    assert result.findings == ()
    assert result.notices == ()
