"""Gemini CLI: `gemini -o stream-json` with the prompt on stdin. Measured against 0.61.0.

The plain `-o json` prints an error on stderr only, so its stream is read. Its exit code on an error is the HTTP status
modulo 256, and after a SIGTERM it is 0: neither is evidence.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import JsonObject
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import (
    ERROR_CHARS_MAX,
    TEXT_CHARS_MAX,
    at,
    count,
    known,
    objects,
    table,
    tallied,
    text,
)
from kazid.ports.harness import Report

APPROVAL_MODE = "yolo"
"""Anything less asks, and nobody answers."""


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch."""
    flags = ["-o", "stream-json", "--approval-mode", choice.permission_mode or APPROVAL_MODE]
    if choice.model is not None:
        flags += ["-m", choice.model]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The assistant's pieces together, and the `result` line."""
    session_id: str | None = None
    model: str | None = None
    pieces: list[str] = []
    calls: list[str | None] = []
    last: JsonObject | None = None
    for line in objects(stdout):
        match line.get("type"):
            case "init":
                session_id, model = text(line.get("session_id")), text(line.get("model"))
            case "message" if line.get("role") == "assistant":
                pieces.append(text(line.get("content")) or "")
            case "tool_use":
                calls.append(text(line.get("tool_name")))
                pieces.clear()  # what comes after the last tool call is the answer
            case "result":
                last = line
            case _:
                continue
    if last is None:
        return Report(session_id=session_id, model=model, tools=tallied(iter(calls)))
    is_error = last.get("status") == "error"
    words = text(at(last, "error", "message")) or text(at(last, "error", "type"))
    return Report(
        text=None if is_error else ("".join(pieces)[:TEXT_CHARS_MAX] or None),
        session_id=session_id,
        usage=_usage(table(last.get("stats"))),
        is_error=is_error,
        error=(words or "an error without a word")[:ERROR_CHARS_MAX] if is_error else None,
        tools=tallied(iter(calls)),
        model=model,
    )


def _usage(stats: JsonObject) -> Usage | None:
    """Its `input_tokens` contain the cached ones."""
    whole, cached = count(stats.get("input_tokens")), count(stats.get("cached"))
    return known(
        Usage(
            input_tokens=None if whole is None else max(0, whole - (cached or 0)),
            cached_input_tokens=cached,
            output_tokens=count(stats.get("output_tokens")),
        )
    )


GEMINI_CLI = Profile(
    id="gemini_cli",
    command="gemini",
    arguments=arguments,
    read=read,
    env={"GEMINI_CLI_TRUST_WORKSPACE": "true", "GEMINI_CLI_NO_RELAUNCH": "true"},
    env_names=(
        "GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GEMINI_BASE_URL", "GOOGLE_GENAI_USE_VERTEXAI",
        "GOOGLE_GENAI_USE_GCA", "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_LOCATION",
    ),
    credentials=("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"),
    config_homes=("GEMINI_CLI_HOME",),
    config_folders=(".gemini",),
    tier=Tier.PARTIAL,
    lacks=("cost", "a model that answers 429 or 500: it retries for minutes"),
    takes=("model", "permission_mode"),
)  # fmt: skip
