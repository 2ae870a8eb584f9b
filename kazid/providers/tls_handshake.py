"""One TLS handshake over a connection that is open: the certificate, or why there is none: effects.

Looks twice at what does not verify: first with verification, for what a client would say of the chain, and if it
refuses, again without, for the certificate itself. Mail and database servers are asked to begin TLS first (STARTTLS).
"""

import socket
import ssl

import anyio
import msgspec

from kazid.providers.connect import Attempt, Outcome, Target, connect, receive, send_all

GREETING_BYTES_MAX = 16 * 1024
POSTGRES_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate a server showed, and what OpenSSL says against its chain: 0 where that is nothing."""

    der: bytes
    protocol: str
    address: str
    chain_code: int = 0
    chain_words: str = ""


class NoCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """No connection, or one that speaks no TLS."""

    outcome: Outcome
    detail: str


class _NotStarted(Exception):
    """The server did not begin TLS when asked to."""


async def fetch_certificate(
    target: Target, *, server_name: str, starttls: str, context: ssl.SSLContext | None, ends_s: float,
    lookups: anyio.CapacityLimiter,
) -> Shown | NoCertificate:  # fmt: skip
    """Return what the server shows. `context` verifies the chain; None takes any."""
    untrusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    untrusting.check_hostname = False
    untrusting.verify_mode = ssl.CERT_NONE
    code, words = 0, ""
    for attempt in (context, untrusting):
        if attempt is None:
            continue
        connection = await connect(target, ends_s=ends_s, lookups=lookups)
        if connection.sock is None:
            return _unconnected(connection.attempts[-1], target)
        try:
            shown = await _shake(
                connection.sock, attempt, server_name=server_name, starttls=starttls, ends_s=ends_s,
                address=connection.attempts[-1].address,
            )  # fmt: skip
        except ssl.SSLCertVerificationError as error:
            code, words = error.verify_code, error.verify_message
            continue
        finally:
            connection.sock.close()
        if isinstance(shown, Shown):
            return msgspec.structs.replace(shown, chain_code=code, chain_words=words)
        return shown
    return NoCertificate(outcome=Outcome.REFUSED, detail=f"{target.name}: {words}")


async def _shake(
    sock: socket.socket,
    context: ssl.SSLContext,
    *,
    server_name: str,
    starttls: str,
    ends_s: float,
    address: str,
) -> Shown | NoCertificate:
    refused = Outcome.REFUSED
    stage = "did not begin TLS in time" if starttls else "did not end its handshake in time"
    try:
        with anyio.move_on_after(max(0.0, ends_s - anyio.current_time())):
            if starttls:
                await _begin(sock, starttls)
                stage = "did not end its handshake in time"
            with context.wrap_socket(sock, server_hostname=server_name, do_handshake_on_connect=False) as tls:
                await _handshake(tls)
                der = tls.getpeercert(binary_form=True)
                if not der:
                    return NoCertificate(outcome=refused, detail=f"{address} showed no certificate")
                return Shown(der=der, protocol=tls.version() or "", address=address)
    except _NotStarted as error:
        return NoCertificate(outcome=refused, detail=f"{address} {error}")
    except ssl.SSLCertVerificationError:
        raise
    except ssl.SSLError as error:
        words = (error.reason or str(error)).replace("_", " ").lower()
        return NoCertificate(outcome=refused, detail=f"{address}: no TLS with it: {words}")
    except OSError as error:
        return NoCertificate(outcome=refused, detail=f"{address}: {error.strerror or error}")
    except (TypeError, ValueError) as error:
        return NoCertificate(outcome=Outcome.NOT_ASKABLE, detail=f"server_name cannot be sent: {error}")
    return NoCertificate(outcome=refused, detail=f"{address} accepted the connection and {stage}")


async def _handshake(tls: ssl.SSLSocket) -> None:
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await anyio.wait_readable(tls)
        except ssl.SSLWantWriteError:
            await anyio.wait_writable(tls)
        else:
            return


async def _begin(sock: socket.socket, starttls: str) -> None:
    """Ask for TLS in the words of the protocol."""
    match starttls:
        case "smtp":
            await _read_reply(sock, b"220 ")
            await send_all(sock, b"EHLO kazid\r\n")
            await _read_reply(sock, b"250 ")
            await send_all(sock, b"STARTTLS\r\n")
            await _read_reply(sock, b"220 ")
        case "imap":
            await _read_reply(sock, b"* ")
            await send_all(sock, b"k1 STARTTLS\r\n")
            await _read_reply(sock, b"k1 OK")
        case "pop3":
            await _read_reply(sock, b"+OK")
            await send_all(sock, b"STLS\r\n")
            await _read_reply(sock, b"+OK")
        case "postgres":
            await send_all(sock, POSTGRES_SSL_REQUEST)
            if await receive(sock, 1) != b"S":
                raise _NotStarted("does not begin TLS")
        case _:
            raise _NotStarted(f"cannot be asked for TLS in {starttls}")


async def _read_reply(sock: socket.socket, begins: bytes) -> None:
    """Read lines until one begins so; byte by byte, so that nothing of the handshake is taken."""
    line, seen = bytearray(), 0
    while seen < GREETING_BYTES_MAX:
        byte = await receive(sock, 1)
        if not byte:
            raise _NotStarted("closed the connection before TLS began")
        seen += 1
        line += byte
        if byte == b"\n":
            if line.startswith(begins):
                return
            if not line[3:].startswith(b"-") and begins[:1].isdigit():
                break
            if begins == b"+OK" or (line.startswith(b"k1 ")):
                break
            line.clear()
    raise _NotStarted(f"does not begin TLS: {bytes(line[:80]).decode('utf-8', errors='replace').strip()}")


def _unconnected(attempt: Attempt, target: Target) -> NoCertificate:
    return NoCertificate(outcome=attempt.outcome, detail=f"{target.name}: {attempt.detail}")
