"""A TCP port on loopback that leads to a Unix socket: for tools that cannot speak to one (schemathesis)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CHUNK = 65536
LINGER_S = 2.0


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
        up.join(LINGER_S)
        _end(outer, socket.SHUT_RDWR)
        up.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy to the source's end. What the sink no longer takes is thrown away: over TCP a close resets the reply."""
    takes = True
    try:
        while piece := source.recv(CHUNK):
            if takes:
                try:
                    sink.sendall(piece)
                except OSError:
                    takes = False
    except OSError:
        pass
    _end(sink, socket.SHUT_WR)


def _end(half: socket.socket, how: int) -> None:
    try:
        half.shutdown(how)
    except OSError:
        pass
