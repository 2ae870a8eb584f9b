"""One HTTP answer within a deadline, or why there is none: the effect half of HTTP probes.

Each fetch opens its own connection, because a probe that reuses one does not see what a new client sees; one that asks
for it keeps its connection for the next. Names are looked up in threads of the probes' own: the loop's executor has
few, and one dead name server would hold up all. An address that answers nothing costs a name with several no more than
ADDRESS_PATIENCE_S.

What a dead service looks like (refused, reset, closed early, no complete answer in time) is `is_unreachable`; what
says that we could not look (no name, no route, no descriptors, no trust in the certificate's issuer) is not.
"""

import ipaddress
import math
import socket
import ssl
from collections.abc import Sequence
from functools import partial

import anyio
import anyio.to_thread
import httpx
import msgspec

from kazid.providers.http_exchange import Answer, BadAnswer, Conversation, NothingCame, Request, Unsendable
from kazid.providers.http_failure import NoAnswer, no_answer
from kazid.providers.http_kept import Kept, Line
from kazid.providers.http_trust import TrustStores, Untrustable
from kazid.providers.http_wire import UNIX_PATH_BYTES_MAX, Wire, connect_tcp, connect_unix

REDIRECTS_MAX = 5
PORT_MAX = 65535
ADDRESS_PATIENCE_S = 1.0
NAME_LOOKUPS_MAX = 64
"""As many as there are network slots (SEMANTICS §2)."""

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
"""What may go over a kept connection: it may be closed by the time, and then has to be asked again."""


class Fetcher:
    """Fetches answers. Shares nothing between fetches but trust stores, kept connections and lookup threads."""

    def __init__(self, *, trust: TrustStores) -> None:
        self._trust = trust
        self._lookups = anyio.CapacityLimiter(NAME_LOOKUPS_MAX)
        self._kept = Kept()

    async def fetch(self, request: Request, *, deadline_s: float) -> Answer | NoAnswer:
        """Return the answer after at most REDIRECTS_MAX redirects, or why there is none in time."""
        journey = _Journey()
        try:
            with anyio.fail_after(deadline_s):
                return await self._follow(request, journey)
        except TimeoutError as error:
            if error.errno is not None:
                return no_answer([error], stage=journey.stage)
            detail = f"no complete answer within {deadline_s:g} s: {journey.stage}"
            if journey.is_looking_up:
                return NoAnswer(is_unreachable=False, reason="dns_failed", detail=detail)
            return NoAnswer(is_unreachable=True, reason="unreachable", detail=detail)
        except socket.gaierror as error:
            detail = f"{journey.stage}: {error.strerror or error}"
            return NoAnswer(is_unreachable=False, reason="dns_failed", detail=detail)
        except (Unsendable, Untrustable, UnicodeError) as error:
            return NoAnswer(is_unreachable=False, reason="invalid_config", detail=f"cannot be sent: {error}")
        except (OSError, BadAnswer) as error:
            return no_answer([error], stage=journey.stage)

    async def _follow(self, request: Request, journey: "_Journey") -> Answer | NoAnswer:
        redirects: list[str] = []
        while True:
            answer = await self._ask(request, journey)
            if isinstance(answer, NoAnswer):
                return answer
            if not request.follows or answer.location is None:
                return msgspec.structs.replace(answer, redirects=redirects) if redirects else answer
            if len(redirects) == REDIRECTS_MAX:
                detail = f"more than {REDIRECTS_MAX} redirects, the last to {answer.location}"
                return NoAnswer(is_unreachable=True, reason="bad_redirect", detail=detail)
            next_request = redirected(request, answer.status_code, answer.location)
            if next_request is None:
                detail = f"redirected to where this request cannot go: {answer.location}"
                return NoAnswer(is_unreachable=True, reason="bad_redirect", detail=detail)
            request = next_request
            redirects.append(public_url(request))

    async def _ask(self, request: Request, journey: "_Journey") -> Answer | NoAnswer:
        """Return one answer, over a kept connection where there is one that still lives."""
        key = key_of(request)
        if request.keeps and request.method in REPEATABLE and (line := self._kept.take(key)) is not None:
            journey.reached(_place(request))
            try:
                return await self._talk(line, request, key, journey)
            except (NothingCame, ConnectionError, ssl.SSLError):
                pass
        wire = await self._connect(request, journey)
        if isinstance(wire, NoAnswer):
            return wire
        return await self._talk(Line(wire, Conversation()), request, key, journey)

    async def _talk(
        self, line: Line, request: Request, key: tuple[object, ...], journey: "_Journey"
    ) -> Answer:
        is_kept = False
        try:
            answer = await line.conversation.exchange(line.wire, request, journey)
            is_kept = request.keeps and line.conversation.is_ready_for_more()
        finally:
            if not is_kept:
                line.wire.close()
        if is_kept:
            self._kept.put(key, line)
        return answer

    async def _connect(self, request: Request, journey: "_Journey") -> Wire | NoAnswer:
        """Return a connection: to the addresses of the name in turn until one lets us."""
        wire = await self._connect_plain(request, journey)
        if isinstance(wire, NoAnswer) or request.url.scheme != "https":
            return wire
        try:
            context = await self._trust.context(request.tls)
            server_name = request.tls.server_name or request.url.raw_host.decode("ascii")
            await wire.start_tls(context, server_name=server_name)
        except BaseException:
            wire.close()
            raise
        return wire

    async def _connect_plain(self, request: Request, journey: "_Journey") -> Wire | NoAnswer:
        if request.socket_path:
            journey.stage = f"connecting to {request.socket_path}"
            wire = await connect_unix(request.socket_path)
            journey.reached(request.socket_path)
            return wire
        port = port_of(request.url)
        addresses = await self._addresses(request.url, journey)
        errors: list[Exception] = []
        for number, address in enumerate(addresses, start=1):
            is_last = number == len(addresses)
            journey.stage = f"connecting to {address} port {port}"
            try:
                with anyio.move_on_after(math.inf if is_last else ADDRESS_PATIENCE_S):
                    wire = await connect_tcp(address, port)
                    journey.reached(f"{address} port {port}")
                    return wire
            except OSError as error:
                errors.append(error)
        return no_answer(errors, stage=journey.stage)

    async def _addresses(self, url: httpx.URL, journey: "_Journey") -> Sequence[str]:
        host = url.host
        if _is_address(host):
            return (host,)
        if host == "localhost":
            return ("127.0.0.1", "::1")
        journey.stage, journey.is_looking_up = f"looking up {host}", True
        lookup = partial(socket.getaddrinfo, url.raw_host.decode("ascii"), None, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True, limiter=self._lookups)
        journey.is_looking_up = False
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Journey:
    """How far a fetch has come, for whoever has to say where it ended."""

    def __init__(self) -> None:
        self.stage = "connecting"
        self.is_looking_up = False
        self._place = ""

    def reached(self, place: str) -> None:
        """It is connected."""
        self._place = place
        self.stage = f"{place} accepted the connection and has not answered"

    def answering(self) -> None:
        """The head of the answer is there."""
        self.stage = f"reading the answer of {self._place}"


def is_askable(url: httpx.URL) -> bool:
    """True for an http or https address with a host and a port that exist as such."""
    return (
        url.scheme in ("http", "https") and bool(url.host) and (url.port is None or 0 < url.port <= PORT_MAX)
    )


def redirected(request: Request, status_code: int, location: str) -> Request | None:
    """Return the request a redirect asks for, or None where it cannot be asked.

    Authored headers, a body and a client's certificate stay with the origin they were written for.
    """
    try:
        url = request.url.join(location)
    except (httpx.InvalidURL, UnicodeError):
        return None
    if not is_askable(url):
        return None
    asks_get = status_code == 303 or (status_code in (301, 302) and request.method == "POST")
    method = "GET" if asks_get and request.method != "HEAD" else request.method
    content = None if method != request.method else request.content
    if origin_of(url) == origin_of(request.url):
        return msgspec.structs.replace(request, url=url, method=method, content=content)
    if content is not None:
        return None
    tls = msgspec.structs.replace(request.tls, cert="", key="", server_name="")
    return msgspec.structs.replace(request, url=url, method=method, headers={}, tls=tls, socket_path="")


def public_url(request: Request) -> str:
    """Return the address without the password it may carry."""
    url = request.url
    if request.socket_path:
        return f"unix:{request.socket_path}:{url.raw_path.decode('ascii', errors='replace')}"
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


def origin_of(url: httpx.URL) -> tuple[str, str, int]:
    """Return what has to be the same for headers to be sent again."""
    return url.scheme, url.host, port_of(url)


def port_of(url: httpx.URL) -> int:
    """Return the port, the scheme's own where none is named."""
    return url.port or (443 if url.scheme == "https" else 80)


def key_of(request: Request) -> tuple[object, ...]:
    """Return what makes a kept connection one for this request."""
    return (*origin_of(request.url), request.socket_path, request.tls)


def is_socket_path(path: str) -> bool:
    """True for a path that a socket can have."""
    return "\0" not in path and 0 < len(path.encode("utf-8", errors="replace")) <= UNIX_PATH_BYTES_MAX


def _place(request: Request) -> str:
    return request.socket_path or f"{request.url.host} port {port_of(request.url)}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
