"""Gemini: POST …/models/<m>:generateContent and :streamGenerateContent."""

import re
from collections.abc import Iterator
from typing import Any

from tests.agents.fake_model.protocol import USAGE, new_id, texts_in


class Gemini:
    name = "gemini"

    @staticmethod
    def read(body: dict, path: str) -> dict:
        tools = [
            {
                "name": f["name"],
                "schema": f.get("parametersJsonSchema") or f.get("parameters") or {},
                "kind": "function",
            }
            for t in body.get("tools") or []
            for f in t.get("functionDeclarations") or []
        ]
        cfg = body.get("generationConfig") or {}
        turns = sum(
            1
            for c in body.get("contents") or []
            if c.get("role") == "model" and any("functionCall" in p for p in c.get("parts") or [])
        )
        schema = cfg.get("responseJsonSchema") or cfg.get("responseSchema")
        if schema is None and cfg.get("responseMimeType") == "application/json":
            schema = {}
        found = re.search(r"models/([^:/?]+):", path)
        return {
            "tools": tools,
            "turns": turns,
            "stream": ":streamGenerateContent" in path,
            "model": found.group(1) if found else "?",
            "schema": schema,
            "text": "\n".join(texts_in([body.get("systemInstruction"), body.get("contents")])),
        }

    @staticmethod
    def plain(req: dict, blocks: list[dict]) -> dict:
        parts = [
            {"text": b["text"]}
            if "text" in b
            else {"functionCall": {"id": new_id("fc"), "name": b["name"], "args": b.get("args", {})}}
            for b in blocks
        ]
        return {
            "candidates": [
                {"index": 0, "content": {"role": "model", "parts": parts}, "finishReason": "STOP"}
            ],
            "usageMetadata": {
                "promptTokenCount": USAGE["input"],
                "candidatesTokenCount": USAGE["output"],
                "cachedContentTokenCount": USAGE["cached"],
                "totalTokenCount": USAGE["input"] + USAGE["output"],
            },
            "modelVersion": req["model"],
            "responseId": new_id("resp"),
        }

    @classmethod
    def events(cls, req: dict, blocks: list[dict]) -> Iterator[tuple[str | None, Any]]:
        yield None, cls.plain(req, blocks)

    @staticmethod
    def error(status: int, message: str, code: str | None) -> dict:
        kind = {
            400: "INVALID_ARGUMENT",
            401: "UNAUTHENTICATED",
            403: "PERMISSION_DENIED",
            404: "NOT_FOUND",
            429: "RESOURCE_EXHAUSTED",
            503: "UNAVAILABLE",
        }.get(status, "INTERNAL")
        return {"error": {"code": status, "message": message, "status": kind}}
