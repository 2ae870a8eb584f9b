"""Real processes: each test gets a folder with a short path (a socket lives in it) and leaves nothing running."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import RealDaemon


@pytest.fixture
def base() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="kz"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def daemon(base: Path) -> Iterator[RealDaemon]:
    daemon = RealDaemon(base)
    daemon.start()
    yield daemon
    daemon.end_everything()
