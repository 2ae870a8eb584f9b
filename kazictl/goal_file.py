"""Reading a goal-file from where the caller is: its text as it stands, and where it came from.

The daemon judges the content. Here only what it could not tell as well: that there is a readable text at all.
"""

import os

from kazictl.failure import Failure
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

GOAL_FILE_BYTES_MAX = 1_000_000
"""The daemon takes no longer text either; a goal-file is a page."""


def read_goal_file(path: str) -> "Document":
    """The fields that apply, check and lint share: text, absolute path, the caller's folder. Raises Failure, exit 2."""
    try:
        with open(path, "rb") as file:
            content = file.read(GOAL_FILE_BYTES_MAX + 1)
    except IsADirectoryError:
        raise _unreadable(path, "it is a folder", "name the goal-file in it") from None
    except FileNotFoundError:
        raise _unreadable(path, "no such file", "give the path of a TOML goal-file") from None
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error), "it must be a file you may read") from None
    except ValueError as error:
        raise _unreadable(path, str(error), "give the path of a TOML goal-file") from None
    if len(content) > GOAL_FILE_BYTES_MAX:
        raise _unreadable(path, "longer than 1 MB", "is this the goal-file?")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _unreadable(path, f"line {line} is not UTF-8", "save it as UTF-8") from None
    return {"goal_file": text, "source_path": _absolute(path), "cwd": _present_folder()}


def _present_folder() -> str | None:
    """Where the caller is; None when that folder was removed or has no UTF-8 name."""
    try:
        folder = os.getcwd()
        folder.encode()
    except (OSError, UnicodeEncodeError):
        return None
    return folder


def _absolute(path: str) -> str | None:
    folder = _present_folder()
    return path if os.path.isabs(path) else os.path.join(folder, path) if folder else None


def _unreadable(path: str, why: str, hint: str) -> Failure:
    return Failure(f"cannot read {path}: {why}", exit_code=exit_codes.USAGE, kind="goal_file", hint=hint)
