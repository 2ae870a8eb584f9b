"""A TCP port on loopback that leads to a Unix socket: for tools that cannot speak to one (schemathesis)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 65536


@contextmanager
def bridge(path: Path) -> Iterator[str]:
    """The base URL of a port that leads to this Unix socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_accept, args=(listener, path), daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def _accept(listener: socket.socket, path: Path) -> None:
    while True:
        try:
            outer, _ = listener.accept()
        except OSError:
            return
        inner = socket.socket(socket.AF_UNIX)
        try:
            inner.connect(str(path))
        except OSError:
            outer.close()
            inner.close()
            continue
        threading.Thread(target=_pump_both, args=(outer, inner), daemon=True).start()


def _pump_both(outer: socket.socket, inner: socket.socket) -> None:
    with outer, inner:
        up = threading.Thread(target=_pump, args=(outer, inner), daemon=True)
        up.start()
        _pump(inner, outer)
        up.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until either side ends, then end both, so that neither waits for the other."""
    try:
        while piece := source.recv(CHUNK):
            sink.sendall(piece)
    except OSError:
        pass
    for end in (source, sink):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
