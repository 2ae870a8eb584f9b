# ruff: noqa: E741, E501, B007, PYI034
#!/usr/bin/env python3
"""A scripted stand-in for a language-model API, for driving real coding-agent CLIs in tests.

It listens on loopback only and speaks four wire protocols, streamed (SSE) and plain:

    Anthropic Messages        POST …/messages            (+ …/messages/count_tokens)
    OpenAI Chat Completions   POST …/chat/completions
    OpenAI Responses          POST …/responses
    Gemini generateContent    POST …/models/<m>:generateContent | :streamGenerateContent | :countTokens

plus ``GET …/models``, ``HEAD`` and a 404 for everything else (all of it recorded).

**Scenario in the URL.**  The first path segment names a scenario, so one server serves many tests
at once and a CLI is pointed at a scenario by its base URL alone::

    http://127.0.0.1:8099/fix/v1/messages         scenario "fix"
    http://127.0.0.1:8099/flaky~t17/v1/messages   scenario "flaky", private counters under tag "t17"

**Scripts, not state.**  A scenario is a list of steps; a step is one model turn.  Which step comes
next is read off the *request*: it is the number of tool-calling assistant turns already in the
conversation.  Retries therefore get the same answer, and a CLI's side calls (titles, summaries,
routing) do not consume a step: a request that declares no tools gets ``plain`` instead, or, where it
asks for JSON by schema, a minimal instance of that schema.

    {"shell": "<command>"}                          run a command with the CLI's shell tool
    {"write": {"path": p, "content": c}}            create a file with its write tool
    {"edit":  {"path": p, "old": a, "new": b}}      replace text with its edit tool
    {"call":  {"name": n, "args": {...}}}           call exactly this tool
    {"text":  "<final answer>"}                     end the turn with text
    {"calls": [step, step, …]}                      several of the above in ONE assistant turn

``shell``/``write``/``edit`` are *intents*: the server looks at the tools the request declares, picks
the one that fits by name, and fills its parameters by its JSON schema, so one script drives every
CLI.  ``{cwd}`` inside a string is replaced by the working directory the CLI told the model about.
After the last step the last one repeats (so a script that ends in a tool call loops for ever).

**Failures.**  A scenario may set ``status`` (answer with this HTTP status), ``times`` (only for the
first N tool-bearing requests, then follow the steps), ``at_step`` (fail only at that step),
``hang`` (accept, never answer), ``stall`` (start the stream, then go silent), ``drop`` (start the
stream, then close the socket), ``garbage`` (200 with a body that is not the protocol), ``delay``
(seconds before each answer), ``retry_after`` (header value on errors).

Command line::

    fake_model.py [--port 0] [--scenarios extra.json] [--log requests.jsonl] [--dump DIR]

prints one line ``READY http://127.0.0.1:<port>`` once it accepts connections.  In-process::

    with FakeModel({"mine": {"steps": [...]}}) as m:
        run_cli(base_url=m.url("mine"));  assert m.requests[-1]["step"] == 1

Standard library only.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import os
import re
import shlex
import signal
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

# --------------------------------------------------------------------------- built-in scenarios

_FIX = "sed -i 's/return a - b/return a + b/' calc.py && python3 test_calc.py"
_DONE = "Fixed: add() subtracted; it now adds. The test passes."
_AIDER = (
    "add() subtracts; it should add.\n\ncalc.py\n```python\n<<<<<<< SEARCH\n    return a - b\n"
    "=======\n    return a + b\n>>>>>>> REPLACE\n```\n"
)
_MSWEA_END = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"

SCENARIOS: dict[str, dict[str, Any]] = {
    "fix": {"steps": [{"shell": _FIX}, {"text": _DONE}], "plain": "Fix add()"},
    "fix-edit": {
        "steps": [
            {"shell": "cat {cwd}/calc.py"},
            {"edit": {"path": "{cwd}/calc.py", "old": "return a - b", "new": "return a + b"}},
            {"text": _DONE},
        ]
    },
    "fix-write": {
        "steps": [
            {"write": {"path": "{cwd}/NOTES.txt", "content": "hello\n"}},
            {"shell": _FIX},
            {"text": _DONE},
        ]
    },
    "fix-aider": {"steps": [{"text": _AIDER}], "plain": _AIDER},
    "fix-mswea": {"steps": [{"shell": _FIX}, {"shell": _MSWEA_END}]},
    "two-calls": {"steps": [{"calls": [{"shell": "echo one"}, {"shell": "echo two"}]}, {"text": "both ran"}]},
    "text": {"steps": [{"text": "Nothing to do."}], "plain": "Nothing to do."},
    "loop": {"steps": [{"shell": "echo again"}]},
    "badcmd": {"steps": [{"shell": "echo to-stderr >&2; exit 7"}, {"text": "The command failed with 7."}]},
    # a tool that never returns, with a child that can be looked for afterwards by its argument
    # (not sleep(1): some CLIs refuse a bare long sleep)
    "sleeper": {"steps": [{"shell": "python3 -c 'import time; time.sleep(98765)'"}, {"text": "slept"}]},
    # a tool that leaves a background process behind in the same / in a new session
    "leave-bg": {
        "steps": [{"shell": "nohup sleep 98764 >/dev/null 2>&1 & echo started"}, {"text": "left one"}]
    },
    "leave-sid": {
        "steps": [{"shell": "setsid nohup sleep 98763 >/dev/null 2>&1 & echo started"}, {"text": "left one"}]
    },
    "e400": {"status": 400},
    "e401": {"status": 401},
    "e403": {"status": 403},
    "e404": {"status": 404},
    "e429": {"status": 429},
    "e500": {"status": 500},
    "e503": {"status": 503},
    "e529": {"status": 529},
    "quota": {
        "status": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "code": "insufficient_quota",
    },
    "overflow": {
        "status": 400,
        "message": "prompt is too long: 250000 tokens > 200000 maximum",
        "code": "context_length_exceeded",
    },
    "flaky": {"status": 500, "times": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "flaky429": {"status": 429, "times": 1, "retry_after": "1", "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "late500": {"status": 500, "at_step": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "late400": {"status": 400, "at_step": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "hang": {"hang": True},
    "stall": {"stall": True},
    "drop": {"drop": True},
    "garbage": {"garbage": True},
    "empty": {"steps": [{"text": ""}], "plain": ""},
}

USAGE = {"input": 1200, "output": 34, "cached": 200}  # what every answer claims to have used

# --------------------------------------------------------------------------- intents → tool calls

_TOOL_NAMES = {  # lower-cased names, best first
    "shell": [
        "bash",
        "shell",
        "exec_command",
        "shell_command",
        "local_shell",
        "run_shell_command",
        "execute",
        "execute_bash",
        "run_command",
        "developer__shell",
        "terminal",
    ],
    "write": ["write", "write_file", "create", "create_file", "str_replace_based_edit_tool"],
    "edit": ["edit", "replace", "edit_file", "str_replace", "str_replace_editor"],
}
_PARAM = {  # parameter name → which value of the intent it takes
    **dict.fromkeys(["command", "cmd", "script"], "command"),
    **dict.fromkeys(["file_path", "filepath", "path", "filename", "absolute_path"], "path"),
    **dict.fromkeys(["content", "contents", "file_text", "text"], "content"),
    **dict.fromkeys(["old_string", "oldstring", "old_str", "oldtext"], "old"),
    **dict.fromkeys(["new_string", "newstring", "new_str", "newtext"], "new"),
    **dict.fromkeys(["description", "instruction", "explanation"], "why"),
}


def minimal(schema: Any, root: Any = None) -> Any:
    """A smallest value that satisfies a JSON schema (the subset CLIs use)."""
    root = schema if root is None else root
    if not isinstance(schema, dict):
        return None
    if "$ref" in schema:
        node: Any = root
        for part in schema["$ref"].lstrip("#/").split("/"):
            node = node.get(part, {}) if isinstance(node, dict) else {}
        return minimal(node, root)
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return minimal(schema[key][0], root)
    kind = schema.get("type")
    kind = (
        kind[0] if isinstance(kind, list) else kind or ("object" if "properties" in schema else "string")
    ).lower()
    if kind == "object":
        props = schema.get("properties", {})
        return {k: minimal(props.get(k, {}), root) for k in schema.get("required", list(props))}
    if kind == "array":
        return [minimal(schema.get("items", {}), root) for _ in range(int(schema.get("minItems") or 0))]
    if kind in ("integer", "number"):
        return schema.get("minimum", 1)
    return {"boolean": False, "null": None}.get(kind, "x")


def _fill(schema: dict, values: dict) -> dict:
    """Arguments for a tool from its parameter schema and an intent's values."""
    props = schema.get("properties") or {}
    required = schema.get("required") or []
    args: dict[str, Any] = {}
    for name, sub in props.items():
        role = _PARAM.get(name.lower())
        if role in values:
            value = values[role]
            kinds = sub.get("type") if isinstance(sub, dict) else None
            if role == "command" and "array" in ([kinds] if isinstance(kinds, str) else kinds or []):
                value = ["bash", "-lc", value]
            args[name] = value
        elif name == "edits" and "old" in values:  # a list of replacements in one call
            args[name] = [
                {
                    k: values[_PARAM[k.lower()]]
                    for k in (sub.get("items", {}).get("properties") or {"oldText": 0, "newText": 0})
                    if _PARAM.get(k.lower()) in values
                }
            ]
        elif name in required:
            args[name] = minimal(sub)
    if not props:
        args = {"command": values["command"]} if "command" in values else dict(values)
    return args


def _patch(values: dict) -> str:
    """The apply_patch envelope for a write or edit intent."""
    path = values["path"]
    if "content" in values:
        body = "".join(f"+{line}\n" for line in values["content"].splitlines())
        return f"*** Begin Patch\n*** Add File: {path}\n{body}*** End Patch\n"
    body = "".join(f"-{l}\n" for l in values["old"].splitlines()) + "".join(
        f"+{l}\n" for l in values["new"].splitlines()
    )
    return f"*** Begin Patch\n*** Update File: {path}\n@@\n{body}*** End Patch\n"


def _by_shell(intent: str, values: dict) -> str:
    """A shell command that carries out a write or edit intent."""
    path = shlex.quote(values["path"])
    if intent == "write":
        return f"printf %s {shlex.quote(values['content'])} > {path}"
    code = "import sys; p, a, b = sys.argv[1:]; t = open(p).read(); assert a in t; open(p, 'w').write(t.replace(a, b, 1))"
    return f"python3 -c {shlex.quote(code)} {path} {shlex.quote(values['old'])} {shlex.quote(values['new'])}"


def resolve(step: dict, tools: list[dict], cwd: str) -> list[dict]:
    """A step → the blocks of one assistant turn: {"text": …} or {"name", "args"|"input", "kind"}."""
    if "calls" in step:
        return list(itertools.chain.from_iterable(resolve(s, tools, cwd) for s in step["calls"]))
    if "text" in step:
        return [{"text": step["text"]}]
    sub = lambda v: v.replace("{cwd}", cwd) if isinstance(v, str) else v  # noqa: E731
    if "call" in step:
        return [
            {
                "name": step["call"]["name"],
                "kind": "function",
                "args": {k: sub(v) for k, v in step["call"].get("args", {}).items()},
            }
        ]
    intent = next(k for k in ("shell", "write", "edit") if k in step)
    values = (
        {"command": sub(step["shell"])} if intent == "shell" else {k: sub(v) for k, v in step[intent].items()}
    )
    values["why"] = f"scripted {intent}"
    by_name = {t["name"].lower(): t for t in tools}
    for name in _TOOL_NAMES[intent]:
        if name in by_name:
            tool = by_name[name]
            return [{"name": tool["name"], "kind": "function", "args": _fill(tool["schema"], values)}]
    if intent != "shell" and "apply_patch" in by_name:
        tool, values["path"] = by_name["apply_patch"], os.path.basename(values["path"])
        if tool["kind"] == "custom":
            return [{"name": tool["name"], "kind": "custom", "input": _patch(values)}]
        return [
            {
                "name": tool["name"],
                "kind": "function",
                "args": {next(iter(tool["schema"].get("properties") or {"input": 0})): _patch(values)},
            }
        ]
    if intent != "shell":  # a CLI with nothing but a shell: do it there
        return resolve({"shell": _by_shell(intent, values)}, tools, cwd)
    return [{"text": f"(scripted model: no {intent} tool among {sorted(by_name)})"}]


# --------------------------------------------------------------------------- protocols
#
# Each protocol reads a request into the same small shape …
#     tools: [{"name", "schema", "kind"}]   turns: tool-calling assistant turns so far
#     stream: bool   model: str   schema: JSON schema the answer must follow, or None   text: all prompt text
# … and renders blocks as one JSON body or as SSE events (name or None, payload).

_ids = itertools.count(1)


def _uid(prefix: str) -> str:
    return f"{prefix}{next(_ids):08d}"


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, str):
        yield node
    elif isinstance(node, list):
        for item in node:
            yield from _texts(item)
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)


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
            "text": "\n".join(_texts([body.get("system"), body.get("messages")])),
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
            else {"type": "tool_use", "id": _uid("toolu_"), "name": b["name"], "input": b.get("args", {})}
            for b in blocks
        ]

    @classmethod
    def plain(cls, req: dict, blocks: list[dict]) -> dict:
        content = cls._blocks(blocks)
        stop = "tool_use" if any(c["type"] == "tool_use" for c in content) else "end_turn"
        return {
            "id": _uid("msg_"),
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
        return {"type": "error", "error": {"type": kind, "message": message}, "request_id": _uid("req_")}


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
            "text": "\n".join(_texts([m.get("content") for m in body.get("messages", [])])),
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
                "id": _uid("call_"),
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
            "id": _uid("chatcmpl-"),
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
            "text": "\n".join(_texts([body.get("instructions"), body.get("input")])),
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
                        "id": _uid("msg_"),
                        "role": "assistant",
                        "status": "completed",
                        "content": [{"type": "output_text", "text": b["text"], "annotations": []}],
                    }
                )
            elif b["kind"] == "custom":
                out.append(
                    {
                        "type": "custom_tool_call",
                        "id": _uid("ctc_"),
                        "call_id": _uid("call_"),
                        "status": "completed",
                        "name": b["name"],
                        "input": b["input"],
                    }
                )
            else:
                out.append(
                    {
                        "type": "function_call",
                        "id": _uid("fc_"),
                        "call_id": _uid("call_"),
                        "status": "completed",
                        "name": b["name"],
                        "arguments": json.dumps(b["args"]),
                    }
                )
        return out

    @classmethod
    def plain(cls, req: dict, blocks: list[dict]) -> dict:
        return {
            "id": _uid("resp_"),
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
            "text": "\n".join(_texts([body.get("systemInstruction"), body.get("contents")])),
        }

    @staticmethod
    def plain(req: dict, blocks: list[dict]) -> dict:
        parts = [
            {"text": b["text"]}
            if "text" in b
            else {"functionCall": {"id": _uid("fc"), "name": b["name"], "args": b.get("args", {})}}
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
            "responseId": _uid("resp"),
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


_CWD = re.compile(r"(?:[Ww]orking directory|<cwd>|[Cc]urrent directory|cwd)[^/\n]{0,40}(/[^\s<>'\"`,]+)")


# --------------------------------------------------------------------------- HTTP


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
        for i, (event, payload) in enumerate(proto.events(req, blocks)):
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

    def __enter__(self) -> FakeModel:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()


def main() -> int:
    ap = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    ap.add_argument("--port", type=int, default=0)
    ap.add_argument("--scenarios", help="JSON file of further scenarios, by name")
    ap.add_argument("--log", help="append one JSON line per request here")
    ap.add_argument("--dump", help="write every request body into this folder")
    args = ap.parse_args()
    extra = {}
    if args.scenarios:
        with open(args.scenarios, encoding="utf-8") as f:
            extra = json.load(f)
    done = threading.Event()
    for sig in (signal.SIGINT, signal.SIGTERM):
        signal.signal(sig, lambda *_: done.set())
    with FakeModel(extra, port=args.port, log=args.log, dump=args.dump) as fake:
        print(f"READY {fake.base}", flush=True)
        done.wait()
    return 0


if __name__ == "__main__":
    sys.exit(main())
