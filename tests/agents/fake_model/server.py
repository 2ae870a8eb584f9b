"""The server: reads a request, finds its scenario and step, and answers, or fails as the scenario says.

The first segment of the path names the scenario, so that one server serves many tests at once and a CLI is pointed at a
scenario by its base URL alone; `flaky~t17` is `flaky` with counters of its own. Besides the protocols there are
`GET …/models`, the counting of tokens, and a 404 for everything else; all of it is recorded.
"""

from __future__ import annotations

import gzip
import json
import os
import re
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from tests.agents.fake_model.anthropic import Anthropic
from tests.agents.fake_model.chat import Chat
from tests.agents.fake_model.gemini import Gemini
from tests.agents.fake_model.intents import minimal, resolve
from tests.agents.fake_model.protocol import USAGE
from tests.agents.fake_model.responses import Responses
from tests.agents.fake_model.scenarios import SCENARIOS

_CWD = re.compile(r"(?:[Ww]orking directory|<cwd>|[Cc]urrent directory|cwd)[^/\n]{0,40}(/[^\s<>'\"`,]+)")


def protocol_of(path: str) -> Any:
    bare = path.split("?", 1)[0]
    if re.search(r":(stream)?[gG]enerateContent$", bare):
        return Gemini
    return next(
        (
            p
            for end, p in (("/messages", Anthropic), ("/chat/completions", Chat), ("/responses", Responses))
            if bare.endswith(end)
        ),
        None,
    )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *args: Any) -> None:  # the request log is the record; stderr stays quiet
        pass

    def _json(self, status: int, payload: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(payload).encode()
        self.send_response(status)
        for key, value in {
            "content-type": "application/json",
            "content-length": str(len(data)),
            **(headers or {}),
        }.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        self.wfile.flush()

    def _event(self, name: str | None, payload: Any) -> None:
        text = payload if isinstance(payload, str) else json.dumps(payload)
        self._chunk(((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode())

    def _body(self) -> bytes:
        if "chunked" in (self.headers.get("transfer-encoding") or ""):
            raw = b""
            while size := int(self.rfile.readline().split(b";")[0] or b"0", 16):
                raw += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        coding = self.headers.get("content-encoding") or ""
        return (
            gzip.decompress(raw) if coding == "gzip" else zlib.decompress(raw) if coding == "deflate" else raw
        )

    def _route(self) -> None:
        raw = self._body()
        first, _, rest = self.path.lstrip("/").partition("/")
        name, _, tag = first.partition("~")
        path = "/" + rest
        try:
            body = json.loads(raw) if raw else {}
        except ValueError:
            body = {}
        record = {
            "t": round(time.time(), 3),
            "method": self.command,
            "scenario": name,
            "tag": tag,
            "path": path,
            "agent": self.headers.get("user-agent"),
            "bytes": len(raw),
        }
        try:
            self._answer(name, first, path, body, record)
        except (BrokenPipeError, ConnectionResetError):
            record["client_left"] = True
            self.close_connection = True
        finally:
            self.server.fake.record(record, body)

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_OPTIONS = _route

    def _answer(self, name: str, key: str, path: str, body: dict, record: dict) -> None:
        fake = self.server.fake
        scenario = fake.scenarios.get(name)
        bare = path.split("?", 1)[0]
        if scenario is None:
            record["status"] = 404
            return self._json(404, {"error": {"message": f"no scenario {name!r}", "code": 404}})
        proto = protocol_of(path) if self.command == "POST" else None
        if proto is None:
            record["status"] = 200
            if bare.endswith("/count_tokens"):
                return self._json(200, {"input_tokens": USAGE["input"]})
            if bare.endswith(":countTokens"):
                return self._json(200, {"totalTokens": USAGE["input"]})
            if bare.endswith("/models"):
                return self._json(
                    200,
                    {
                        "object": "list",
                        "models": [],
                        "data": [{"id": "fake-model", "object": "model", "created": 0, "owned_by": "test"}],
                    },
                )
            if self.command == "HEAD":
                return self._json(200, {})
            record["status"] = 404
            return self._json(404, {"error": {"message": f"not served: {path}", "code": 404}})

        req = proto.read(body, path)
        side = not req["tools"]
        steps = scenario.get("steps") or [{"text": "ok"}]
        at = min(req["turns"], len(steps) - 1)
        record.update(
            api=proto.name,
            model=req["model"],
            stream=req["stream"],
            step=None if side else at,
            tools=[t["name"] for t in req["tools"]],
        )
        n = fake.count(key) if not side else 0
        if scenario.get("delay"):
            time.sleep(scenario["delay"])

        faulty = ("at_step" not in scenario or (not side and req["turns"] == scenario["at_step"])) and (
            "times" not in scenario or (not side and n <= scenario["times"])
        )
        if scenario.get("status") and faulty:
            status = record["status"] = scenario["status"]
            message = scenario.get("message") or f"scripted failure {status}"
            extra = {"retry-after": scenario["retry_after"]} if "retry_after" in scenario else {}
            return self._json(status, proto.error(status, message, scenario.get("code")), extra)
        if scenario.get("hang"):
            record["status"] = "hang"
            fake.stopping.wait(scenario.get("hang_s", 3600))
            self.close_connection = True
            return None
        if scenario.get("garbage"):
            record["status"] = "garbage"
            return self._json(200, "<html>upstream hiccup</html>")

        if side and req["schema"] is not None:
            blocks = [{"text": json.dumps(minimal(req["schema"]))}]
        elif side:
            blocks = [{"text": scenario.get("plain", "ok")}]
        else:
            found = _CWD.findall(req["text"])
            blocks = resolve(
                steps[at], req["tools"], scenario.get("cwd") or (found[-1].rstrip(".") if found else ".")
            )
            if "schema" in scenario and "text" in steps[at] and req["schema"]:
                blocks = [{"text": json.dumps(minimal(req["schema"]))}]
        record.update(status=200, reply=[b.get("name") or b["text"][:60] for b in blocks])
        if not req["stream"] and not (scenario.get("stall") or scenario.get("drop")):
            return self._json(200, proto.plain(req, blocks))
        self.send_response(200)
        for k, v in {
            "content-type": "text/event-stream",
            "cache-control": "no-cache",
            "transfer-encoding": "chunked",
        }.items():
            self.send_header(k, v)
        self.end_headers()
        for event, payload in proto.events(req, blocks):
            self._event(event, payload)
            if scenario.get("stall") or scenario.get("drop"):
                record["status"] = "stall" if scenario.get("stall") else "drop"
                if scenario.get("stall"):
                    fake.stopping.wait(scenario.get("hang_s", 3600))
                self.close_connection = True
                return None
        self._chunk(b"")
        return None


class Server(ThreadingHTTPServer):
    daemon_threads = True
    fake: FakeModel

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is part of the game; anything else is worth a traceback."""
        if not isinstance(sys.exc_info()[1], (BrokenPipeError, ConnectionResetError)):
            super().handle_error(request, client_address)


class FakeModel:
    """The server, in a thread; a context manager.  ``requests`` is what it was asked, in order."""

    def __init__(
        self,
        scenarios: dict[str, dict] | None = None,
        *,
        port: int = 0,
        log: str | None = None,
        dump: str | None = None,
    ) -> None:
        self.scenarios = {**SCENARIOS, **(scenarios or {})}
        self.requests: list[dict] = []
        self.stopping = threading.Event()
        self._counts: dict[str, int] = {}
        self._lock = threading.Lock()
        self._log, self._dump = log, dump
        if dump:
            os.makedirs(dump, exist_ok=True)
        self._server = Server(("127.0.0.1", port), Handler)
        self._server.fake = self
        self.base = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def url(self, scenario: str, suffix: str = "") -> str:
        return f"{self.base}/{scenario}{suffix}"

    def count(self, key: str) -> int:
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1
            return self._counts[key]

    def record(self, record: dict, body: Any) -> None:
        with self._lock:
            self.requests.append(record)
            number = len(self.requests)
            if self._log:
                with open(self._log, "a", encoding="utf-8") as f:
                    f.write(json.dumps({"n": number, **record}) + "\n")
        if self._dump and body:
            with open(os.path.join(self._dump, f"{number:05d}.json"), "w", encoding="utf-8") as f:
                json.dump({"record": record, "body": body}, f, indent=1)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
