"""Secrets by reference: where one is written, and reading it when it is used.

`env:NAME` is a variable of the daemon, `file:/PATH` a file, `credential:NAME` what systemd passed (LoadCredential=).
Read at each use, so a rotated secret needs no restart; never logged, journalled or shown.
"""

from collections.abc import Mapping
from pathlib import Path

SECRET_BYTES_MAX = 64 * 1024


class SecretMissing(Exception):
    """There is nothing where the reference points; says where, never what."""


class References:
    """Where references are looked up."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def value(self, reference: str) -> str:
        """What the reference stands for, without the line's end. Blocking. Raises SecretMissing."""
        kind, _, name = reference.partition(":")
        match kind:
            case "env":
                found = self._environ.get(name, "")
            case "file":
                found = _read(Path(name), reference)
            case "credential":
                folder = self._environ.get("CREDENTIALS_DIRECTORY")
                if folder is None:
                    raise SecretMissing(f"{reference}: systemd passed no credentials (LoadCredential=)")
                found = _read(Path(folder) / name, reference)
            case _:
                raise AssertionError("the settings take no other reference")
        found = found.strip()
        if not found:
            raise SecretMissing(f"{reference}: empty or not set")
        return found


def _read(path: Path, reference: str) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(SECRET_BYTES_MAX + 1)
        if len(content) > SECRET_BYTES_MAX:
            raise SecretMissing(f"{reference}: longer than {SECRET_BYTES_MAX} bytes")
        return content.decode()
    except OSError as error:
        raise SecretMissing(f"{reference}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SecretMissing(f"{reference}: no text") from None
