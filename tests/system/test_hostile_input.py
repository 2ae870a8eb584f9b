"""Bad input on a real daemon: each gets a clear error in the right place, and the daemon and every other goal go on.

One daemon takes all of it, in any order. Each case runs beside a healthy goal that is looked at once a second, and ends
with nothing running that it started. That a slow body is 408 after 30 s is shown on the API alone (tests/api), as is
a reader that does not read; a full disk is in test_the_daemon_itself.py.
"""

import datetime as dt
import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.api.house import connected
from tests.system.hostile_lab import MB, Lab, rest
from tests.system.house import BIN, ROOT, write_goal

CHECK_GRACE_S = 4.0
"""From a check's deadline to its verdict: killing, and proving that nothing is left, takes a moment."""
SWEEP_S = 75.0
"""What closed its pipes and left its session is found by the sweep, once a minute."""


@pytest.fixture(scope="module")
def _only_lab() -> Iterator[Lab]:
    base = Path(tempfile.mkdtemp(prefix="kz"))
    lab = Lab(base)
    _daemonise(lab)
    yield lab
    lab.close()
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def lab(_only_lab: Lab) -> Iterator[Lab]:
    """The lab with its healthy goal alone, before and after."""
    yield _only_lab
    _only_lab.delete_others_but(_DAEMONISED)
    _only_lab.until(lambda: not _left(_only_lab), f"nothing is left: {_left(_only_lab)}")
    _only_lab.assert_quiet_log()
