"""Providers run in production on asyncio only: subprocesses, threads and sockets have no virtual time."""

import pytest


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"
