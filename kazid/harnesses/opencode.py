"""opencode: `opencode run --format json` with the prompt on stdin. Measured against 1.18.33.

Its tokens and costs come with each step and are added up; costs are zero unless its configuration has prices. On a
model that answers 429 or 500 it prints nothing and never ends: only a timeout ends it.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import JsonObject
from kazid.harnesses import trouble
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import (
    ERROR_CHARS_MAX,
    TEXT_CHARS_MAX,
    amount,
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


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch; the model is named `provider/model`."""
    flags = ["run", "--format", "json"]
    if choice.model is not None:
        flags += ["--model", choice.model]
    if choice.effort is not None:
        flags += ["--variant", choice.effort]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The text parts in order, the sum of the steps, and the last error."""
    session_id: str | None = None
    said: list[str] = []
    steps: list[JsonObject] = []
    calls: list[str | None] = []
    failure: JsonObject | None = None
    for line in objects(stdout):
        session_id = session_id or text(line.get("sessionID"))
        part = table(line.get("part"))
        match line.get("type"):
            case "text":
                said.append(text(part.get("text")) or "")
            case "step_finish":
                steps.append(part)
                failure = None
            case "tool_use":
                calls.append(text(part.get("tool")))
            case "error":
                failure = table(line.get("error"))
            case _:
                continue
    words = None if failure is None else text(at(failure, "data", "message")) or text(failure.get("name"))
    status = None if failure is None else count(at(failure, "data", "statusCode"))
    return Report(
        text=None if failure is not None else ("\n".join(said)[:TEXT_CHARS_MAX] or None),
        session_id=session_id,
        usage=_usage(steps),
        is_error=failure is not None,
        error=None if failure is None else (words or "an error without a word")[:ERROR_CHARS_MAX],
        turns=len(steps) or None,
        tools=tallied(iter(calls)),
        trouble=None if failure is None else trouble.by_status(status, words),
    )


def _usage(steps: list[JsonObject]) -> Usage | None:
    costs = [c for s in steps if (c := amount(s.get("cost"))) is not None]
    return known(
        Usage(
            input_tokens=total([count(at(s, "tokens", "input")) for s in steps]),
            cached_input_tokens=total([count(at(s, "tokens", "cache", "read")) for s in steps]),
            cache_write_tokens=total([count(at(s, "tokens", "cache", "write")) for s in steps]),
            output_tokens=total(
                [count(at(s, "tokens", kind)) for s in steps for kind in ("output", "reasoning")]
            ),
            cost_usd=sum(costs) if costs and sum(costs) > 0 else None,
        )
    )


OPENCODE = Profile(
    id="opencode",
    command="opencode",
    arguments=arguments,
    read=read,
    env={
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    },
    env_names=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY",
        "OPENCODE_API_KEY", "OPENCODE_CONFIG", "OPENCODE_CONFIG_CONTENT",
    ),
    credentials=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "GROQ_API_KEY",
        "OPENCODE_API_KEY",
    ),
    config_homes=("OPENCODE_CONFIG_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
    config_folders=(".local/share/opencode", ".config/opencode"),
    tier=Tier.FULL,
    lacks=("cost, unless its configuration has prices", "a model that answers 429 or 500: it prints nothing"),
    takes=("model", "effort"),
)  # fmt: skip
