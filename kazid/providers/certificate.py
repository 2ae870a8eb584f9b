"""What a certificate says: whom it is for, from when to when, who signed it. Pure.

Reads certificates that nobody trusts, too, which the standard library does not. Names are compared as clients compare
them: subject alternative names only, a wildcard for exactly the first label, addresses by value.
"""

import ipaddress
from collections.abc import Sequence

import msgspec

NAMES_MAX = 500


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """The facts of one certificate. Times are wall times in seconds."""

    subject: str
    issuer: str
    names: Sequence[str]
    not_before_s: float
    not_after_s: float
    serial: str
    sha256: str


class Unreadable(msgspec.Struct, frozen=True):
    """Why these bytes are no certificate."""

    detail: str


def read_certificate(encoded: bytes) -> Certificate | Unreadable:
    """Read a certificate in DER, or the first one of a PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    try:
        is_pem = b"-----BEGIN" in encoded
        found = x509.load_pem_x509_certificate(encoded) if is_pem else x509.load_der_x509_certificate(encoded)
        names: list[str] = []
        try:
            alternative = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            names += alternative.get_values_for_type(x509.DNSName)
            names += [str(address) for address in alternative.get_values_for_type(x509.IPAddress)]
        except x509.ExtensionNotFound:
            pass
        return Certificate(
            subject=found.subject.rfc4514_string(),
            issuer=found.issuer.rfc4514_string(),
            names=names[:NAMES_MAX],
            not_before_s=found.not_valid_before_utc.timestamp(),
            not_after_s=found.not_valid_after_utc.timestamp(),
            serial=f"{found.serial_number:x}",
            sha256=found.fingerprint(hashes.SHA256()).hex(),
        )
    except (ValueError, TypeError, OverflowError, x509.DuplicateExtension, x509.InvalidVersion) as error:
        return Unreadable(str(error) or type(error).__name__)


def is_for(names: Sequence[str], host: str) -> bool:
    """True when one of the names of a certificate covers this host."""
    address = _address(host)
    if address is not None:
        return any(_address(name) == address for name in names)
    wanted = host.rstrip(".").lower()
    return any(_covers(name.rstrip(".").lower(), wanted) for name in names)


def _covers(name: str, host: str) -> bool:
    if name == host:
        return True
    if not name.startswith("*."):
        return False
    label, dot, parent = host.partition(".")
    # "*.com" covers nothing that anybody may have.
    return bool(label and dot) and parent == name[2:] and "." in parent


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None
