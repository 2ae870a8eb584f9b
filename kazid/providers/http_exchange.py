"""One HTTP/1.1 request and its answer over a connection: what is sent, and what of the body is kept.

The only module that knows h11. A body is never held whole: its head is kept, the text to look for is searched on the
way, and reading ends at a bound, in bytes and in pieces. Compression that nobody asked for is undone within the same
bound. Sends and receives through a wire; knows no redirects, no names and no deadline.
"""

import base64
import zlib
from collections.abc import Mapping, Sequence
from typing import Protocol
from urllib.parse import unquote

import anyio.lowlevel
import h11
import httpx
import msgspec

BODY_BYTES_KEPT = 64 * 1024
BODY_BYTES_READ_MAX = 8 * 1024 * 1024
"""What is beyond is not read: a stream without end is an answer all the same."""

PIECES_MAX = 200_000
"""Chunks of one body. Those of a byte each cost a thousand times what their bytes do."""

PIECES_WITHOUT_A_REST = 64
INTERIM_ANSWERS_MAX = 16
"""Answers of 1xx before the real one; nobody sends more than two."""

HEAD_BYTES_MAX = 64 * 1024
INFLATED_BYTES_MAX = 256 * 1024
"""Of one step of undoing a compression: a bomb is a thousand times its size."""

_REDIRECT_CODES = frozenset({301, 302, 303, 307, 308})
_COMPRESSED = frozenset({"gzip", "x-gzip", "deflate"})
_HAS_LENGTH = frozenset({"PATCH", "POST", "PUT"})
_GZIP_OR_ZLIB = 47
_OWN_HEADERS = (
    ("accept", b"Accept", b"*/*"),
    ("accept-encoding", b"Accept-Encoding", b"identity"),
    ("user-agent", b"User-Agent", b"kazid (http_probe)"),
)


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to trust and who we are: paths of PEM files, empty for what this machine does by itself."""

    ca: str = ""
    cert: str = ""
    key: str = ""
    server_name: str = ""
    verifies: bool = True


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to ask, and the text to look for in the body: all of it, or anywhere in it."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str] = {}
    content: bytes | None = None
    socket_path: str = ""
    """Of a `unix:` address; the url then says the rest."""
    tls: Tls = Tls()
    follows: bool = True
    """Whether a redirect is followed or is the answer."""
    keeps: bool = False
    """Whether the connection is kept for the next request to the same origin."""
    bytes_kept: int = BODY_BYTES_KEPT
    body_contains: bytes | None = None
    body_equals: bytes | None = None


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A complete answer, of which the first bytes are kept."""

    status_code: int
    headers: Sequence[tuple[str, str]] = ()
    """In their order, names in small letters."""
    body: bytes = b""
    bytes_read: int = 0
    is_cut: bool = False
    """There was more than BODY_BYTES_READ_MAX."""
    body_matches: bool | None = None
    """None: no text was looked for."""
    redirects: Sequence[str] = ()

    @property
    def location(self) -> str | None:
        """Where a redirect leads; None where this is none."""
        return (self.header("location") or None) if self.status_code in _REDIRECT_CODES else None

    def header(self, name: str) -> str | None:
        """The value of a header; several of one name as one list, as HTTP has it."""
        values = [value for key, value in self.headers if key == name.lower()]
        return ", ".join(values) if values else None


class BadAnswer(Exception):
    """The other side does not speak HTTP as it should; says how in words."""


class Unsendable(Exception):
    """The request cannot be written as HTTP; says why in words."""


class NothingCame(BadAnswer):
    """The connection ended before the first byte of an answer."""


class Stream(Protocol):
    """What an exchange needs of a connection."""

    async def send(self, data: bytes) -> None:
        """Send all of it."""
        ...

    async def receive(self) -> bytes:
        """What is there; empty at the end."""
        ...


class Listener(Protocol):
    """Whoever wants to know how far an exchange has come."""

    def answering(self) -> None:
        """The head of the answer is there."""
        ...


def head_of(request: Request) -> h11.Request:
    """Return the request line and the headers; authored ones win over ours. Raises Unsendable."""
    named = {name.lower() for name in request.headers}
    try:
        headers = [] if "host" in named else [(b"Host", request.url.netloc)]
        headers += [(name, value) for key, name, value in _OWN_HEADERS if key not in named]
        if not request.keeps and "connection" not in named:
            headers.append((b"Connection", b"close"))
        if (userinfo := request.url.userinfo) and "authorization" not in named:
            headers.append((b"Authorization", b"Basic " + base64.b64encode(_credentials(userinfo))))
        if not named & {"content-length", "transfer-encoding"} and (
            request.content is not None or request.method in _HAS_LENGTH
        ):
            headers.append((b"Content-Length", b"%d" % len(request.content or b"")))
        headers += [(name.encode("ascii"), value.encode("ascii")) for name, value in request.headers.items()]
        return h11.Request(method=request.method, target=request.url.raw_path, headers=headers)
    except (h11.LocalProtocolError, UnicodeError) as error:
        raise Unsendable(str(error)) from None


class Conversation:
    """The HTTP of one connection: one exchange after another."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.CLIENT, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def exchange(self, stream: Stream, request: Request, listener: Listener) -> Answer:
        """Ask and return the answer, its body read to its end or its bound.

        Raises BadAnswer, Unsendable, and what the stream raises.
        """
        try:
            sent = self._http.send(head_of(request)) or b""
            if request.content:
                sent += self._http.send(h11.Data(data=request.content)) or b""
            sent += self._http.send(h11.EndOfMessage()) or b""
        except h11.LocalProtocolError as error:
            raise Unsendable(str(error)) from None
        await stream.send(sent)
        try:
            head = await self._head(stream)
            listener.answering()
            return await self._answer(stream, head, request)
        except h11.RemoteProtocolError as error:
            raise BadAnswer(str(error)) from None

    def is_ready_for_more(self) -> bool:
        """True, and made ready, when the connection may carry another exchange."""
        if self._http.our_state is not h11.DONE or self._http.their_state is not h11.DONE:
            return False
        self._http.start_next_cycle()
        return True

    async def _head(self, stream: Stream) -> h11.Response:
        interim, has_come = 0, False
        while True:
            event = self._http.next_event()
            if isinstance(event, h11.Response):
                return event
            if isinstance(event, h11.InformationalResponse):
                interim += 1
                if interim > INTERIM_ANSWERS_MAX:
                    raise BadAnswer(f"more than {INTERIM_ANSWERS_MAX} interim answers and no real one")
                continue
            received = await stream.receive()
            if not received and not has_come:
                raise NothingCame("closed the connection without sending a response")
            has_come = True
            self._http.receive_data(received)

    async def _answer(self, stream: Stream, head: h11.Response, request: Request) -> Answer:
        headers = [(name.decode("ascii"), value.decode("latin-1")) for name, value in head.headers]
        answer = Answer(status_code=head.status_code, headers=headers)
        if request.follows and answer.location is not None:
            return answer
        body = _Body(request, encoding=_encoding_of(headers))
        pieces = 0
        while not body.is_cut:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                self._http.receive_data(await stream.receive())
            elif isinstance(event, h11.Data):
                await body.feed(bytes(event.data))
                pieces += 1
                if pieces > PIECES_MAX:
                    body.is_cut = True
                if pieces % PIECES_WITHOUT_A_REST == 0:
                    await anyio.lowlevel.checkpoint()
            else:
                break
        return msgspec.structs.replace(
            answer,
            body=bytes(body.head),
            bytes_read=body.bytes_read,
            is_cut=body.is_cut,
            body_matches=body.matches,
        )


class _Body:
    """What is kept of a body, and whether the text was in it."""

    def __init__(self, request: Request, *, encoding: str) -> None:
        self._kept_max = request.bytes_kept
        wanted = request.body_equals if request.body_equals is not None else request.body_contains
        self._search = None if wanted is None else _Search(wanted, is_exact=request.body_equals is not None)
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB) if encoding in _COMPRESSED else None
        self.head = bytearray()
        self.bytes_read = 0
        self.is_cut = False

    @property
    def matches(self) -> bool | None:
        """None: no text is looked for."""
        return None if self._search is None else self._search.matches

    async def feed(self, piece: bytes) -> None:
        """Take one more piece, as it came."""
        if self._inflate is None:
            self._take(piece)
            return
        while piece and not self.is_cut and not self._inflate.eof:
            try:
                self._take(self._inflate.decompress(piece, INFLATED_BYTES_MAX))
            except zlib.error as error:
                raise BadAnswer(f"the body is not compressed as it says: {error}") from None
            piece = self._inflate.unconsumed_tail
            await anyio.lowlevel.checkpoint()

    def _take(self, piece: bytes) -> None:
        self.bytes_read += len(piece)
        if (room := self._kept_max - len(self.head)) > 0:
            self.head += piece[:room]
        if self._search is not None:
            self._search.feed(piece)
        self.is_cut = self.bytes_read > BODY_BYTES_READ_MAX


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


def _encoding_of(headers: Sequence[tuple[str, str]]) -> str:
    return next((value.strip().lower() for name, value in headers if name == "content-encoding"), "")


def _credentials(userinfo: bytes) -> bytes:
    name, _, password = userinfo.decode("ascii").partition(":")
    return f"{unquote(name)}:{unquote(password)}".encode()
