"""A TCP port on 127.0.0.1 that leads to a Unix socket, for tools that cannot speak to one.

A byte pump and nothing else: it knows no HTTP, and each side is told of the other's end when it comes. Whoever talks
through it is, to the daemon, the process that runs the bridge.
"""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

CHUNK_BYTES = 64 * 1024
JOIN_S = 5.0
LINGER_S = 2.0
"""What a client still sends after the daemon's end is taken for so long: a TCP close before would reset the reply."""


@contextmanager
def bridge(path: Path) -> Iterator[str]:
    """The base URL of a port that leads to this Unix socket; at the end no connection and no thread is left."""
    pump = _Pump(path)
    pump.start()
    try:
        yield pump.url
    finally:
        pump.stop()


class _Pump:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._is_stopping = False

    def start(self) -> None:
        self._spawn(self._accept)

    def stop(self) -> None:
        with self._lock:
            self._is_stopping = True
            ends = {self._listener, *self._open}
            threads = set(self._threads)
        for end in ends:
            _shut(end, socket.SHUT_RDWR)
        for thread in threads:
            thread.join(JOIN_S)
        self._listener.close()
        assert not self._open, "every connection was ended"

    def _spawn(self, work, *arguments) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            finally:
                with self._lock:
                    self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while True:
            try:
                outer, _ = self._listener.accept()
            except OSError:
                return
            self._spawn(self._connect, outer)

    def _connect(self, outer: socket.socket) -> None:
        with outer, socket.socket(socket.AF_UNIX) as inner:
            with self._lock:
                if self._is_stopping:
                    return
                self._open |= {outer, inner}
            try:
                inner.connect(str(self._path))
                up = self._spawn(_pump, outer, inner)
                _pump(inner, outer)
                up.join(LINGER_S)
                _shut(outer, socket.SHUT_RDWR)
                up.join()
            except OSError:
                return  # nobody listens: the client sees its connection end
            finally:
                with self._lock:
                    self._open -= {outer, inner}


def _pump(source: socket.socket, sink: socket.socket) -> None:
    """Copy until the source ends, then say so to the sink. What the sink no longer takes is thrown away."""
    has_reader = True
    with suppress(OSError):
        while piece := source.recv(CHUNK_BYTES):
            if has_reader:
                try:
                    sink.sendall(piece)
                except OSError:
                    has_reader = False
    _shut(sink, socket.SHUT_WR)


def _shut(end: socket.socket, how: int) -> None:
    with suppress(OSError):
        end.shutdown(how)
