"""A house for each test that asks for one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.api.fake_service import a_view
from tests.api.house import House, mine
from tests.builders import a_goal


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """The API with one goal, `web`, which is converged and belongs to the caller."""
    house = House(tmp_path / "s")
    house.service.add(a_view(mine(a_goal())))
    with house.open():
        yield house
