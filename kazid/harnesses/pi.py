"""pi: `pi -p --mode json` with the prompt on stdin. Measured against 0.74.2.

Exit code 0 after a failed model, too: the last assistant message's `stopReason` tells. Usage comes with each message,
so the ended messages are added up.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import JsonObject
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import (
    ERROR_CHARS_MAX,
    amount,
    at,
    count,
    items,
    known,
    objects,
    table,
    tallied,
    text,
    total,
)
from kazid.ports.harness import Report


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch; the model may be named `provider/model`."""
    flags = ["-p", "--mode", "json"]
    if choice.allowed_tools:
        flags += ["--tools", ",".join(choice.allowed_tools)]
    if choice.model is not None:
        flags += ["--model", choice.model]
    if choice.effort is not None:
        flags += ["--thinking", choice.effort]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The last assistant message, and the sum over all of them."""
    session_id: str | None = None
    messages: list[JsonObject] = []
    calls: list[str | None] = []
    for line in objects(stdout):
        message = table(line.get("message"))
        match line.get("type"):
            case "session":
                session_id = text(line.get("id"))
            case "message_end" if message.get("role") == "assistant":
                messages.append(message)
            case "tool_execution_start":
                calls.append(text(line.get("toolName")))
            case _:
                continue
    last = messages[-1] if messages else None
    is_error = last is not None and last.get("stopReason") == "error"
    said = None if last is None else "".join(text(at(c, "text")) or "" for c in items(last.get("content")))
    return Report(
        text=None if is_error else (said or None),
        session_id=session_id,
        usage=_usage(messages),
        is_error=is_error,
        error=(text(at(last, "errorMessage")) or "an error without a word")[:ERROR_CHARS_MAX]
        if is_error
        else None,
        turns=len(messages) or None,
        tools=tallied(iter(calls)),
        model=None if last is None else text(last.get("model")),
    )


def _usage(messages: list[JsonObject]) -> Usage | None:
    costs = [c for m in messages if (c := amount(at(m, "usage", "cost", "total"))) is not None]
    return known(
        Usage(
            input_tokens=total([count(at(m, "usage", "input")) for m in messages]),
            cached_input_tokens=total([count(at(m, "usage", "cacheRead")) for m in messages]),
            cache_write_tokens=total([count(at(m, "usage", "cacheWrite")) for m in messages]),
            output_tokens=total([count(at(m, "usage", "output")) for m in messages]),
            cost_usd=sum(costs) if costs else None,
        )
    )


PI = Profile(
    id="pi",
    command="pi",
    arguments=arguments,
    read=read,
    env={"PI_SKIP_VERSION_CHECK": "1"},
    env_names=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY", "PI_OFFLINE",
    ),
    credentials=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "GROQ_API_KEY",
    ),
    config_homes=("PI_CODING_AGENT_DIR",),
    config_folders=(".pi/agent",),
    tier=Tier.FULL,
    lacks=("refused tool calls",),
    takes=("model", "effort", "allowed_tools"),
)  # fmt: skip
