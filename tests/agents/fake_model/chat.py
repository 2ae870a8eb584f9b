"""OpenAI Chat Completions: POST …/chat/completions."""

import json
import time
from collections.abc import Iterator
from typing import Any

from tests.agents.fake_model.protocol import USAGE, new_id, texts_in


class Chat:
    name = "chat"

    @staticmethod
    def read(body: dict, path: str) -> dict:
        fmt = body.get("response_format") or {}
        return {
            "tools": [
                {
                    "name": t["function"]["name"],
                    "schema": t["function"].get("parameters") or {},
                    "kind": "function",
                }
                for t in body.get("tools") or []
                if "function" in t
            ],
            "turns": sum(
                1 for m in body.get("messages", []) if m.get("role") == "assistant" and m.get("tool_calls")
            ),
            "stream": bool(body.get("stream")),
            "model": body.get("model", "?"),
            "schema": (fmt.get("json_schema") or {}).get("schema")
            or ({} if fmt.get("type") == "json_object" else None),
            "text": "\n".join(texts_in([m.get("content") for m in body.get("messages", [])])),
        }

    @staticmethod
    def _usage() -> dict:
        return {
            "prompt_tokens": USAGE["input"],
            "completion_tokens": USAGE["output"],
            "total_tokens": USAGE["input"] + USAGE["output"],
            "prompt_tokens_details": {"cached_tokens": USAGE["cached"]},
        }

    @staticmethod
    def _message(blocks: list[dict]) -> dict:
        text = "".join(b["text"] for b in blocks if "text" in b)
        calls = [
            {
                "index": i,
                "id": new_id("call_"),
                "type": "function",
                "function": {"name": b["name"], "arguments": json.dumps(b.get("args", {}))},
            }
            for i, b in enumerate(b for b in blocks if "name" in b)
        ]
        return {
            "role": "assistant",
            "content": text or (None if calls else ""),
            **({"tool_calls": calls} if calls else {}),
        }

    @classmethod
    def plain(cls, req: dict, blocks: list[dict]) -> dict:
        message = cls._message(blocks)
        return {
            "id": new_id("chatcmpl-"),
            "object": "chat.completion",
            "created": int(time.time()),
            "model": req["model"],
            "choices": [
                {
                    "index": 0,
                    "message": message,
                    "finish_reason": "tool_calls" if "tool_calls" in message else "stop",
                }
            ],
            "usage": cls._usage(),
        }

    @classmethod
    def events(cls, req: dict, blocks: list[dict]) -> Iterator[tuple[str | None, Any]]:
        whole = cls.plain(req, blocks)
        base = {
            "id": whole["id"],
            "object": "chat.completion.chunk",
            "created": whole["created"],
            "model": req["model"],
        }
        choice = whole["choices"][0]
        yield None, {**base, "choices": [{"index": 0, "delta": choice["message"], "finish_reason": None}]}
        yield None, {**base, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
        yield None, {**base, "choices": [], "usage": whole["usage"]}
        yield None, "[DONE]"

    @staticmethod
    def error(status: int, message: str, code: str | None) -> dict:
        kind = {400: "invalid_request_error", 401: "invalid_request_error", 429: "rate_limit_error"}.get(
            status, "server_error"
        )
        return {
            "error": {
                "message": message,
                "type": code or kind,
                "param": None,
                "code": code or {401: "invalid_api_key", 429: "rate_limit_exceeded"}.get(status),
            }
        }
