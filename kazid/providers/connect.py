"""One TCP or Unix connection within a deadline, or what each address answered instead: the effect half of `tcp`.

Plain sockets and the loop's readiness, no streams: a probe that connects and closes costs little else than the
connection. Names are looked up in threads of the probes' own, because a dead name server must not hold up anybody.
A connection that reaches itself (an ephemeral port that nobody listens on can connect to itself) is a refused one.
"""

import contextlib
import enum
import errno
import ipaddress
import os
import socket
from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread
import msgspec

NAME_LOOKUPS_MAX = 64
"""As many as there are network slots (SEMANTICS §2)."""

ADDRESS_PATIENCE_S = 1.0
"""What an address that answers nothing costs a name that has others."""

_FAMILIES = {None: socket.AF_UNSPEC, 4: socket.AF_INET, 6: socket.AF_INET6}


class Outcome(enum.Enum):
    """What came of one attempt to connect."""

    OPEN = "open"
    REFUSED = "refused"
    SILENT = "silent"
    NO_ROUTE = "no_route"
    DENIED = "permission_denied"
    NO_NAME = "dns_failed"
    NOT_ASKABLE = "invalid_config"
    TRANSIENT = "transient"


_OUTCOMES = {
    errno.ECONNREFUSED: Outcome.REFUSED,
    errno.ECONNRESET: Outcome.REFUSED,
    errno.ECONNABORTED: Outcome.REFUSED,
    errno.ENOENT: Outcome.REFUSED,
    errno.ENOTDIR: Outcome.REFUSED,
    errno.ENOTSOCK: Outcome.REFUSED,
    errno.EPROTOTYPE: Outcome.REFUSED,
    errno.ETIMEDOUT: Outcome.SILENT,
    errno.ENETUNREACH: Outcome.NO_ROUTE,
    errno.EHOSTUNREACH: Outcome.NO_ROUTE,
    errno.ENETDOWN: Outcome.NO_ROUTE,
    errno.EAFNOSUPPORT: Outcome.NO_ROUTE,
    errno.EACCES: Outcome.DENIED,
    errno.EPERM: Outcome.DENIED,
}


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One address, and what it answered; `detail` in the system's own words."""

    address: str
    outcome: Outcome
    detail: str = ""
    elapsed_s: float = 0.0


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """An open connection, if there is one, and every attempt on the way to it. Whoever takes it closes it."""

    attempts: Sequence[Attempt]
    sock: socket.socket | None = None


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to: a host and port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    unix: str = ""
    ip_version: int | None = None

    @property
    def name(self) -> str:
        """How people write it."""
        if self.unix:
            return self.unix
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


async def connect(target: Target, *, ends_s: float, lookups: anyio.CapacityLimiter) -> Connection:
    """Try the addresses in turn until one lets us in or the time is over; raises for nothing the network does."""
    if target.unix:
        return await _connect_to([(socket.AF_UNIX, target.unix)], target, ends_s=ends_s)
    try:
        with anyio.fail_after(max(0.0, ends_s - anyio.current_time())):
            addresses = await _addresses(target, lookups)
    except TimeoutError:
        return _none(target, Outcome.NO_NAME, f"looking up {target.host} did not end in time")
    except socket.gaierror as error:
        return _none(target, Outcome.NO_NAME, f"looking up {target.host}: {error.strerror or error}")
    except (UnicodeError, ValueError) as error:
        return _none(target, Outcome.NOT_ASKABLE, f"no name of a host: {error}")
    except OSError as error:
        return _none(target, Outcome.TRANSIENT, f"looking up {target.host}: {error}")
    return await _connect_to(addresses, target, ends_s=ends_s)


async def send_all(sock: socket.socket, data: bytes) -> None:
    """Send everything; raises OSError when the peer is gone."""
    left = memoryview(data)
    while left:
        try:
            left = left[sock.send(left) :]
        except BlockingIOError:
            await anyio.wait_writable(sock)


async def receive(sock: socket.socket, bytes_max: int) -> bytes:
    """The next bytes; empty at the end. Raises OSError when the peer is gone."""
    while True:
        try:
            return sock.recv(bytes_max)
        except BlockingIOError:
            await anyio.wait_readable(sock)


_Address = tuple[socket.AddressFamily, str]


async def _addresses(target: Target, lookups: anyio.CapacityLimiter) -> Sequence[_Address]:
    """The addresses of a host, each once, in the order of the system's preference."""
    with contextlib.suppress(ValueError):
        is_six = ipaddress.ip_address(target.host.partition("%")[0]).version == 6
        return [(socket.AF_INET6 if is_six else socket.AF_INET, target.host)]
    if target.host == "localhost":
        both: list[_Address] = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]
        return [a for a in both if a[0] == _FAMILIES[target.ip_version] or target.ip_version is None]
    family = _FAMILIES[target.ip_version]
    lookup = partial(socket.getaddrinfo, target.host, None, family=family, type=socket.SOCK_STREAM)
    found = await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True, limiter=lookups)
    return list(dict.fromkeys((f, str(address[0])) for f, *_, address in found))


async def _connect_to(addresses: Sequence[_Address], target: Target, *, ends_s: float) -> Connection:
    attempts: list[Attempt] = []
    for number, (family, address) in enumerate(addresses, start=1):
        left_s = max(0.0, ends_s - anyio.current_time())
        patience_s = left_s if number == len(addresses) else min(left_s, ADDRESS_PATIENCE_S)
        attempt, sock = await _attempt(family, address, target, patience_s=patience_s)
        attempts.append(attempt)
        if sock is not None:
            return Connection(attempts=attempts, sock=sock)
    return Connection(attempts=attempts)


async def _attempt(
    family: socket.AddressFamily, address: str, target: Target, *, patience_s: float
) -> tuple[Attempt, socket.socket | None]:
    started_s = anyio.current_time()
    shown = address if family is socket.AF_UNIX else Target(host=address, port=target.port).name
    sock: socket.socket | None = None
    outcome, detail = Outcome.SILENT, f"no answer within {patience_s:.3g} s"
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        sock.setblocking(False)
        with anyio.move_on_after(patience_s):
            where = address if family is socket.AF_UNIX else (address, target.port)
            number = sock.connect_ex(where)
            if number == errno.EINPROGRESS:
                await anyio.wait_writable(sock)
                number = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            outcome, detail = _outcome_of(number, is_unix=family is socket.AF_UNIX)
        if outcome is Outcome.OPEN and is_its_own_peer(sock):
            outcome, detail = Outcome.REFUSED, "nobody listens (the connection reached itself)"
    except socket.gaierror as error:  # an address with a zone that is not there
        outcome, detail = Outcome.NO_NAME, error.strerror or str(error)
    except OSError as error:
        # A peer that resets between the handshake and our first look at it has let nobody in.
        outcome, detail = _outcome_of(error.errno or errno.EIO, is_unix=family is socket.AF_UNIX)
    except (ValueError, OverflowError) as error:
        outcome, detail = Outcome.NOT_ASKABLE, str(error)
    finally:
        if sock is not None and outcome is not Outcome.OPEN:
            sock.close()
    elapsed_s = anyio.current_time() - started_s
    attempt = Attempt(address=shown, outcome=outcome, detail=detail, elapsed_s=elapsed_s)
    return attempt, sock if outcome is Outcome.OPEN else None


def is_its_own_peer(sock: socket.socket) -> bool:
    """True for a connection to itself: TCP allows it, and then nobody listens there."""
    if sock.family == socket.AF_UNIX:
        return False
    try:
        return bool(sock.getsockname() == sock.getpeername())
    except OSError:
        return False


def _outcome_of(number: int, *, is_unix: bool) -> tuple[Outcome, str]:
    if number == 0:
        return Outcome.OPEN, ""
    if is_unix and number == errno.EAGAIN:
        return Outcome.SILENT, "its queue of connections is full"
    return _OUTCOMES.get(number, Outcome.TRANSIENT), os.strerror(number)


def _none(target: Target, outcome: Outcome, detail: str) -> Connection:
    return Connection(attempts=[Attempt(address=target.name, outcome=outcome, detail=detail)])
