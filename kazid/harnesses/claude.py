"""Claude Code: `claude -p` with the prompt on stdin, and its stream-json output.

Measured against 2.1.197 and 2.1.329. Exit code and `subtype` do not tell success (`subtype` stays `success` on API
errors, a refused tool exits 0, an interrupt exits 0): `is_error` does, and only for the conversation, not the work.
"""

from collections.abc import Mapping

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json, JsonObject
from kazid.harnesses import trouble
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import (
    EMPTY,
    ERROR_CHARS_MAX,
    amount,
    at,
    count,
    is_list,
    items,
    known,
    objects,
    table,
    tallied,
    text,
)
from kazid.ports.harness import Report

PERMISSION_MODE = "acceptEdits"
"""With the allowed tools it needs neither root's IS_SANDBOX nor anybody at a terminal."""

ALLOWED_TOOLS = ("Bash", "Edit", "Write", "Read")
TURNS_MAX = 200
"""A smallest change takes tens of turns; this ends a loop of cheap tool calls long before the total deadline."""

RETRIES_MAX = 3
"""Of a failing model. The default of 10 takes over 150 s, and a 401 is retried as well; kazid has its own backoff."""

DENIALS_MAX = 20
DENIAL_CHARS_MAX = 200


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch, without the prompt."""
    flags = [
        "-p",
        "--output-format", "stream-json",
        "--verbose",
        "--permission-mode", choice.permission_mode or PERMISSION_MODE,
        "--allowedTools", ",".join(choice.allowed_tools or ALLOWED_TOOLS),
        "--max-turns", str(TURNS_MAX),
    ]  # fmt: skip
    if choice.model is not None:
        flags += ["--model", choice.model]
    if choice.effort is not None:
        flags += ["--effort", choice.effort]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The last `result` object; without one, only the session is known and nothing is claimed.

    Usage of single messages is not added up: their output counts are placeholders, and a partial sum would charge
    less than the reservation that stands in for a missing report.
    """
    last: JsonObject | None = None
    began: JsonObject = EMPTY
    session_id: str | None = None
    calls: list[str | None] = []
    for message in objects(stdout):
        session_id = text(message.get("session_id")) or session_id
        match message.get("type"):
            case "result":
                last = message
            case "system" if message.get("subtype") == "init":
                began = message
            case "assistant":
                parts = [table(part) for part in items(at(message, "message", "content"))]
                calls += [text(part.get("name")) for part in parts if part.get("type") == "tool_use"]
            case _:
                continue
    model, version = text(began.get("model")), text(began.get("claude_code_version"))
    tools = tallied(iter(calls))
    if last is None:
        return Report(session_id=session_id, model=model, version=version, tools=tools)
    is_error = last.get("is_error") is True
    said = text(last.get("result"))
    return Report(
        text=None if is_error else said,
        session_id=text(last.get("session_id")) or session_id,
        usage=_usage(last),
        is_error=is_error,
        error=_error(last, said)[:ERROR_CHARS_MAX] if is_error else None,
        denials=_denials(last.get("permission_denials")),
        turns=count(last.get("num_turns")),
        tools=tools,
        model=model,
        version=version,
        trouble=trouble.by_status(count(last.get("api_error_status")), said) if is_error else None,
    )


def _error(result: JsonObject, said: str | None) -> str:
    """What went wrong, in the agent's words where it has any; limits come as `errors` without a `result`."""
    errors = result.get("errors")
    listed = "; ".join(e for e in errors if isinstance(e, str)) if is_list(errors) else ""
    words = (
        said
        or listed
        or text(result.get("terminal_reason"))
        or text(result.get("subtype"))
        or "no reason given"
    )
    status = count(result.get("api_error_status"))
    return words if status is None or str(status) in words else f"API error {status}: {words}"


def _usage(result: JsonObject) -> Usage | None:
    """Tokens by class and cost, as far as each was reported."""
    reported = result.get("usage")
    classes: Mapping[str, Json] = reported if isinstance(reported, Mapping) else {}
    usage = Usage(
        input_tokens=count(classes.get("input_tokens")),
        cached_input_tokens=count(classes.get("cache_read_input_tokens")),
        cache_write_tokens=count(classes.get("cache_creation_input_tokens")),
        output_tokens=count(classes.get("output_tokens")),
        cost_usd=amount(result.get("total_cost_usd")),
    )
    return known(usage)


def _denials(listed: Json) -> tuple[str, ...]:
    """Each refused tool call as `Bash: the command`, bounded."""
    if not is_list(listed):
        return ()
    denials: list[str] = []
    for entry in listed[:DENIALS_MAX]:
        if not isinstance(entry, Mapping):
            continue
        tool = text(entry.get("tool_name")) or "a tool"
        given = entry.get("tool_input")
        subject: Json = None
        if isinstance(given, Mapping):
            subject = given.get("command") or given.get("file_path")
        denials.append(f"{tool}: {subject}"[:DENIAL_CHARS_MAX] if isinstance(subject, str) else tool)
    return tuple(denials)


CLAUDE = Profile(
    id="claude",
    command="claude",
    arguments=arguments,
    read=read,
    env={
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": str(RETRIES_MAX),
    },
    env_names=(
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_BASE_URL", "ANTHROPIC_CUSTOM_HEADERS",
        "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK", "CLAUDE_CODE_USE_VERTEX",
        "AWS_PROFILE", "AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
        "GOOGLE_APPLICATION_CREDENTIALS", "ANTHROPIC_VERTEX_PROJECT_ID", "CLOUD_ML_REGION",
        "IS_SANDBOX",
    ),
    credentials=(
        "ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "CLAUDE_CODE_OAUTH_TOKEN", "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_USE_VERTEX",
    ),
    config_homes=("CLAUDE_CONFIG_DIR", "XDG_CONFIG_HOME"),
    config_folders=(".claude", ".claude.json"),
    cost_flag="--max-budget-usd",
    tier=Tier.FULL,
    takes=("model", "effort", "permission_mode", "allowed_tools"),
)  # fmt: skip
"""The first agent. Its retries of an HTTP 400 cannot be turned off (six requests in 2.1.329)."""
