"""OpenAI Responses: POST …/responses."""

import itertools
import json
import time
from collections.abc import Iterator
from typing import Any

from tests.agents.fake_model.chat import Chat
from tests.agents.fake_model.protocol import USAGE, new_id, texts_in


class Responses:
    name = "responses"

    @staticmethod
    def read(body: dict, path: str) -> dict:
        tools: list[dict] = []

        def walk(items: list) -> None:
            for t in items or []:
                kind = t.get("type")
                if kind == "namespace":
                    walk(t.get("tools") or [])
                elif kind in ("function", "custom") and "name" in t:
                    tools.append({"name": t["name"], "schema": t.get("parameters") or {}, "kind": kind})
                elif kind == "local_shell":
                    tools.append(
                        {
                            "name": "local_shell",
                            "kind": kind,
                            "schema": {"properties": {"command": {"type": "array"}}, "required": ["command"]},
                        }
                    )

        walk(body.get("tools") or [])
        items = body.get("input") if isinstance(body.get("input"), list) else []
        is_call = [
            it.get("type") in ("function_call", "custom_tool_call", "local_shell_call") for it in items
        ]
        # calls of one turn stand next to each other: count the groups
        turns = sum(1 for i, c in enumerate(is_call) if c and not (i and is_call[i - 1]))
        fmt = (body.get("text") or {}).get("format") or {}
        return {
            "tools": tools,
            "turns": turns,
            "stream": bool(body.get("stream")),
            "model": body.get("model", "?"),
            "schema": fmt.get("schema"),
            "text": "\n".join(texts_in([body.get("instructions"), body.get("input")])),
        }

    @staticmethod
    def _usage() -> dict:
        return {
            "input_tokens": USAGE["input"],
            "input_tokens_details": {"cached_tokens": USAGE["cached"]},
            "output_tokens": USAGE["output"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": USAGE["input"] + USAGE["output"],
        }

    @staticmethod
    def _items(blocks: list[dict]) -> list[dict]:
        out = []
        for b in blocks:
            if "text" in b:
                out.append(
                    {
                        "type": "message",
                        "id": new_id("msg_"),
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": b["text"], "annotations": []}],
                    }
                )
            elif b["kind"] == "custom":
                out.append(
                    {
                        "type": "custom_tool_call",
                        "id": new_id("ctc_"),
                        "call_id": new_id("call_"),
                        "status": "completed",
                        "name": b["name"],
                        "input": b["input"],
                    }
                )
            else:
                out.append(
                    {
                        "type": "function_call",
                        "id": new_id("fc_"),
                        "call_id": new_id("call_"),
                        "status": "completed",
                        "name": b["name"],
                        "arguments": json.dumps(b["args"]),
                    }
                )
        return out

    @classmethod
    def plain(cls, req: dict, blocks: list[dict]) -> dict:
        return {
            "id": new_id("resp_"),
            "object": "response",
            "created_at": int(time.time()),
            "status": "completed",
            "model": req["model"],
            "output": cls._items(blocks),
            "usage": cls._usage(),
            "error": None,
            "incomplete_details": None,
            "parallel_tool_calls": True,
            "tools": [],
            "metadata": {},
        }

    @classmethod
    def events(cls, req: dict, blocks: list[dict]) -> Iterator[tuple[str | None, Any]]:
        whole = cls.plain(req, blocks)
        seq = itertools.count()
        ev = lambda kind, **kw: (kind, {"type": kind, "sequence_number": next(seq), **kw})  # noqa: E731
        yield ev("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None})
        for i, item in enumerate(whole["output"]):
            where = {"output_index": i, "item_id": item["id"]}
            if item["type"] == "message":
                text = item["content"][0]["text"]
                part = {"type": "output_text", "text": "", "annotations": []}
                yield ev(
                    "response.output_item.added",
                    output_index=i,
                    item={**item, "content": [], "status": "in_progress"},
                )
                yield ev("response.content_part.added", content_index=0, part=part, **where)
                yield ev("response.output_text.delta", content_index=0, delta=text, logprobs=[], **where)
                yield ev("response.output_text.done", content_index=0, text=text, logprobs=[], **where)
                yield ev("response.content_part.done", content_index=0, part={**part, "text": text}, **where)
            elif item["type"] == "function_call":
                yield ev(
                    "response.output_item.added",
                    output_index=i,
                    item={**item, "arguments": "", "status": "in_progress"},
                )
                yield ev("response.function_call_arguments.delta", delta=item["arguments"], **where)
                yield ev("response.function_call_arguments.done", arguments=item["arguments"], **where)
            else:
                yield ev(
                    "response.output_item.added",
                    output_index=i,
                    item={**item, "input": "", "status": "in_progress"},
                )
            yield ev("response.output_item.done", output_index=i, item=item)
        yield ev("response.completed", response=whole)

    error = Chat.error
