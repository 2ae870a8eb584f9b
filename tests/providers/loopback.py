"""A server on loopback that misbehaves on request: each path is one way for a service to be."""

import contextlib
import functools
import gzip
import re
import socket
import socketserver
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

HUGE_BYTES = 64 * 1024 * 1024
JSON = b'{"status": "ok", "queue": [1, 2, 3], "load": 0.5, "up": true, "parts": {"db": {"state": "on"}}, "none": null}'


class Loopback(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = self.server_address[1]
        self.requests: list[str] = []
        self.connections = 0
        self.exposition = b""
        self.closing = threading.Event()

    def process_request(self, request: Any, client_address: Any) -> None:
        self.connections += 1
        super().process_request(request, client_address)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"


class _Handler(socketserver.BaseRequestHandler):
    server: Loopback

    def handle(self) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.request.recv(65536)
            if not chunk:
                return
            data += chunk
        head, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length is not None and len(body) < int(length[1]):
            body += self.request.recv(65536)
        self.body = body
        text = (head + b"\r\n\r\n").decode("latin-1")
        self.server.requests.append(text)
        path = text.split(" ")[1]
        with contextlib.suppress(OSError):
            self.answer(path.split("?")[0], text)

    def send(self, data: bytes) -> None:
        self.request.sendall(data)

    def reply(self, status: int, body: bytes = b"", *headers: str) -> None:
        lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close", *headers]
        self.send("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def answer(self, path: str, text: str) -> None:
        match path.strip("/").split("/"):
            case ["status", code]:
                self.reply(int(code), f"status {code}".encode())
            case ["ok"]:
                self.reply(200, b"ok")
            case ["ok-newline"]:
                self.reply(200, b"ok\n")
            case ["echo"]:
                self.reply(200, text.encode())
            case ["prom", value, "api", "v1", "query"]:
                result = f'{{"resultType":"scalar","result":[1,"{value}"]}}'
                self.reply(200, f'{{"status":"success","data":{result}}}'.encode())
            case ["metrics"]:
                self.reply(200, self.server.exposition, "Content-Type: text/plain; version=0.0.4")
            case ["mirror"]:
                self.reply(200, self.body)
            case ["flaky"]:
                self.reply(503 if len(self.server.requests) % 3 == 0 else 200, b"flaky")
            case ["blackhole"]:
                self.server.closing.wait(300)
            case ["reset"]:
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.request.close()
            case ["early-close"]:
                self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of")
            case ["silent-close"]:
                pass
            case ["garbage"]:
                self.send(b"\x00\x01\x02 this is not HTTP\r\n\r\n")
            case ["drip"]:
                self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.server.closing.wait(0.02):
                    self.send(b"x")
            case ["drip-head"]:
                self.send(b"HTTP/1.1 200 OK\r\n")
                while not self.server.closing.wait(0.02):
                    self.send(b"X-A: 1\r\n")
            case ["huge"]:
                self.send(f"HTTP/1.1 200 OK\r\nContent-Length: {HUGE_BYTES}\r\n\r\n".encode())
                for _ in range(HUGE_BYTES // 65536):
                    self.send(b"y" * 65536)
            case ["needle"]:
                self.reply(200, b"x" * 200_000 + b"needle" + b"x" * 200_000)
            case ["endless"]:
                self.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
                while not self.server.closing.is_set():
                    self.send(b"z" * 65536)
            case ["redirect", "loop"]:
                self.reply(302, b"", "Location: /redirect/loop")
            case ["redirect", "refused"]:
                self.reply(302, b"", "Location: http://127.0.0.1:1/")
            case ["redirect", "ftp"]:
                self.reply(302, b"", "Location: ftp://127.0.0.1/x")
            case ["redirect", "other"]:
                self.reply(302, b"", f"Location: http://localhost:{self.server.port}/echo")
            case ["redirect", count]:
                left = int(count)
                self.reply(302, b"", f"Location: /redirect/{left - 1}" if left > 1 else "Location: /echo")
            case ["slow-drip"]:
                self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
                while not self.server.closing.wait(1):
                    self.send(b"x")
            case ["interim"]:
                while not self.server.closing.is_set():
                    self.send(b"HTTP/1.1 102 Processing\r\n\r\n")
            case ["tiny-chunks"]:
                self.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                while not self.server.closing.is_set():
                    self.send(b"1\r\nx\r\n" * 10_000)
            case ["big-head"]:
                self.send(b"HTTP/1.1 200 OK\r\n")
                while not self.server.closing.is_set():
                    self.send(b"X-A: " + b"a" * 1000 + b"\r\n")
            case ["gzip"]:
                self.reply(200, gzip.compress(b"squeezed"), "Content-Encoding: gzip")
            case ["gzip-bomb"]:
                self.reply(200, _gzip_bomb(), "Content-Encoding: gzip")
            case ["gzip-not"]:
                self.reply(200, b"not squeezed", "Content-Encoding: gzip")
            case ["json"]:
                self.reply(
                    200,
                    JSON,
                    "Content-Type: application/json",
                    "X-Count: 3",
                    "Set-Cookie: a=1",
                    "Set-Cookie: b=2",
                )
            case ["json-deep"]:
                self.reply(200, b"[" * 200_000)
            case ["json-wide"]:
                self.reply(200, b"[" + b"[]," * 4_000_000 + b"1]")
            case ["json-number"]:
                self.reply(200, b'{"n": ' + b"9" * 100_000 + b"}")
            case ["json-bytes"]:
                self.reply(200, b'{"n": "\xff\xfe"}')
            case ["kept"]:
                self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                self.handle()
            case ["kept-once"]:
                self.send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            case ["redirect", "to", status]:
                self.reply(int(status), b"", f"Location: http://localhost:{self.server.port}/echo")
            case ["binary"]:
                self.reply(200, b"\xff\xfe\x00abc")
            case _:
                self.reply(404, b"not here")


@functools.cache
def _gzip_bomb() -> bytes:
    return gzip.compress(bytes(HUGE_BYTES), 9)


@contextmanager
def serving() -> Iterator[Loopback]:
    with Loopback() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.closing.set()
            server.shutdown()
            thread.join(5)
