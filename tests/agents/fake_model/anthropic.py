"""Anthropic Messages: POST …/messages."""

import json
from collections.abc import Iterator
from typing import Any

from tests.agents.fake_model.protocol import USAGE, new_id, texts_in


class Anthropic:
    name = "anthropic"

    @staticmethod
    def read(body: dict, path: str) -> dict:
        turns = sum(
            1
            for m in body.get("messages", [])
            if m.get("role") == "assistant"
            and isinstance(m.get("content"), list)
            and any(b.get("type") == "tool_use" for b in m["content"] if isinstance(b, dict))
        )
        fmt = body.get("output_format") or (body.get("output_config") or {}).get("format") or {}
        return {
            "tools": [
                {"name": t["name"], "schema": t.get("input_schema") or {}, "kind": "function"}
                for t in body.get("tools") or []
                if "name" in t and "input_schema" in t
            ],
            "turns": turns,
            "stream": bool(body.get("stream")),
            "model": body.get("model", "?"),
            "schema": fmt.get("schema"),
            "text": "\n".join(texts_in([body.get("system"), body.get("messages")])),
        }

    @staticmethod
    def _usage() -> dict:
        return {
            "input_tokens": USAGE["input"] - USAGE["cached"],
            "output_tokens": USAGE["output"],
            "cache_read_input_tokens": USAGE["cached"],
            "cache_creation_input_tokens": 0,
        }

    @classmethod
    def _blocks(cls, blocks: list[dict]) -> list[dict]:
        return [
            {"type": "text", "text": b["text"]}
            if "text" in b
            else {"type": "tool_use", "id": new_id("toolu_"), "name": b["name"], "input": b.get("args", {})}
            for b in blocks
        ]

    @classmethod
    def plain(cls, req: dict, blocks: list[dict]) -> dict:
        content = cls._blocks(blocks)
        stop = "tool_use" if any(c["type"] == "tool_use" for c in content) else "end_turn"
        return {
            "id": new_id("msg_"),
            "type": "message",
            "role": "assistant",
            "model": req["model"],
            "content": content,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": cls._usage(),
        }

    @classmethod
    def events(cls, req: dict, blocks: list[dict]) -> Iterator[tuple[str | None, Any]]:
        whole = cls.plain(req, blocks)
        usage = dict(whole["usage"])
        yield (
            "message_start",
            {
                "type": "message_start",
                "message": {
                    **whole,
                    "content": [],
                    "stop_reason": None,
                    "usage": {**usage, "output_tokens": 1},
                },
            },
        )
        for i, c in enumerate(whole["content"]):
            if c["type"] == "text":
                yield (
                    "content_block_start",
                    {
                        "type": "content_block_start",
                        "index": i,
                        "content_block": {"type": "text", "text": ""},
                    },
                )
                yield (
                    "content_block_delta",
                    {
                        "type": "content_block_delta",
                        "index": i,
                        "delta": {"type": "text_delta", "text": c["text"]},
                    },
                )
            else:
                yield (
                    "content_block_start",
                    {"type": "content_block_start", "index": i, "content_block": {**c, "input": {}}},
                )
                yield (
                    "content_block_delta",
                    {
                        "type": "content_block_delta",
                        "index": i,
                        "delta": {"type": "input_json_delta", "partial_json": json.dumps(c["input"])},
                    },
                )
            yield "content_block_stop", {"type": "content_block_stop", "index": i}
        yield (
            "message_delta",
            {
                "type": "message_delta",
                "delta": {"stop_reason": whole["stop_reason"], "stop_sequence": None},
                "usage": usage,
            },
        )
        yield "message_stop", {"type": "message_stop"}

    @staticmethod
    def error(status: int, message: str, code: str | None) -> dict:
        kind = {
            400: "invalid_request_error",
            401: "authentication_error",
            403: "permission_error",
            404: "not_found_error",
            429: "rate_limit_error",
            529: "overloaded_error",
        }.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": new_id("req_")}
