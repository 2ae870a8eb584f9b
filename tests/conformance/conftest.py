"""These tests read a folder beside the repository; without it they are not collected, and the summary says why."""

from pathlib import Path

import pytest

CONFORMANCE = Path(__file__).resolve().parents[3] / "shared" / "conformance"

collect_ignore_glob = [] if CONFORMANCE.is_dir() else ["test_*.py"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if collect_ignore_glob:
        terminalreporter.write_line(
            "tests/conformance: not collected, ../shared/conformance is not beside the repository"
        )
