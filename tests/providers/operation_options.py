"""The options Struct of each kind that looks at a machine and its services."""

import msgspec

from kazid.providers.file import FileOptions
from kazid.providers.process import ProcessOptions
from kazid.providers.tcp import TcpOptions

OPERATION_OPTIONS: dict[str, type[msgspec.Struct]] = {
    "tcp": TcpOptions,
    "port_closed": TcpOptions,
    "file": FileOptions,
    "process": ProcessOptions,
}
FIXED_BY_KIND = {"port_closed": {"expect", "send", "expect_text", "connect_ms_max"}}
"""Keys of the Struct that this kind does not take: it fixes them."""
