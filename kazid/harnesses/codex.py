"""Codex: `codex exec --json` with the prompt on stdin. Measured against 0.169.0.

Lines of type `error` are retries, and an `item` of type `error` is a warning: only `turn.failed` says that it failed. A
tool call that is refused before it runs leaves nothing in the output. It never tells a cost.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import JsonObject
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import (
    ERROR_CHARS_MAX,
    at,
    count,
    known,
    objects,
    table,
    tallied,
    text,
    total,
)
from kazid.ports.harness import Report

SANDBOX = "workspace-write"
"""Without a flag it may only read, and an edit fails silently with exit code 0."""

BYPASS = "bypass"
"""The `permission_mode` that switches its own sandbox off, for where kazid's stands around it."""

TOOL_ITEMS = ("command_execution", "file_change", "mcp_tool_call", "web_search")


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch; `-` reads the prompt from stdin."""
    flags = ["exec", "--json", "--skip-git-repo-check"]
    if choice.permission_mode == BYPASS:
        flags.append("--dangerously-bypass-approvals-and-sandbox")
    else:
        flags += ["--sandbox", choice.permission_mode or SANDBOX]
    if choice.model is not None:
        flags += ["--model", choice.model]
    if choice.effort is not None:
        flags += ["-c", f'model_reasoning_effort="{choice.effort}"']
    return (*flags, "-")


def read(stdout: str) -> Report:
    """The last message, the last turn's usage and its failure."""
    session_id: str | None = None
    said: str | None = None
    error: str | None = None
    is_error = False
    turns = 0
    usages: list[JsonObject] = []
    calls: list[str | None] = []
    for line in objects(stdout):
        item = table(line.get("item"))
        match line.get("type"):
            case "thread.started":
                session_id = text(line.get("thread_id"))
            case "item.completed" if item.get("type") == "agent_message":
                said = text(item.get("text")) or said
            case "item.completed" if item.get("type") in TOOL_ITEMS:
                calls.append(text(item.get("type")))
            case "turn.completed":
                turns += 1
                usages.append(table(line.get("usage")))
                is_error, error = False, None
            case "turn.failed":
                turns += 1
                is_error, error = True, text(at(line, "error", "message"))
            case _:
                continue
    return Report(
        text=None if is_error else said,
        session_id=session_id,
        usage=_usage(usages),
        is_error=is_error,
        error=(error or "the turn failed without a word")[:ERROR_CHARS_MAX] if is_error else None,
        turns=turns or None,
        tools=tallied(iter(calls)),
    )


def _usage(usages: list[JsonObject]) -> Usage | None:
    """The turns' sum; its `input_tokens` contain the cached ones."""
    whole = total([count(u.get("input_tokens")) for u in usages])
    cached = total([count(u.get("cached_input_tokens")) for u in usages])
    return known(
        Usage(
            input_tokens=None if whole is None else max(0, whole - (cached or 0)),
            cached_input_tokens=cached,
            cache_write_tokens=total([count(u.get("cache_write_input_tokens")) for u in usages]),
            output_tokens=total([count(u.get("output_tokens")) for u in usages]),
        )
    )


CODEX = Profile(
    id="codex",
    command="codex",
    arguments=arguments,
    read=read,
    env_names=("OPENAI_API_KEY", "CODEX_API_KEY", "OPENAI_BASE_URL", "OPENAI_ORGANIZATION", "OPENAI_PROJECT"),
    credentials=("OPENAI_API_KEY", "CODEX_API_KEY"),
    config_homes=("CODEX_HOME",),
    config_folders=(".codex",),
    tier=Tier.PARTIAL,
    lacks=("cost", "refused tool calls"),
    takes=("model", "effort", "permission_mode"),
)
