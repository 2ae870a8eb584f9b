"""A machine in another time zone: what people and programs are told is in UTC wherever that is."""

import time
from collections.abc import Iterator

import pytest


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Local time is nine hours ahead of UTC."""
    monkeypatch.setenv("TZ", "KAZ-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()
