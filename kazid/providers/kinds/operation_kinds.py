"""Kinds that look at a machine and its services as an operator would: ports, files, processes, disks and the like.

Keys and load checks only; the providers are elsewhere. `expect = "absent"` turns a kind round: what must not be there.
"""

from collections.abc import Iterator
from typing import Final

from kazid.core.json import JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.kinds.checks import TIMEOUT_MS, is_integer

PORT_MAX: Final = 65535
PRESENCE: Final = ("present", "absent")

EXPECT = KeySpec(
    type=KeyType.STRING, choices=PRESENCE, default="present", help="absent: green when it is not there"
)
_IP_VERSION = KeySpec(type=KeyType.INTEGER, help="4 or 6: only addresses of this kind; both when absent")


def _check_tcp(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _bad_target(options)
    if options.get("expect") == "absent":
        for key in ("send", "expect_text", "connect_ms_max"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')
    elif options.get("send") and not options.get("expect_text"):
        yield KeyProblem(key="expect_text", message='missing required key "expect_text" (an answer to send)')
    if options.get("silence_is_closed") and options.get("expect") != "absent":
        yield KeyProblem(
            key="silence_is_closed", message='silence_is_closed means nothing without expect = "absent"'
        )


def _bad_target(options: JsonObject) -> Iterator[KeyProblem]:
    if "unix" in options:
        if not str(options["unix"]).startswith("/"):
            yield KeyProblem(key="unix", message="unix must be an absolute path")
        for key in ("host", "port"):
            if key in options:
                yield KeyProblem(key=key, message=f"{key} and unix exclude each other")
    elif "port" not in options:
        yield KeyProblem(key="port", message='missing required key "port" (or unix, the path of a socket)')
    yield from bad_port(options)
    if options.get("ip_version", 4) not in (4, 6):
        yield KeyProblem(key="ip_version", message="ip_version must be 4 or 6")


def bad_port(options: JsonObject, key: str = "port") -> Iterator[KeyProblem]:
    """A problem when the port is there and is none."""
    port = options.get(key, 1)
    if not is_integer(port) or not 1 <= port <= PORT_MAX:
        yield KeyProblem(key=key, message=f"{key} must be an integer from 1 to {PORT_MAX}")


_TARGET_KEYS = {
    "host": KeySpec(type=KeyType.NON_EMPTY_STRING, default="127.0.0.1", help="name or address"),
    "port": KeySpec(type=KeyType.POSITIVE_INTEGER, help="1 to 65535"),
    "unix": KeySpec(type=KeyType.NON_EMPTY_STRING, help="a Unix socket instead of host and port"),
    "ip_version": _IP_VERSION,
    "timeout_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, default=5000, help=TIMEOUT_MS.help),
}
_SILENCE_IS_CLOSED = KeySpec(
    type=KeyType.BOOLEAN,
    default=False,
    help="a port whose packets are dropped counts as closed, not as an error",
)

TCP = KindSpec(
    name="tcp",
    summary="somebody listens at a port or a Unix socket, and says what is expected",
    verdicts="pass: it connects, in time, and the answer holds the text (absent: every address refuses); fail: it "
    "does not; error: no name, no route, no right, or silence where absence was to be proven",
    live=True,
    built=True,
    keys={
        **_TARGET_KEYS,
        "expect": EXPECT,
        "send": KeySpec(type=KeyType.STRING, help="text to send once connected"),
        "expect_text": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="text that the first 64 KB of the answer contain"
        ),
        "connect_ms_max": KeySpec(type=KeyType.POSITIVE_NUMBER, help="a slower connection is red"),
        "silence_is_closed": _SILENCE_IS_CLOSED,
    },
    check=_check_tcp,
)

PORT_CLOSED = KindSpec(
    name="port_closed",
    summary="nobody listens at a port: every address of the host refuses",
    verdicts="pass: every address of the host refuses; fail: one accepts; error: no name, no route, or silence",
    live=True,
    built=True,
    keys={**_TARGET_KEYS, "silence_is_closed": _SILENCE_IS_CLOSED},
    check=_bad_target,
)

KINDS = (TCP, PORT_CLOSED)
