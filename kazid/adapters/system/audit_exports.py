"""Writes records of the audit trail into a folder: durable, readable by the daemon's user only, and read back.

A file takes its name when it is whole and was checked; one of that name from a try that a crash cut off is replaced.
"""

import hashlib
import os
from collections.abc import AsyncIterable, Sequence
from pathlib import Path

import anyio.to_thread

from kazid.ports.audit import AuditRecord, Exported
from kazid.shim.protocol import sync_folder
from kazid.wire.chain import ChainCheck, exported_line


class FolderExports:
    """One folder, made when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def write(self, name: str, pages: AsyncIterable[Sequence[AuditRecord]], *, head: bytes) -> Exported:
        """See ports/audit.py."""
        await anyio.to_thread.run_sync(lambda: self._folder.mkdir(mode=0o700, exist_ok=True))
        path, part = self._folder / name, self._folder / f".{name}.part"
        try:
            part.unlink(missing_ok=True)
            async for page in pages:
                await anyio.to_thread.run_sync(_append, part, page)
            exported = await anyio.to_thread.run_sync(_checked, part, head)
            part.rename(path)
            sync_folder(str(self._folder))
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        records, sha256 = exported
        return Exported(path=str(path), records=records, sha256=sha256)


def _append(part: Path, page: Sequence[AuditRecord]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
        file.writelines(exported_line(each.record, each.digest) + b"\n" for each in page)
        file.flush()
        os.fsync(file.fileno())


def _checked(part: Path, head: bytes) -> tuple[int, str]:
    """How many records are in it, and its hash. Raises OSError when it is not what was written."""
    content = hashlib.sha256()
    check: ChainCheck | None = None
    with part.open("rb") as file:
        for line in file:
            content.update(line)
            if check is None:
                check = ChainCheck.behind(line)
            check.add_lines(iter((line,)))
    if check is None or check.problems or check.head != head:
        raise OSError(f"{part}: what was written does not read back as it was")
    return check.records, content.hexdigest()
