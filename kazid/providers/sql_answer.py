"""What a query answered, for whichever database it was put to; the values a verdict can show and compare."""

from collections.abc import Sequence
from typing import TypeAlias

import msgspec

from kazid.core.verdict import Verdict

Cell: TypeAlias = "None | bool | int | float | str"

COLUMNS_MAX = 20
VALUE_BYTES_MAX = 1_000_000
"""Of one value; SQLite makes no longer one, and nobody judges by one."""


class Rows(msgspec.Struct, frozen=True, kw_only=True):
    """The first row, if there is one, and whether there are more."""

    first: Sequence[Cell] | None
    has_more: bool = False


Answer: TypeAlias = "Rows | Verdict"
"""A verdict where there is no answer: the database is not there (FAIL), or could not be asked (ERROR)."""
