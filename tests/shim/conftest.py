import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.shim.shims import Shims


@pytest.fixture
def shims(tmp_path: Path) -> Iterator[Shims]:
    """Starts shims the way the daemon does, and leaves no process behind whatever the test did."""
    found = Shims(tmp_path / "attempts")
    before = set(os.listdir("/proc/self/fd"))
    yield found
    found.end_all()
    assert len(os.listdir("/proc/self/fd")) <= len(before) + 1
