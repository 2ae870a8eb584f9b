"""What the errors of one attempt to reach a service mean: a dead service, or that we could not look.

Pure but for the words of the system's error numbers. One address that refuses makes a service unreachable; a
certificate that is expired or for another name is the server's, one whose issuer we do not know is ours.
"""

import errno
import os
import ssl
from collections.abc import Iterator, Sequence
from typing import cast

import msgspec

from kazid.providers.http_exchange import BadAnswer

_NO_ROUTE = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EACCES, errno.EPERM})
_OUT_OF_RESOURCES = frozenset(
    {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN, errno.EADDRNOTAVAIL}
)
_UNTRUSTED = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's verify codes for an issuer that is not in our store; all others (expired, wrong name) are the server's."""


class NoAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no complete answer."""

    is_unreachable: bool
    reason: str
    detail: str


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


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and everything it was raised from, through groups."""
    queue: list[BaseException] = [error]
    while queue:
        here = queue.pop()
        yield here
        if isinstance(here, BaseExceptionGroup):
            queue += cast("BaseExceptionGroup[BaseException]", here).exceptions
        queue += [cause for cause in (here.__cause__ or here.__context__,) if cause is not None]


def _text(error: BaseException) -> str:
    """Return what an error adds to the account: the system's own words where there are some."""
    if isinstance(error, ssl.SSLError):
        return str(getattr(error, "verify_message", "") or error.reason or error)
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) if isinstance(error, BadAnswer) else ""
