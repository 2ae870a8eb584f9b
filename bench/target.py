"""The service that the reaction bench breaks: one server, many things that are up or down, and a clock of its own.

A thing is up while a file of its name exists, so that the cheapest remedy there is, making a file, repairs it. All is
timed here, in one process, whoever looks: a watcher cannot report itself faster than it was.

    GET /livez/NAME   200 while NAME is up, else 503
    GET /hole/NAME    accepted and never answered
    GET /break/NAME   takes NAME down
    GET /story        every break so far, as JSON

Run as: target.py PORT FOLDER; says `ready` when it listens. It ends with its standard input.
"""

import asyncio
import contextlib
import json
import sys
import time
from pathlib import Path


class Target:
    """What is up, and the story of each break."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open: dict[str, dict[str, float | str]] = {}
        self._story: list[dict[str, float | str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request of one connection."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            verb, _, name = head.split()[1].decode().strip("/").partition("/")
            if verb == "hole":
                await reader.read()
                return
            status, body = self._answer(verb, name)
            writer.write(
                f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {len(body)}\r\n"
                f"Connection: close\r\n\r\n{body}".encode()
            )
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    def _answer(self, verb: str, name: str) -> tuple[str, str]:
        if verb == "story":
            return "200 OK", json.dumps(self._story)
        if verb == "break":
            self._break(name)
            return "200 OK", "broken"
        if not (self._folder / name).exists():
            self._note(name, "seen_down_s", time.time())
            return "503 Service Unavailable", "down"
        if name in self._open:
            self._note(name, "repaired_s", (self._folder / name).stat().st_mtime)
            self._note(name, "verified_s", time.time())
            del self._open[name]
        return "200 OK", "ok"

    def _break(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)
        self._open[name] = {"name": name, "broken_s": time.time()}
        self._story.append(self._open[name])

    def _note(self, name: str, key: str, at_s: float) -> None:
        if name in self._open:
            self._open[name].setdefault(key, at_s)


async def main(port: int, folder: Path) -> None:
    server = await asyncio.start_server(Target(folder).serve, "127.0.0.1", port, backlog=1024)
    print("ready", flush=True)
    ended = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.cancel)
    async with server:
        with contextlib.suppress(asyncio.CancelledError):
            await ended


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2])))
