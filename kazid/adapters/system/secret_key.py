"""The daemon's own secret: random bytes in a file that nobody else reads, made once.

Whoever has the file can make every token. Removing it and restarting the daemon makes all tokens new.
"""

import os
import secrets
from pathlib import Path

from kazid.core.errors import StartRefused


def secret_key(path: Path, *, size_bytes: int) -> bytes:
    """The bytes in this file, which is made when it is not there. Raises StartRefused when it cannot be used."""
    try:
        if not path.exists():
            _make(path, size_bytes)
        key = path.read_bytes()
    except OSError as error:
        raise StartRefused(f"cannot read or make {path}: {error.strerror}") from error
    if len(key) < size_bytes:
        raise StartRefused(f"{path} holds no key; remove it, and kazid makes another")
    return key


def _make(path: Path, size_bytes: int) -> None:
    """Whole or not at all."""
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, secrets.token_bytes(size_bytes))
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    new.replace(path)
