"""The kinds that look at a machine and its services, each with how its provider is made: a part of `builtin`."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kazid.ports.provider import Provider
from kazid.providers.disk import Disk
from kazid.providers.dns_records import Dns
from kazid.providers.file import File
from kazid.providers.git_state import Git
from kazid.providers.process import ProcessProvider
from kazid.providers.sql import Sql
from kazid.providers.systemd_unit import SystemdUnit
from kazid.providers.tcp import Tcp, port_closed
from kazid.providers.tls_certificate import TlsCertificate

OPERATIONS: Mapping[str, Callable[[], Provider]] = MappingProxyType(
    {
        "disk": Disk,
        "dns": Dns,
        "file": File,
        "git": Git,
        "port_closed": port_closed,
        "process": ProcessProvider,
        "sql": Sql,
        "systemd_unit": SystemdUnit,
        "tcp": Tcp,
        "tls_certificate": TlsCertificate,
    }
)

OPERATIONS_ON_THE_NETWORK = frozenset({"dns", "port_closed", "tcp", "tls_certificate"})
"""Those that hold a network slot while they look."""
