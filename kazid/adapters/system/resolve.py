"""The one resolver: which file an authored `cmd` means, or why there is none to run.

Checks, remedies and agents all use it, so that `cmd = "scripts/x"` means the same everywhere: a relative path is one
in the workspace, a bare name is looked up on the caller's PATH, an absolute path is itself. It looks and starts
nothing; what the kernel says at the start all the same is put into the same words by `refusal_of`.
"""

import errno
import os
import stat

import msgspec

CMD_UNRUNNABLE = "cmd_unrunnable"
WORKSPACE_MISSING = "workspace_missing"
TRANSIENT = "transient"

_PERMANENT_ERRNOS = frozenset(
    {
        errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENOEXEC, errno.ENOTDIR, errno.EISDIR, errno.E2BIG,
        errno.ELOOP, errno.ENAMETOOLONG, errno.EINVAL, errno.ELIBBAD,
    }
)  # fmt: skip
"""What trying again cannot mend. All others (descriptors, memory, processes, a busy file, I/O) may pass."""


class Runnable(msgspec.Struct, frozen=True):
    """The file to execute, absolute unless PATH itself is relative."""

    executable: str


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Why nothing can be started: a code for rules, a sentence for people."""

    code: str
    reason: str


def resolve(cmd: str, *, cwd: str, path: str) -> Runnable | Refusal:
    """Return the executable `cmd` means in the folder `cwd`, or why it cannot be run there. Blocks on the disk."""
    refused = _refuse_folder(cwd)
    if refused is not None:
        return refused
    if not cmd or "\0" in cmd:
        return Refusal(code=CMD_UNRUNNABLE, reason=f"not a command: {cmd!r}")
    if "/" in cmd:
        return _at(os.path.join(cwd, cmd), authored=cmd)
    return _on_path(cmd, cwd=cwd, path=path)


def refusal_of(error: OSError | ValueError, *, cmd: str, cwd: str) -> Refusal:
    """Put into the resolver's words what the start itself raised, after the resolver had found nothing wrong."""
    if isinstance(error, ValueError):
        return Refusal(code=CMD_UNRUNNABLE, reason=f"not a command line: {error}")
    if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.EACCES) and error.filename == cwd:
        return _refuse_folder(cwd) or Refusal(code=TRANSIENT, reason=f"no such folder a moment ago: {cwd}")
    if error.errno not in _PERMANENT_ERRNOS:
        return Refusal(code=TRANSIENT, reason=f"could not start {cmd}: {error.strerror or error}")
    match error.errno:
        case errno.ENOENT:
            reason = f"not found: the interpreter of {cmd}"
        case errno.EACCES | errno.EPERM:
            reason = f"permission denied: {cmd}"
        case errno.ENOEXEC:
            reason = f"not a program (no #! line?): {cmd}"
        case _:
            reason = f"cannot run {cmd}: {error.strerror}"
    return Refusal(code=CMD_UNRUNNABLE, reason=reason)


def _refuse_folder(cwd: str) -> Refusal | None:
    try:
        mode = os.stat(cwd).st_mode
    except PermissionError:
        return Refusal(code=WORKSPACE_MISSING, reason=f"permission denied: {cwd}")
    except (OSError, ValueError):
        return Refusal(code=WORKSPACE_MISSING, reason=f"no such folder: {cwd}")
    if not stat.S_ISDIR(mode):
        return Refusal(code=WORKSPACE_MISSING, reason=f"not a folder: {cwd}")
    if not os.access(cwd, os.X_OK):
        return Refusal(code=WORKSPACE_MISSING, reason=f"permission denied: {cwd}")
    return None


def _at(candidate: str, *, authored: str) -> Runnable | Refusal:
    try:
        mode = os.stat(candidate).st_mode
    except PermissionError:
        return Refusal(code=CMD_UNRUNNABLE, reason=f"permission denied: {authored}")
    except OSError:
        # `cmd = "go test ./..."` is the commonest mistake there is, so its way out is named.
        hint = " (cmd is one executable; the rest belongs into args)" if " " in authored else ""
        return Refusal(code=CMD_UNRUNNABLE, reason=f"not found: {authored}{hint}")
    if not stat.S_ISREG(mode):
        return Refusal(code=CMD_UNRUNNABLE, reason=f"not a regular file: {authored}")
    if not os.access(candidate, os.X_OK):
        return Refusal(code=CMD_UNRUNNABLE, reason=f"permission denied: {authored}")
    return Runnable(candidate)


def _on_path(cmd: str, *, cwd: str, path: str) -> Runnable | Refusal:
    """Look a bare name up as a shell standing in `cwd` would; one that may not be executed does not end the search."""
    denied: Refusal | None = None
    for folder in path.split(os.pathsep):
        if not folder:
            continue
        found = _at(os.path.join(cwd, folder, cmd), authored=cmd)
        if isinstance(found, Runnable):
            return found
        if found.reason.startswith("permission denied") and denied is None:
            denied = found
    if denied is not None:
        return denied
    hint = " (cmd is one executable; the rest belongs into args)" if " " in cmd else ""
    return Refusal(code=CMD_UNRUNNABLE, reason=f"not found: {cmd}{hint}")
