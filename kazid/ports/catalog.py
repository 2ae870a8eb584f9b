"""What predicate kinds exist and which keys each takes: all that a goal-file loader knows of providers.

A `KindSpec` is data made by `kazid/providers`; `kazid/goalfile` checks authored options against it field by field,
so that every problem is reported at once, with its key. `built = False` means the kind is documented and its
goal-files load, and that `apply` refuses it by name until its provider exists.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import msgspec

from kazid.core.json import Json, JsonObject


class KeyType(enum.Enum):
    """The shapes an authored option may have. Booleans are never integers; integers are numbers."""

    STRING = "string"
    NON_EMPTY_STRING = "non-empty string"
    INTEGER = "integer"
    POSITIVE_INTEGER = "integer > 0"
    NON_NEGATIVE_INTEGER = "integer >= 0"
    NUMBER = "number"
    POSITIVE_NUMBER = "number > 0"
    FRACTION = "number from 0 to 1"
    DURATION = "duration > 0"
    """A string such as `"30s"` (`ms s m h d`, decimals allowed), or a bare number of seconds."""
    BOOLEAN = "boolean"
    STRING_LIST = "list of strings"
    INTEGER_LIST = "list of integers"
    STRING_TABLE = "table of strings"
    TABLE = "table"
    TABLE_LIST = "list of tables"
    STRING_OR_STRING_LIST = "string or list of strings"
    NUMBER_OR_STRING = "number or non-empty string"
    ANY = "any value"


class KeySpec(msgspec.Struct, frozen=True, kw_only=True):
    """One authored key of a kind: its shape, whether it must be there, its vocabulary and one line of help."""

    type: KeyType
    help: str
    required: bool = False
    choices: tuple[str, ...] = ()
    default: Json = None


class KeyProblem(msgspec.Struct, frozen=True, kw_only=True):
    """A problem of one option that the shapes alone cannot tell (a bad regex, a key that another one demands).

    `key` is written as in the file, entries counted from one: `metric.cmd`, `assertions[2].type`.
    """

    key: str
    message: str
    hint: str | None = None


class KindSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One predicate kind. `check` sees options whose shapes already hold and must not raise."""

    name: str
    summary: str
    live: bool
    built: bool
    keys: Mapping[str, KeySpec]
    check: Callable[[JsonObject], Iterable[KeyProblem]] | None = None
    deprecated_for: str | None = None
    synthesized: bool = False
    """Made by the daemon (`landed`, `scope_guard`): refused when authored."""
    verdicts: str = ""
    """The rule of its verdicts in one sentence: when it passes, fails and cannot look (docs/predicates.md)."""
    unusable: str | None = None
    """Why a plugin's kind cannot be used on this machine: refused when authored, with this reason."""
    base: str | None = None
    """The kind that this name of `kazid.toml` stands for; its keys are parameters then."""
    expand: Callable[[JsonObject], JsonObject] | None = None
    """The base kind's options, from these parameters."""


class Catalog(Protocol):
    """The kinds this daemon knows, built or documented."""

    def kinds(self) -> Mapping[str, KindSpec]:
        """Every kind by its authored name."""
        ...
