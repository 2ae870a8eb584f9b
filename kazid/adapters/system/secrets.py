"""References to secrets become values here, when an agent is started, and go into its environment and nowhere else."""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path

from kazid.core.environment import is_daemons_own
from kazid.core.goal import SecretRef

SECRET_BYTES_MAX = 64 * 1024
CREDENTIALS_DIRECTORY = "CREDENTIALS_DIRECTORY"
"""Where systemd puts what a unit loads with LoadCredential=."""


class SecretMissing(Exception):
    """A reference that leads nowhere; the message names it and never what it would hold."""


def resolved(secrets: Mapping[str, SecretRef], environ: Mapping[str, str]) -> dict[str, str]:
    """The values by variable. Blocks on the disk. Raises SecretMissing for the first that is not there."""
    return {name: _value(name, reference, environ) for name, reference in secrets.items()}


def absent_home(names: Sequence[str], env: Mapping[str, str]) -> str | None:
    """The first of these variables that is set to a folder that is not there. Blocks on the disk."""
    return next((name for name in names if env.get(name) and not Path(env[name]).is_dir()), None)


def _value(name: str, reference: SecretRef, environ: Mapping[str, str]) -> str:
    said = f'{name} = {{ {reference.source} = "{reference.name}" }}'
    if reference.source == "env":
        value = "" if is_daemons_own(reference.name) else environ.get(reference.name, "")
        if not value:
            raise SecretMissing(f"{said}: the daemon has no such variable")
        return value
    folder = environ.get(CREDENTIALS_DIRECTORY, "")
    if reference.source == "credential" and not folder:
        raise SecretMissing(
            f"{said}: the daemon was started without credentials (LoadCredential= of its unit)"
        )
    is_file = reference.source == "file"
    path = Path(reference.name).expanduser() if is_file else Path(folder) / reference.name
    return _content(path, said)


def _content(path: Path, said: str) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise SecretMissing(f"{said}: it is no file")
            data = file.read(SECRET_BYTES_MAX + 1)
        text = data.decode().rstrip("\r\n")
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise SecretMissing(f"{said}: {why}") from None
    except UnicodeDecodeError:
        raise SecretMissing(f"{said}: it is no text") from None
    if not text or len(data) > SECRET_BYTES_MAX or "\0" in text:
        raise SecretMissing(f"{said}: it is empty, or no secret at all")
    return text
