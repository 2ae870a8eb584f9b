"""Kinds that look at what names lead to: records of the DNS, and certificates. Keys and load checks only."""

import ipaddress
import re
from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import TIMEOUT_MS, is_integer

RECORD_TYPES: Final = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT")
PORT_MAX: Final = 65535


def _check_dns(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _bad_port(options, "server_port")
    if "server" in options:
        try:
            ipaddress.ip_address(str(options["server"]))
        except ValueError:
            yield KeyProblem(key="server", message="server must be the address of a name server, not a name")
    if "match" in options and not options.get("answers"):
        yield KeyProblem(key="match", message="match means nothing without answers")
    if options.get("expect") == "absent":
        for key in ("match", "ttl_s_max"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')


def _bad_port(options: JsonObject, key: str) -> Iterator[KeyProblem]:
    port = options.get(key, 1)
    if not is_integer(port) or not 1 <= port <= PORT_MAX:
        yield KeyProblem(key=key, message=f"{key} must be an integer from 1 to {PORT_MAX}")


DNS = KindSpec(
    name="dns",
    summary="a name has the records it should have, by this machine's resolver or one name server; or has none",
    verdicts="pass: the records are there as asked (absent: there are none, or not those); fail: they are not, or the "
    "named server does not answer; error: this machine's resolver does not answer",
    live=True,
    built=True,
    keys={
        "name": KeySpec(
            type=KeyType.NON_EMPTY_STRING, required=True, help="asked as it is; for PTR an address will do"
        ),
        "type": KeySpec(type=KeyType.STRING, choices=RECORD_TYPES, default="A", help="of the records"),
        "expect": KeySpec(
            type=KeyType.STRING,
            choices=("present", "absent"),
            default="present",
            help="absent: green when it has no such record, or none of the answers",
        ),
        "answers": KeySpec(
            type=KeyType.STRING_LIST, default=(), help='what they say, e.g. "10 mx.example.org"'
        ),
        "match": KeySpec(
            type=KeyType.STRING,
            choices=("all", "any", "exact"),
            default="all",
            help="all or any of the answers are there; exact: and no others",
        ),
        "server": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="address of the name server to ask; one that is silent is red"
        ),
        "server_port": KeySpec(type=KeyType.POSITIVE_INTEGER, default=53, help="its port"),
        "ttl_s_max": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, help="records that may be kept longer are red"
        ),
        "timeout_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, default=5000, help=TIMEOUT_MS.help),
    },
    check=_check_dns,
)


def _check_tls_certificate(options: JsonObject) -> Iterator[KeyProblem]:
    if ("host" in options) == ("file" in options):
        yield KeyProblem(key="host", message="either host or file has to say whose certificate")
    yield from _bad_port(options, "port")
    if "file" in options:
        for key in ("port", "starttls", "chain", "ca_file"):
            if key in options:
                yield KeyProblem(key=key, message=f"{key} means nothing for a certificate in a file")
    if options.get("chain") == "ignore" and "ca_file" in options:
        yield KeyProblem(key="ca_file", message='ca_file means nothing with chain = "ignore"')
    fingerprint = str(options.get("sha256", "0" * 64)).replace(":", "")
    if re.fullmatch(r"[0-9a-fA-F]{64}", fingerprint) is None:
        yield KeyProblem(key="sha256", message="sha256 must be a fingerprint of 64 hexadecimal digits")


TLS_CERTIFICATE = KindSpec(
    name="tls_certificate",
    summary="the certificate a server shows, or a file holds, lasts long enough, is trusted and for the right name",
    verdicts="pass: all three; fail: expired, not yet valid, too few days left, untrusted or self-signed, for another "
    "name, no TLS, unreachable; error: no such host, no right to read, a clock that was never set",
    live=True,
    built=True,
    keys={
        "host": KeySpec(type=KeyType.NON_EMPTY_STRING, help="name or address of the server"),
        "port": KeySpec(type=KeyType.POSITIVE_INTEGER, default=443, help="1 to 65535"),
        "file": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="a certificate on disk (PEM or DER) instead of a server"
        ),
        "server_name": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="the name asked for and compared; the host when absent"
        ),
        "starttls": KeySpec(
            type=KeyType.STRING, choices=("smtp", "imap", "pop3", "postgres"), help="how to ask for TLS first"
        ),
        "days_left_min": KeySpec(type=KeyType.NUMBER, default=14, help="fewer days until it expires are red"),
        "chain": KeySpec(
            type=KeyType.STRING,
            choices=("verify", "ignore"),
            default="verify",
            help="whether it has to be trusted",
        ),
        "name": KeySpec(
            type=KeyType.STRING,
            choices=("verify", "ignore"),
            default="verify",
            help="whether it has to be for the name",
        ),
        "ca_file": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            help="trust what this PEM file holds instead of what the machine trusts",
        ),
        "sha256": KeySpec(type=KeyType.STRING, help="its fingerprint: exactly this certificate"),
        "timeout_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, default=10000, help=TIMEOUT_MS.help),
    },
    check=_check_tls_certificate,
)

KINDS = (DNS, TLS_CERTIFICATE)
