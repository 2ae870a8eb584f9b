"""`tcp`: somebody listens at a port or a Unix socket, and says what was expected; or nobody does (`port_closed`).

Open is a completed connection: a full backlog or a firewall that drops is silence. Silence is red where a listener is
expected. Where none may be, it is no proof: a dead network is silent too, so it is an error unless
`silence_is_closed` says that a dropped packet is how this port is closed.
"""

import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Literal

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.core.watch import FileSource, ProcessSource, Source
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.connect import (
    NAME_LOOKUPS_MAX,
    Attempt,
    Outcome,
    Target,
    connect,
    receive,
    send_all,
)
from kazid.providers.evidence import excerpt, shortened
from kazid.providers.options import allowed_s, read_options
from kazid.shim.redaction import redact

PORT_MAX = 65535
ANSWER_BYTES_MAX = 64 * 1024
"""What is read of an answer while the expected text is looked for."""
ANSWER_CHARS_MAX = 2000
ADDRESSES_SHOWN_MAX = 16

_CREDENTIALS = struct.Struct("3i")
TIMEOUT_MS = 5000
"""Of one look where none is authored: what answers no connection for so long serves nobody."""


class TcpOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    host: str = ""
    port: int | None = None
    unix: str = ""
    expect: Literal["present", "absent"] = "present"
    send: str = ""
    expect_text: str = ""
    connect_ms_max: float | None = None
    ip_version: Literal[4, 6] | None = None
    silence_is_closed: bool = False
    timeout_ms: int | None = None

    @property
    def has_conversation(self) -> bool:
        """True when more is asked than that the connection opens."""
        return bool(self.expect_text)


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What was read after the connection opened, and how the reading ended."""

    text: bytes = b""
    is_found: bool = False
    ended: Literal["found", "closed", "full", "silent", "broken"] = "silent"
    detail: str = ""


class Tcp:
    """The provider."""

    def __init__(self, fixed: Mapping[str, Json] | None = None) -> None:
        self._fixed = fixed or {}
        self._lookups = anyio.CapacityLimiter(NAME_LOOKUPS_MAX)

    def sources(
        self, options: Mapping[str, Json], folder: str, evidence: Mapping[str, Json]
    ) -> Sequence[Source]:
        """A Unix socket: its name, and the process that listened at the last look. Nobody tells of ports."""
        unix, pid = options.get("unix"), evidence.get("listener_pid")
        if not isinstance(unix, str) or not unix.startswith("/"):
            return []
        return [FileSource(unix), *([ProcessSource(pid)] if isinstance(pid, int) else [])]

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Connect once, and listen where a text is expected."""
        for key in self._fixed:
            if key in options:
                return errored("invalid_config", f"{key} is not a key of this kind")
        read = read_options({**options, **self._fixed}, TcpOptions)
        if isinstance(read, Verdict):
            return read
        target = target_of(read)
        if isinstance(target, Verdict):
            return target
        timeout_ms = TIMEOUT_MS if read.timeout_ms is None else read.timeout_ms
        ends_s = anyio.current_time() + max(0.0, allowed_s(timeout_ms, look))
        connection = await connect(target, ends_s=ends_s, lookups=self._lookups)
        sock, answer = connection.sock, None
        pid = None if sock is None else listener_of(sock)
        try:
            if sock is not None and read.has_conversation and read.expect == "present":
                answer = await converse(sock, read, ends_s=ends_s)
        finally:
            if sock is not None:
                sock.close()
        verdict = interpret(connection.attempts, answer, read, target)
        if pid is None:
            return verdict
        return msgspec.structs.replace(verdict, evidence={**verdict.evidence, "listener_pid": pid})


def listener_of(sock: socket.socket) -> int | None:
    """The process that listens at a Unix socket; None for others, and for one of another pid namespace."""
    if sock.family != socket.AF_UNIX:
        return None
    try:
        raw = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return None
    pid: int = _CREDENTIALS.unpack(raw)[0]
    return pid or None


def port_closed() -> Tcp:
    """`port_closed`: `tcp` with `expect = "absent"`, under the name people look for."""
    return Tcp({"expect": "absent"})


def target_of(options: TcpOptions) -> Target | Verdict:
    """Where these options point to, or why they point nowhere."""
    if options.unix:
        if options.host or options.port is not None:
            return errored("invalid_config", "unix is instead of host and port, not besides them")
        if not options.unix.startswith("/"):
            return errored("invalid_config", "unix must be an absolute path")
        return Target(unix=options.unix)
    if options.port is None or not 0 < options.port <= PORT_MAX:
        return errored("invalid_config", f"port must be a number from 1 to {PORT_MAX}")
    return Target(host=options.host or "127.0.0.1", port=options.port, ip_version=options.ip_version)


async def converse(sock: socket.socket, options: TcpOptions, *, ends_s: float) -> Answer:
    """Send what is to be sent and read until the text was there, the end, or the bound."""
    wanted, seen = options.expect_text.encode("utf-8", errors="replace"), bytearray()
    try:
        with anyio.move_on_after(max(0.0, ends_s - anyio.current_time())):
            if options.send:
                await send_all(sock, options.send.encode("utf-8", errors="replace"))
            while len(seen) < ANSWER_BYTES_MAX:
                chunk = await receive(sock, ANSWER_BYTES_MAX - len(seen))
                if not chunk:
                    return Answer(text=bytes(seen), ended="closed")
                seen += chunk
                if wanted in seen:
                    return Answer(text=bytes(seen), ended="found", is_found=True)
            return Answer(text=bytes(seen), ended="full")
    except OSError as error:
        return Answer(text=bytes(seen), ended="broken", detail=error.strerror or str(error))
    return Answer(text=bytes(seen), ended="silent")


def interpret(
    attempts: Sequence[Attempt], answer: Answer | None, options: TcpOptions, target: Target
) -> Verdict:
    """Return what the attempts and the answer mean for somebody who expects a listener, or none."""
    assert attempts, "a look tries at least one address"
    evidence: dict[str, Json] = {
        "target": shortened(target.name),
        "expect": options.expect,
        "addresses": [_shown(attempt) for attempt in attempts[:ADDRESSES_SHOWN_MAX]],
    }
    last = attempts[-1]
    ms = round(last.elapsed_s * 1000, 3) if last.outcome is Outcome.OPEN else None
    if ms is not None:
        evidence |= {"connected_to": last.address, "connect_ms": ms}
    if answer is not None:
        text = redact(answer.text.decode("utf-8", errors="replace"))
        evidence |= {"answer": excerpt(text, ANSWER_CHARS_MAX), "answer_bytes": len(answer.text)}
    judge = _absent if options.expect == "absent" else _present
    return msgspec.structs.replace(
        judge(attempts, answer, options, target),
        evidence=evidence,
        score=ms,
        direction=None if ms is None else Direction.LOWER_BETTER,
    )


def _present(
    attempts: Sequence[Attempt], answer: Answer | None, options: TcpOptions, target: Target
) -> Verdict:
    outcomes = {attempt.outcome for attempt in attempts}
    last = attempts[-1]
    if Outcome.OPEN not in outcomes:
        sentence = f"{shortened(target.name)}: {_sentence(attempts)}"
        if outcomes & {Outcome.REFUSED, Outcome.SILENT}:
            return Verdict(status=Status.FAIL, reason="unreachable", detail=sentence)
        return errored(last.outcome.value, sentence)
    ms = last.elapsed_s * 1000
    if options.connect_ms_max is not None and ms > options.connect_ms_max:
        slow = f"connected to {last.address} in {ms:.1f} ms, {options.connect_ms_max:g} ms allowed"
        return Verdict(status=Status.FAIL, reason="slow", detail=slow)
    if answer is None or answer.is_found:
        return Verdict(status=Status.PASS)
    how = {
        "closed": "the peer closed the connection",
        "full": f"{ANSWER_BYTES_MAX} bytes were read",
        "broken": f"the connection broke: {answer.detail}",
    }.get(answer.ended, "the time was over")
    if not answer.text:
        silent = f"{last.address} accepted the connection and said nothing until {how}"
        return Verdict(status=Status.FAIL, reason="no_answer", detail=silent)
    wanted = shortened(options.expect_text, ANSWER_CHARS_MAX // 20)
    other = f"{last.address} answered without {wanted!r} until {how}"
    return Verdict(status=Status.FAIL, reason="unexpected_answer", detail=other)


def _absent(
    attempts: Sequence[Attempt], answer: Answer | None, options: TcpOptions, target: Target
) -> Verdict:
    outcomes = {attempt.outcome for attempt in attempts}
    sentence = f"{shortened(target.name)}: {_sentence(attempts)}"
    if Outcome.OPEN in outcomes:
        return Verdict(
            status=Status.FAIL, reason="open", detail=f"{attempts[-1].address} accepts connections"
        )
    closed = {Outcome.REFUSED, Outcome.SILENT} if options.silence_is_closed else {Outcome.REFUSED}
    if outcomes <= closed:
        return Verdict(status=Status.PASS)
    if Outcome.SILENT in outcomes:
        why = "silence may be a full queue or a dead network; silence_is_closed = true takes it for closed"
        return errored("silent", f"{sentence}; {why}")
    return errored(attempts[-1].outcome.value, sentence)


def _sentence(attempts: Sequence[Attempt]) -> str:
    texts = dict.fromkeys(f"{a.address}: {a.detail}" for a in attempts[:ADDRESSES_SHOWN_MAX])
    return shortened("; ".join(texts))


def _shown(attempt: Attempt) -> Json:
    shown: dict[str, Json] = {"address": shortened(attempt.address), "outcome": attempt.outcome.value}
    return {**shown, "detail": shortened(attempt.detail)} if attempt.detail else shown
