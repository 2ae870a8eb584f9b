"""The options Struct of each kind that looks at a machine and its services."""

import msgspec

from kazid.providers.disk import DiskOptions
from kazid.providers.dns_records import DnsOptions
from kazid.providers.file import FileOptions
from kazid.providers.git_state import GitOptions
from kazid.providers.process import ProcessOptions
from kazid.providers.sql import SqlOptions
from kazid.providers.systemd_unit import SystemdUnitOptions
from kazid.providers.tcp import TcpOptions
from kazid.providers.tls_certificate import TlsCertificateOptions

OPERATION_OPTIONS: dict[str, type[msgspec.Struct]] = {
    "tcp": TcpOptions,
    "port_closed": TcpOptions,
    "file": FileOptions,
    "process": ProcessOptions,
    "sql": SqlOptions,
    "dns": DnsOptions,
    "tls_certificate": TlsCertificateOptions,
    "disk": DiskOptions,
    "git": GitOptions,
    "systemd_unit": SystemdUnitOptions,
}
FIXED_BY_KIND = {"port_closed": {"expect", "send", "expect_text", "connect_ms_max"}}
"""Keys of the Struct that this kind does not take: it fixes them."""
