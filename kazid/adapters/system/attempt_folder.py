"""The folder of one attempt, from the daemon's side: what is asked of the shim, and what became of it.

`<state>/attempts/<incarnation>/<attempt>/`, 0700, written and read through kazid/shim/protocol.py. Everything here
blocks on the disk for a moment and belongs into a thread, but for `look`, which reads two small files.
"""

import errno
import fcntl
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kazid.core.goal import Limits
from kazid.core.ids import AttemptId, GoalUid
from kazid.ports.runner import LOG_BYTES_MAX, AttemptOrder, AttemptResult
from kazid.shim import proctree, protocol

UNCLAIMED = "unclaimed"
"""Neither shim nor recovery was here yet: it may still start, unless it is revoked."""

SHIM_STDERR = "shim.stderr"
KILL_GRACE_S = 5.0
"""Between TERM and KILL. claude 2.1 ends within 2 s of a TERM and cleans up its tools."""

ORPHAN_GRACE_S = 600.0
"""How long an attempt goes on without any daemon (DESIGN §7)."""

STDERR_CHARS_MAX = 500
_CANNOT_LOOK = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EIO, errno.EINTR, errno.EAGAIN})


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an attempt: `unclaimed`, or one of the protocol's four; the shim's identity and its result."""

    state: str
    shim_pid: int | None = None
    shim_start_time: int | None = None
    is_this_boot: bool = False
    result: Mapping[str, Any] | None = None


class _Request(msgspec.Struct, frozen=True, kw_only=True):
    """request.json, as kazid/shim/attempt.py reads it."""

    version: int
    attempt_id: AttemptId
    argv: Sequence[str]
    cwd: str
    stdin: str | None
    idle_timeout_s: float | None
    total_timeout_s: float
    grace_s: float
    orphan_grace_s: float
    keep_on_success: bool
    log_bytes_max: int
    daemon_file: str
    limits: Limits
    control_group: str | None


class _Result(msgspec.Struct, frozen=True, kw_only=True):
    """What of result.json the daemon uses."""

    ended: str
    exit_code: int | None = None
    signal: int | None = None
    duration_s: float = 0.0
    ended_boot_s: float | None = None
    reason: str | None = None
    survivors: Sequence[int] = ()


def folder_of(root: str, uid: GoalUid, attempt_id: AttemptId) -> str:
    """Where this attempt lives below the attempts folder. Ids are made here or by `main`, never by a user."""
    for name in (uid, attempt_id):
        assert name, "an id names a folder"
        assert "/" not in name, f"not a file name: {name!r}"
        assert not name.startswith("."), f"not a file name: {name!r}"
    return os.path.join(root, uid, attempt_id)


def prepare(
    folder: str,
    order: AttemptOrder,
    *,
    executable: str,
    daemon_file: str,
    kill_grace_s: float = KILL_GRACE_S,
    orphan_grace_s: float = ORPHAN_GRACE_S,
    control_group: str | None = None,
) -> None:
    """Make the folder with the request and the prompt, durably.

    Durable because of what follows: after a power failure a claim that vanished with its folder would read as never
    started. Raises OSError (the disk), FileExistsError among them when the attempt was ordered before.
    """
    owner = os.path.dirname(folder)
    os.makedirs(owner, mode=0o700, exist_ok=True)
    os.mkdir(folder, mode=0o700)
    if order.stdin_text is not None:
        _write_prompt(os.path.join(folder, protocol.PROMPT), order.stdin_text)
    request = _Request(
        version=protocol.VERSION,
        attempt_id=order.attempt_id,
        argv=(executable, *order.argv[1:]),
        cwd=order.cwd,
        stdin=None if order.stdin_text is None else protocol.PROMPT,
        idle_timeout_s=order.idle_timeout_s,
        total_timeout_s=order.total_timeout_s,
        grace_s=kill_grace_s,
        orphan_grace_s=orphan_grace_s,
        keep_on_success=order.keep_on_success,
        log_bytes_max=LOG_BYTES_MAX,
        daemon_file=daemon_file,
        limits=order.limits,
        control_group=control_group,
    )
    protocol.write_durably(folder, protocol.REQUEST, msgspec.to_builtins(request))
    for parent in (owner, os.path.dirname(owner)):
        protocol.sync_folder(parent)


def look(folder: str) -> Found:
    """What became of the attempt, changing nothing.

    Raises OSError when it could not look (no descriptor, no memory, a broken disk): told as killed, a healthy attempt
    would be ended for it.
    """
    if not os.path.lexists(os.path.join(folder, protocol.CLAIM)):
        return Found(state=UNCLAIMED)
    claimed = _read(folder, protocol.CLAIM) or {}
    if claimed.get("revoked"):
        return Found(state=protocol.NEVER_STARTED)
    result = _read(folder, protocol.RESULT)
    if result is None and _is_locked(folder):
        return _found(protocol.RUNNING, claimed, None)
    # It may have been written just before the lock went.
    result = result or _read(folder, protocol.RESULT)
    return _found(protocol.KILLED if result is None else protocol.ENDED, claimed, result)


def look_or_revoke(folder: str) -> Found:
    """What became of the attempt, and where nobody has claimed it, nobody will from now on.

    Raises OSError when the disk refuses the revocation; a claimed attempt is told without writing anything.
    """
    found = look(folder)
    if found.state != UNCLAIMED:
        return found
    state, _ = protocol.revoke_or_inspect(folder)
    return Found(state=state) if state == protocol.NEVER_STARTED else look(folder)


def result_of(found: Found) -> AttemptResult:
    """The result the shim wrote. Its boot time means nothing once the machine was started anew."""
    assert found.result is not None, "only an ended attempt has a result"
    try:
        record = msgspec.convert(found.result, _Result)
    except msgspec.ValidationError as error:
        return AttemptResult(ending="killed", reason=f"the shim's result cannot be read: {error}")
    return AttemptResult(
        ending=record.ended,
        exit_code=record.exit_code,
        signal=record.signal,
        duration_s=record.duration_s,
        ended_s=record.ended_boot_s if found.is_this_boot else None,
        reason=record.reason,
        survivors=record.survivors,
    )


def is_product(folder: str, found: Found) -> bool:
    """Whether what this attempt left running is its product: a remedy or deploy that exited 0 (SEMANTICS §3)."""
    result = found.result
    if result is None or result.get("ended") != "exited" or result.get("exit_code") != 0:
        return False
    request = protocol.read_record(folder, protocol.REQUEST) or {}
    return bool(request.get("keep_on_success"))


def control_group_of(folder: str) -> str | None:
    """The control group that the attempt was to have."""
    group = (protocol.read_record(folder, protocol.REQUEST) or {}).get("control_group")
    return group if isinstance(group, str) and os.path.isabs(group) else None


def shim_words(folder: str) -> str | None:
    """The last line the shim itself said, bounded; it speaks only when it breaks."""
    try:
        fd = os.open(os.path.join(folder, SHIM_STDERR), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        lines = file.read(64 * 1024).decode(errors="replace").strip().splitlines()
    return lines[-1][:STDERR_CHARS_MAX] if lines else None


def folders(root: str, uid: GoalUid | None = None) -> Iterator[tuple[GoalUid, AttemptId, str]]:
    """Every attempt folder, of one incarnation or of all."""
    for owner in [uid] if uid is not None else _names(root):
        for attempt_id in _names(os.path.join(root, owner)):
            yield GoalUid(owner), AttemptId(attempt_id), os.path.join(root, owner, attempt_id)


def discard_old(root: str, uid: GoalUid, *, keep: int, removals_max: int) -> int:
    """Remove the oldest folders beyond `keep`, never one whose shim lives; how many went."""
    aged = sorted((_made_s(folder), folder) for _, _, folder in folders(root, uid))
    removed = 0
    for _, folder in aged[: max(0, len(aged) - keep)]:
        if removed >= removals_max:
            break
        try:
            is_kept = look(folder).state == UNCLAIMED or _is_locked(folder)
        except OSError:
            is_kept = True
        if is_kept:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        removed += 1
    try:
        os.rmdir(os.path.join(root, uid))
    except OSError:
        pass  # others are left in it
    return removed


def _found(state: str, claimed: Mapping[str, Any], result: Mapping[str, Any] | None) -> Found:
    pid, started = claimed.get("pid"), claimed.get("start_time")
    return Found(
        state=state,
        shim_pid=pid if isinstance(pid, int) else None,
        shim_start_time=started if isinstance(started, int) else None,
        is_this_boot=claimed.get("boot_id") == proctree.boot_id(),
        result=result,
    )


def _read(folder: str, name: str) -> Mapping[str, Any] | None:
    """A record of the protocol, None when it is not there or not one. Raises OSError when that cannot be told."""
    record = protocol.read_record(folder, name)
    if record is None:
        try:
            os.close(protocol.open_regular(os.path.join(folder, name)))
        except OSError as error:
            if error.errno in _CANNOT_LOOK:
                raise
            return None
        record = protocol.read_record(folder, name)
    return record


def _is_locked(folder: str) -> bool:
    """Whether the shim that claimed the attempt lives. Raises OSError when that cannot be told."""
    fd = protocol.open_regular(os.path.join(folder, protocol.CLAIM))
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def _write_prompt(path: str, text: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "wb") as file:
        file.write(text.encode(errors="replace"))


def _names(folder: str) -> list[str]:
    try:
        return sorted(os.listdir(folder))
    except OSError:
        return []


def _made_s(folder: str) -> float:
    """When the attempt was ordered: its request is written once, the folder itself changes with every log segment."""
    try:
        return os.lstat(os.path.join(folder, protocol.REQUEST)).st_mtime
    except OSError:
        return 0.0
