"""A webhook: one POST of a CloudEvent, signed as Standard Webhooks says (standardwebhooks.com), and the heartbeat out.

A redirect is a failure, never followed: a receiver cannot send the daemon to loopback or into a private network. One
deadline bounds name look-up, TLS and answer; of the answer a few bytes are read. Each request has its own connection.
"""

import base64
import binascii
import hashlib
import hmac
import ssl

import anyio
import anyio.to_thread
import httpx

from kazid.adapters.notifying.references import References, SecretMissing
from kazid.core.notice_text import cloud_event, printable
from kazid.core.receiver import Message
from kazid.ports.clock import Clock
from kazid.ports.notifying import Delivered, Delivery, Undelivered

DEADLINE_S = 15.0
ANSWER_BYTES_MAX = 2048
"""Of a refusal's words, for the log."""
PORT_MAX = 65535
SECRET_PREFIX = "whsec_"
REFERENCE_KINDS = ("env:", "file:", "credential:")


class Webhook:
    """One receiver. `url` may be a reference itself: some carry their secret in it."""

    def __init__(
        self, *, url: str, secret: str | None, source: str, references: References, clock: Clock
    ) -> None:
        self._url = url
        self._secret = secret
        self._source = source
        self._references = references
        self._clock = clock
        self._trust: ssl.SSLContext | None = None

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """See the port."""
        body = cloud_event(message, receiver=receiver, source=self._source)
        return await self._ask("POST", body=body, message_id=message.id)

    async def beat(self) -> Delivery:
        """Say that the daemon lives: a GET, which is what dead men's switches take."""
        return await self._ask("GET", body=None, message_id="")

    async def _ask(self, method: str, *, body: bytes | None, message_id: str) -> Delivery:
        try:
            with anyio.fail_after(DEADLINE_S):
                url, secret, trust = await anyio.to_thread.run_sync(self._look_up, abandon_on_cancel=True)
                headers = {"user-agent": "kazid"}
                if body is not None:
                    headers["content-type"] = "application/cloudevents+json; charset=utf-8"
                    headers["webhook-id"] = message_id
                    headers["webhook-timestamp"] = timestamp = str(int(self._clock.now().wall_s))
                    if secret is not None:
                        signed = signature(secret, message_id=message_id, timestamp=timestamp, body=body)
                        headers["webhook-signature"] = signed
                async with (
                    httpx.AsyncClient(
                        verify=trust, follow_redirects=False, timeout=DEADLINE_S, trust_env=False
                    ) as client,
                    client.stream(method, url, content=body, headers=headers) as response,
                ):
                    return await _judged(response)
        except TimeoutError:
            return Undelivered(f"no answer within {DEADLINE_S:g} s")
        except SecretMissing as error:
            return Undelivered(str(error))
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, ValueError):
            return Undelivered("the address cannot be asked")
        except (httpx.HTTPError, OSError) as error:
            return Undelivered(printable(f"{type(error).__name__}: {error}")[:200])

    def _look_up(self) -> tuple[str, str | None, ssl.SSLContext]:
        """Address, secret and trust; in a thread, for files and certificates are read."""
        url = self._references.value(self._url) if self._url.startswith(REFERENCE_KINDS) else self._url
        secret = None if self._secret is None else self._references.value(self._secret)
        if self._trust is None:
            self._trust = ssl.create_default_context()
        if not 0 < (httpx.URL(url).port or 1) <= PORT_MAX:
            raise httpx.InvalidURL("no such port")
        return url, secret, self._trust


async def _judged(response: httpx.Response) -> Delivery:
    """2xx is taken; all else is not, with its first words."""
    if response.is_success:
        return Delivered()
    if response.is_redirect:
        return Undelivered(f"{response.status_code}: redirects, and redirects are not followed")
    said = b""
    async for piece in response.aiter_raw():
        said += piece
        if len(said) >= ANSWER_BYTES_MAX:
            break
    words = printable(said[:200].decode(errors="replace"))
    after = response.headers.get("retry-after", "")
    return Undelivered(
        f"{response.status_code} {words}".strip(), retry_after_s=float(after) if after.isdecimal() else None
    )


def signature(secret: str, *, message_id: str, timestamp: str, body: bytes) -> str:
    """`v1,…` over id, timestamp and body, with the key that `whsec_` and base64 spell."""
    encoded = secret.removeprefix(SECRET_PREFIX)
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        key = encoded.encode()
    digest = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
