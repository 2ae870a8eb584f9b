"""TLS contexts, one for each way to trust: building one takes 40 ms (reference/feasibility.md, section 3).

The common one trusts what this machine trusts. Others come from PEM files that a goal names; a file that was replaced
makes a new one. Built in a thread, once for whoever waits for the same.
"""

import os
import ssl
from collections.abc import Callable
from pathlib import Path

import anyio
import anyio.to_thread
import httpx

from kazid.providers.http_exchange import Tls

CONTEXTS_MAX = 32
"""Each holds a trust store of about 500 kB."""

PEM_BYTES_MAX = 4 * 1024 * 1024


class Untrustable(Exception):
    """A PEM file cannot be used; says which and why in words."""


class TrustStores:
    """The contexts in use, the one asked for longest ago first."""

    def __init__(self, build: Callable[[Tls], ssl.SSLContext] | None = None) -> None:
        self._build = build or build_context
        self._contexts: dict[tuple[object, ...], ssl.SSLContext] = {}
        self._building = anyio.Lock()

    async def context(self, tls: Tls) -> ssl.SSLContext:
        """Return the context for these options. Raises Untrustable."""
        key = await self._key(tls)
        async with self._building:
            context = self._contexts.pop(key, None)
            if context is None:
                context = await anyio.to_thread.run_sync(self._build, tls, abandon_on_cancel=True)
            self._contexts[key] = context
            if len(self._contexts) > CONTEXTS_MAX:
                del self._contexts[next(iter(self._contexts))]
        return context

    async def _key(self, tls: Tls) -> tuple[object, ...]:
        files = [path for path in (tls.ca, tls.cert, tls.key) if path]
        if not files:
            return (tls,)
        return (
            tls,
            *await anyio.to_thread.run_sync(lambda: [_state_of(f) for f in files], abandon_on_cancel=True),
        )


def build_context(tls: Tls) -> ssl.SSLContext:
    """Return a context for a client that trusts and is as these options say. Raises Untrustable."""
    for path in (tls.ca, tls.cert, tls.key):
        if path:
            _state_of(path)
    try:
        context = ssl.create_default_context(cafile=tls.ca) if tls.ca else trust_store()
    except (OSError, ValueError) as error:
        raise Untrustable(f"{tls.ca} holds no certificate to trust: {_why(error)}") from None
    if not tls.verifies:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert:
        try:
            context.load_cert_chain(tls.cert, tls.key or None, password=_no_password)
        except (OSError, ValueError) as error:
            raise Untrustable(
                f"{tls.cert} and {tls.key or 'the key in it'} cannot be used: {_why(error)}"
            ) from None
    return context


def trust_store() -> ssl.SSLContext:
    """Return a context that trusts what this machine trusts, and the list httpx brings where it has no store."""
    paths = ssl.get_default_verify_paths()
    if paths.cafile or (paths.capath and any(Path(paths.capath).iterdir())):
        return ssl.create_default_context()
    return httpx.create_ssl_context(trust_env=False)


def _state_of(path: str) -> tuple[int, int, int]:
    """Return what changes when a file is replaced. Raises Untrustable."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError) as error:
        raise Untrustable(f"{path}: {_why(error)}") from None
    if not Path(path).is_file() or found.st_size > PEM_BYTES_MAX:
        raise Untrustable(f"{path} is no PEM file")
    return found.st_ino, found.st_mtime_ns, found.st_size


def _no_password() -> str:
    """A key that wants one cannot be used; without this OpenSSL would ask on the terminal."""
    return ""


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or str(error)
    return os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
