"""The service that the probe bench looks at: answers at once, and knows when each of its pages was asked for.

    GET /page/NAME   200 and a small JSON; the connection is kept unless the client says otherwise
    GET /visits      {NAME: [times]} so far, as JSON, and begins anew

Run as: pages.py PORT; says `ready` when it listens. It ends with its standard input.
"""

import asyncio
import contextlib
import json
import sys
import time

from typing_extensions import override

BODY = b'{"status":"ok","version":"1.2.3456"}'


class Pages(asyncio.Protocol):
    """One connection."""

    visits: dict[str, list[float]] = {}  # noqa: RUF012

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    @override
    def data_received(self, data: bytes) -> None:
        path = data.split(b" ", 2)[1].decode()
        closes = b"connection: close" in data.lower()
        body = BODY
        if path == "/visits":
            body = json.dumps(self.visits).encode()
            self.visits.clear()
        else:
            self.visits.setdefault(path.rpartition("/")[2], []).append(time.monotonic())
        self._transport.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s"
            % (len(body), b"Connection: close\r\n" if closes else b"", body)
        )
        if closes:
            self._transport.close()


async def main(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Pages, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    ended = loop.create_future()
    loop.add_reader(sys.stdin, ended.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await ended


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1])))
