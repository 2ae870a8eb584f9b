"""Qwen Code: `qwen -o json` with the prompt on stdin. Measured against 0.15.10.

One JSON array, printed at the end: a killed run says nothing. A failed model is `is_error: false`, exit code 0 and a
result that begins with `[API Error:`; that prefix and its count of API errors are the only signs.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json, JsonObject
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import ERROR_CHARS_MAX, at, count, items, known, last_value, table, text
from kazid.ports.harness import Report

APPROVAL_MODE = "yolo"
ERROR_PREFIX = "[API Error:"


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch."""
    flags = ["-o", "json", "--approval-mode", choice.permission_mode or APPROVAL_MODE]
    if choice.model is not None:
        flags += ["-m", choice.model]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The `result` object at the end of the array."""
    messages = [table(m) for m in items(last_value(stdout, "["))]
    last = next((m for m in reversed(messages) if m.get("type") == "result"), None)
    if last is None:
        return Report()
    said = text(last.get("result"))
    models = table(at(last, "stats", "models"))
    is_error = last.get("is_error") is True or (said or "").startswith(ERROR_PREFIX) or _failed(models)
    return Report(
        text=None if is_error else said,
        session_id=text(last.get("session_id")),
        usage=_usage(table(last.get("usage"))),
        is_error=is_error,
        error=(said or text(at(last, "error", "message")) or "no reason given")[:ERROR_CHARS_MAX]
        if is_error
        else None,
        denials=tuple(
            text(at(d, "tool_name")) or "a tool" for d in items(last.get("permission_denials"))[:20]
        ),
        turns=count(last.get("num_turns")),
        tools=_tools(at(last, "stats", "tools", "byName")),
        model=next(iter(models), None),
    )


def _failed(models: JsonObject) -> bool:
    """True when no request to any model succeeded."""
    asked = [
        (count(at(m, "api", "totalRequests")) or 0, count(at(m, "api", "totalErrors")) or 0)
        for m in models.values()
    ]
    return sum(n for n, _ in asked) > 0 and all(n == errors for n, errors in asked)


def _tools(by_name: Json) -> dict[str, int]:
    return {name: n for name, each in table(by_name).items() if (n := count(at(each, "count"))) is not None}


def _usage(usage: JsonObject) -> Usage | None:
    """Its `input_tokens` contain the cached ones."""
    whole, cached = count(usage.get("input_tokens")), count(usage.get("cache_read_input_tokens"))
    return known(
        Usage(
            input_tokens=None if whole is None else max(0, whole - (cached or 0)),
            cached_input_tokens=cached,
            output_tokens=count(usage.get("output_tokens")),
        )
    )


QWEN = Profile(
    id="qwen",
    command="qwen",
    arguments=arguments,
    read=read,
    env_names=("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL", "DASHSCOPE_API_KEY", "QWEN_API_KEY"),
    credentials=("OPENAI_API_KEY", "DASHSCOPE_API_KEY", "QWEN_API_KEY"),
    config_homes=("QWEN_HOME",),
    config_folders=(".qwen",),
    tier=Tier.PARTIAL,
    lacks=("cost", "a model that answers 429 or 500: it retries for minutes"),
    takes=("model", "permission_mode"),
)
