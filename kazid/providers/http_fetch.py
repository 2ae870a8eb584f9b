"""One HTTP answer within a deadline, or why there is none: the effect half of HTTP probes.

Each fetch opens its own connection, because a probe that reuses one does not see what a new client sees. Names are
looked up in threads of the probes' own: the loop's executor has few, and one dead name server would hold up all. An
address that answers nothing costs a name with several no more than ADDRESS_PATIENCE_S.

What a dead service looks like (refused, reset, closed early, no complete answer in time) is `is_unreachable`; what
says that we could not look (no name, no route, no descriptors, no trust in the certificate's issuer) is not.
"""

import errno
import ipaddress
import math
import os
import socket
import ssl
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, cast

import anyio
import anyio.to_thread
import httpx
import msgspec

REDIRECTS_MAX = 5
PORT_MAX = 65535
BODY_BYTES_KEPT = 64 * 1024
BODY_BYTES_READ_MAX = 8 * 1024 * 1024
"""What is beyond is not read: a stream without end is an answer all the same."""

ADDRESS_PATIENCE_S = 1.0
CLOSE_S = 1.0
NAME_LOOKUPS_MAX = 64
"""As many as there are network slots (SEMANTICS §2)."""

_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM})
_OUT_OF_RESOURCES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL}
)
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's verify codes for an issuer that is not in our store; all others (expired, wrong name) are the server's."""

_OWN_HEADERS = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "kazid (http_probe)"}


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask, and the text to look for in the body: all of it, or anywhere in it."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] = {}
    body_contains: bytes | None = None
    body_equals: bytes | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer, of which the first bytes are kept."""

    status_code: int
    body: bytes = b""
    bytes_read: int = 0
    is_cut: bool = False
    """There was more than BODY_BYTES_READ_MAX."""
    body_matches: bool | None = None
    """None: no text was looked for."""
    redirects: Sequence[str] = ()


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no complete answer."""

    is_unreachable: bool
    reason: str
    detail: str


class Fetcher:
    """Fetches answers. Shares nothing between fetches but the trust store and the threads for name lookups."""

    def __init__(self, *, ssl_context: ssl.SSLContext, lookups: anyio.CapacityLimiter) -> None:
        self._ssl_context = ssl_context
        self._lookups = lookups

    async def fetch(self, request: Request, *, deadline_s: float) -> Answer | NoAnswer:
        """Return the answer after at most REDIRECTS_MAX redirects, or why there is none in time."""
        journey = _Journey()
        try:
            with anyio.fail_after(deadline_s):
                transport = httpx.AsyncHTTPTransport(verify=self._ssl_context, trust_env=False)
                async with httpx.AsyncClient(
                    transport=transport, trust_env=False, timeout=deadline_s
                ) as client:
                    return await self._follow(client, request, journey)
        except TimeoutError:
            detail = f"no complete answer within {deadline_s:g} s: {journey.stage}"
            if journey.is_looking_up:
                return NoAnswer(is_unreachable=False, reason="dns_failed", detail=detail)
            return NoAnswer(is_unreachable=True, reason="unreachable", detail=detail)
        except socket.gaierror as error:
            detail = f"{journey.stage}: {error.strerror or error}"
            return NoAnswer(is_unreachable=False, reason="dns_failed", detail=detail)
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL, UnicodeError) as error:
            return NoAnswer(is_unreachable=False, reason="invalid_config", detail=f"cannot be sent: {error}")
        except (httpx.TransportError, httpx.DecodingError) as error:
            return no_answer([error], stage=journey.stage)
        finally:
            with anyio.move_on_after(CLOSE_S, shield=True):
                await journey.close()

    async def _follow(
        self, client: httpx.AsyncClient, request: Request, journey: "_Journey"
    ) -> Answer | NoAnswer:
        redirects: list[str] = []
        while True:
            answer, location = await self._ask(client, request, journey)
            if isinstance(answer, NoAnswer) or location is None:
                return (
                    answer
                    if isinstance(answer, NoAnswer)
                    else msgspec.structs.replace(answer, redirects=redirects)
                )
            if len(redirects) == REDIRECTS_MAX:
                detail = f"more than {REDIRECTS_MAX} redirects, the last to {location}"
                return NoAnswer(is_unreachable=True, reason="bad_redirect", detail=detail)
            next_request = redirected(request, answer.status_code, location)
            if next_request is None:
                detail = f"redirected to what is no http:// or https:// address: {location}"
                return NoAnswer(is_unreachable=True, reason="bad_redirect", detail=detail)
            request = next_request
            redirects.append(public_url(request.url))

    async def _ask(
        self, client: httpx.AsyncClient, request: Request, journey: "_Journey"
    ) -> tuple[Answer | NoAnswer, str | None]:
        """Return one answer and where it redirects to: the addresses of the name in turn until one lets us connect."""
        journey.stage, journey.is_looking_up = f"looking up {request.url.host}", True
        addresses = await self._addresses(request.url)
        journey.is_looking_up = False
        errors: list[Exception] = []
        for number, address in enumerate(addresses, start=1):
            is_last = number == len(addresses)
            with anyio.move_on_after(None if is_last else ADDRESS_PATIENCE_S) as patience:
                journey.connect(f"{address} port {_port(request.url)}", patience)
                try:
                    return await self._ask_at(client, request, address, journey)
                except httpx.ConnectError as error:
                    if journey.has_connected:
                        return no_answer([error], stage=journey.stage), None
                    errors.append(error)
        return no_answer(errors, stage=journey.stage), None

    async def _ask_at(
        self, client: httpx.AsyncClient, request: Request, address: str, journey: "_Journey"
    ) -> tuple[Answer, str | None]:
        async with client.stream(
            request.method,
            request.url.copy_with(host=address),
            headers={**_OWN_HEADERS, "Host": request.url.netloc.decode("ascii"), **request.headers},
            extensions={"sni_hostname": request.url.raw_host.decode("ascii"), "trace": journey.trace},
            timeout=httpx.Timeout(None),
        ) as response:
            location = response.headers.get("location")
            if response.status_code in _REDIRECT_CODES and location:
                return Answer(status_code=response.status_code), location
            return await _read(response, request), None

    async def _addresses(self, url: httpx.URL) -> Sequence[str]:
        try:
            return [str(ipaddress.ip_address(url.host))]
        except ValueError:
            pass
        if url.host == "localhost":
            return ["127.0.0.1", "::1"]
        lookup = partial(socket.getaddrinfo, url.raw_host.decode("ascii"), None, type=socket.SOCK_STREAM)
        found = await anyio.to_thread.run_sync(lookup, abandon_on_cancel=True, limiter=self._lookups)
        return list(dict.fromkeys(str(address[0]) for *_, address in found))


class _Journey:
    """How far a fetch has come, for whoever has to say where it ended."""

    def __init__(self) -> None:
        self.stage = "connecting"
        self.is_looking_up = False
        self.has_connected = False
        self._address = ""
        self._patience = anyio.CancelScope()
        self._streams: list[_Closable] = []

    def connect(self, address: str, patience: anyio.CancelScope) -> None:
        """Go on to this address, with patience for the connection only."""
        self.stage, self._address, self._patience = f"connecting to {address}", address, patience
        self.has_connected = False

    async def trace(self, event: str, facts: Mapping[str, Any]) -> None:
        """Follow what httpcore does (its `trace` extension)."""
        match event:
            case "connection.connect_tcp.complete":
                self._streams.append(facts["return_value"])
                self._patience.deadline = math.inf
                self.has_connected = True
                self.stage = f"{self._address} accepted the connection and has not answered"
            case "http11.receive_response_headers.complete":
                self.stage = f"reading the answer of {self._address}"
            case _:
                pass

    async def close(self) -> None:
        """Close what was opened. httpcore 1.0 forgets a connection whose TLS handshake is cancelled."""
        for stream in self._streams:
            await stream.aclose()


class _Closable(Protocol):
    async def aclose(self) -> None: ...


def is_askable(url: httpx.URL) -> bool:
    """True for an http or https address with a host and a port that exist as such."""
    return (
        url.scheme in ("http", "https") and bool(url.host) and (url.port is None or 0 < url.port <= PORT_MAX)
    )


def redirected(request: Request, status_code: int, location: str) -> Request | None:
    """Return the request a redirect asks for, or None where it cannot be asked.

    Authored headers stay with the origin they were written for.
    """
    try:
        url = request.url.join(location)
    except httpx.InvalidURL:
        return None
    if not is_askable(url):
        return None
    asks_get = status_code == 303 or (status_code in (301, 302) and request.method == "POST")
    return msgspec.structs.replace(
        request,
        url=url,
        method="GET" if asks_get and request.method != "HEAD" else request.method,
        headers=request.headers if _origin(url) == _origin(request.url) else {},
    )


def no_answer(errors: Sequence[BaseException], *, stage: str) -> NoAnswer:
    """Return what these errors of one attempt mean: one address that refuses makes the service unreachable."""
    causes = [cause for error in errors for cause in _causes(error)]
    texts = list(dict.fromkeys(filter(None, (_text(cause) for cause in causes))))
    detail = f"{stage}: {'; '.join(texts) or 'no connection'}"
    # An SSLError is an OSError, too, but its number is one of OpenSSL's.
    leaves = [
        c
        for c in causes
        if isinstance(c, OSError) and c.errno is not None and not isinstance(c, ssl.SSLError)
    ]
    untrusted = [
        c for c in causes if isinstance(c, ssl.SSLCertVerificationError) and c.verify_code in _UNTRUSTED
    ]
    if untrusted:
        return NoAnswer(is_unreachable=False, reason="tls_untrusted", detail=detail)
    if any(leaf.errno in _OUT_OF_RESOURCES for leaf in leaves):
        return NoAnswer(is_unreachable=False, reason="transient", detail=detail)
    if leaves and all(leaf.errno in _NO_ROUTE for leaf in leaves):
        return NoAnswer(is_unreachable=False, reason="no_route", detail=detail)
    return NoAnswer(is_unreachable=True, reason="unreachable", detail=detail)


def public_url(url: httpx.URL) -> str:
    """Return the address without the password it may carry."""
    return str(url.copy_with(username=None, password=None)) if url.userinfo else str(url)


async def _read(response: httpx.Response, request: Request) -> Answer:
    """Read the body to its end or its bound, keeping the head and looking for the text on the way."""
    head, seen, is_cut = bytearray(), 0, False
    wanted = request.body_equals if request.body_equals is not None else request.body_contains
    search = None if wanted is None else _Search(wanted, is_exact=request.body_equals is not None)
    async for chunk in response.aiter_bytes():
        seen += len(chunk)
        head += chunk[: max(0, BODY_BYTES_KEPT - len(head))]
        if search is not None:
            search.feed(chunk)
        if seen > BODY_BYTES_READ_MAX:
            is_cut = True
            break
    return Answer(
        status_code=response.status_code,
        body=bytes(head),
        bytes_read=seen,
        is_cut=is_cut,
        body_matches=None if search is None else search.matches,
    )


class _Search:
    """Looks for a text in a body that is never held whole."""

    def __init__(self, wanted: bytes, *, is_exact: bool) -> None:
        self._wanted = wanted
        self._is_exact = is_exact
        self._held = b""
        self._has_found = False

    def feed(self, chunk: bytes) -> None:
        if self._is_exact:
            self._held += chunk[: max(0, len(self._wanted) + 1 - len(self._held))]
        elif not self._has_found:
            self._held += chunk
            self._has_found = self._wanted in self._held
            self._held = self._held[max(0, len(self._held) - len(self._wanted) + 1) :]

    @property
    def matches(self) -> bool:
        """True when the body so far is, or contains, the text."""
        return self._held == self._wanted if self._is_exact else self._has_found or not self._wanted


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything it was raised from, through groups."""
    queue: list[BaseException] = [error]
    while queue:
        here = queue.pop()
        yield here
        if isinstance(here, BaseExceptionGroup):
            queue += cast("BaseExceptionGroup[BaseException]", here).exceptions
        # httpcore's pool raises `from None`, which leaves the system's error in the context alone.
        queue += [cause for cause in (here.__cause__ or here.__context__,) if cause is not None]


def _text(error: BaseException) -> str:
    """Return what an error adds to the account: the system's own words where there are some."""
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "verify_message", "") or error.reason or error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, (httpx.ProtocolError, httpx.DecodingError)) else ""


def _origin(url: httpx.URL) -> tuple[str, str, int]:
    return url.scheme, url.host, _port(url)


def _port(url: httpx.URL) -> int:
    return url.port or (443 if url.scheme == "https" else 80)
