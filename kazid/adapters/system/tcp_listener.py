"""The TCP socket that `[api] listen` names; nothing listens on TCP without it."""

import ipaddress
import socket

from kazid.core.errors import StartRefused

BACKLOG = 128
PORT_MAX = 65535


def tcp_listener(listen: str) -> socket.socket:
    """Listen at HOST:PORT, port 0 for any. Raises StartRefused where that cannot be."""
    host, _, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if int(port) > PORT_MAX:
        raise StartRefused(f"[api] listen: there is no port {port}")
    try:
        address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    except ValueError as error:
        raise StartRefused(f"[api] listen: {host!r} is no address; names are not looked up here") from error
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((str(address), int(port)))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise StartRefused(f"cannot listen on {listen}: {error.strerror}") from error
    listener.setblocking(False)
    return listener
