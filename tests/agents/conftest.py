"""The folder that each test gets; see tests/system/conftest.py."""

from tests.system.conftest import base

__all__ = ["base"]
