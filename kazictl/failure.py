"""Why a command could not do what it was asked: one exception, one JSON document, a few lines for people.

Raised wherever it is noticed and reported in one place (`cli.run`). `kind` is a short constant for programs, `hint`
says what to do next, `problems` are the daemon's located complaints about a goal-file.
"""

from kazid.wire.names import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


class Failure(Exception):
    """The command ends here, with this exit code."""

    def __init__(
        self,
        message: str,
        *,
        exit_code: int,
        kind: str,
        detail: str = "",
        hint: str = "",
        problems: "Sequence[dict[str, Any]]" = (),
    ) -> None:
        """Keep what is told to people and programs."""
        super().__init__(message)
        self.message = message
        self.exit_code = exit_code
        self.kind = kind
        self.detail = detail
        self.hint = hint
        self.problems = problems

    def as_document(self) -> "dict[str, Any]":
        """What `--json` prints instead of the document that was asked for."""
        return {
            "schema_version": SCHEMA_VERSION,
            "error": self.message,
            "type": self.kind,
            "detail": self.detail or self.message,
            "hint": self.hint or None,
            "problems": list(self.problems),
            "exit_code": self.exit_code,
        }
