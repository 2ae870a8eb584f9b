"""Which version of a program lies behind its name: read from the package it was installed with, npm's or Python's.

The program itself is never asked: one of that name may do anything when it is run, and asking costs up to seconds.
"""

import os
from functools import partial
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.adapters.system.resolve import Refusal, resolve
from kazid.core.environment import daemon_path
from kazid.ports.programs import Installed

MANIFEST_BYTES_MAX = 1024 * 1024
FOLDERS_UP_MAX = 6
"""From a program to the top of its npm package; the deepest seen are three."""
PACKAGES_MAX = 2000
VERSION_CHARS_MAX = 80


class _Manifest(msgspec.Struct):
    """What is read of a package.json."""

    name: str
    version: str


class SystemPrograms:
    """Looks on the disk, in a thread."""

    async def installed(self, program: str, *, cwd: str, path: str) -> Installed:
        """See ports/programs.py."""
        look = partial(_installed, program, cwd, path or daemon_path(os.environ))
        return await anyio.to_thread.run_sync(look, abandon_on_cancel=True)


def _installed(program: str, cwd: str, path: str) -> Installed:
    try:
        found = resolve(program, cwd=cwd, path=path)
    except (OSError, ValueError):
        return Installed()
    if isinstance(found, Refusal):
        return Installed()
    return Installed(path=found.executable, version=version_of(Path(found.executable)))


def version_of(program: Path) -> str | None:
    """The version its package says; None where it is in none."""
    try:
        version = _of_npm(program) or _of_python(program)
    except (OSError, ValueError):
        return None
    return None if version is None else version[:VERSION_CHARS_MAX]


def _of_npm(program: Path) -> str | None:
    """The nearest package.json above the real file that names the program among its commands."""
    real = Path(os.path.realpath(program))
    for folder in list(real.parents)[:FOLDERS_UP_MAX]:
        manifest = folder / "package.json"
        if not manifest.is_file() or manifest.stat().st_size > MANIFEST_BYTES_MAX:
            continue
        try:
            return msgspec.json.decode(manifest.read_bytes(), type=_Manifest).version
        except msgspec.DecodeError:
            continue  # a folder of modules may have one that says only how they are loaded
    return None


def _of_python(program: Path) -> str | None:
    """The distribution beside it that has a console script of this name."""
    wanted = f"{program.name}="
    for library in program.parent.parent.glob("lib/python3*/site-packages"):
        for number, metadata in enumerate(library.glob("*.dist-info/entry_points.txt")):
            if number >= PACKAGES_MAX or metadata.stat().st_size > MANIFEST_BYTES_MAX:
                break
            lines = metadata.read_text(encoding="utf-8", errors="replace").splitlines()
            if any(line.replace(" ", "").startswith(wanted) for line in lines):
                return metadata.parent.name.removesuffix(".dist-info").rpartition("-")[2]
    return None
