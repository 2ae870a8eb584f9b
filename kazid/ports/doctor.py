"""What a machine has and can enforce, as findings for people. Looks only; what cannot be told is a warning."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One check: `ok`, `warn` or `fail`, what was found, and what to do about it."""

    name: str
    state: str
    found: str
    todo: str = ""


class Doctor(Protocol):
    """Adapter: the system."""

    async def examine(self) -> Sequence[Finding]:
        """All findings, in a fixed order."""
        ...
