"""GitHub Copilot CLI: `copilot --output-format json` with the prompt on stdin. Measured against 1.0.102.

Most of its lines are ephemeral noise. The `result` line has no tokens, only how many premium requests were used, so
budgets charge what was reserved.
"""

from kazid.core.goal import HarnessChoice
from kazid.core.json import JsonObject
from kazid.harnesses import trouble
from kazid.harnesses.profile import Profile, Tier
from kazid.harnesses.reading import ERROR_CHARS_MAX, count, objects, table, tallied, text
from kazid.ports.harness import Report


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch."""
    allowed = [flag for tool in choice.allowed_tools for flag in ("--allow-tool", tool)]
    flags = [*(allowed or ["--allow-all-tools"]), "--output-format", "json"]
    if choice.model is not None:
        flags += ["--model", choice.model]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The last message with words, the session's last error and its result line."""
    said: str | None = None
    session_id: str | None = None
    model: str | None = None
    turns = 0
    calls: list[str | None] = []
    failure: JsonObject | None = None
    for line in objects(stdout):
        content = table(line.get("data"))
        match line.get("type"):
            case "assistant.message":
                said = text(content.get("content")) or said
                model = text(content.get("model")) or model
            case "assistant.turn_start":
                turns += 1
                failure = None
            case "tool.execution_start":
                calls.append(text(content.get("toolName")))
            case "session.error":
                failure = content
            case "result":
                session_id = text(line.get("sessionId"))
            case _:
                continue
    words = None if failure is None else text(failure.get("message")) or text(failure.get("errorType"))
    status = None if failure is None else count(failure.get("statusCode"))
    return Report(
        text=None if failure is not None else said,
        session_id=session_id,
        is_error=failure is not None,
        error=None if failure is None else (words or "an error without a word")[:ERROR_CHARS_MAX],
        turns=turns or None,
        tools=tallied(iter(calls)),
        model=model,
        trouble=None if failure is None else trouble.by_status(status, words),
    )


COPILOT = Profile(
    id="copilot",
    command="copilot",
    arguments=arguments,
    read=read,
    env={"COPILOT_AUTO_UPDATE": "false"},
    env_names=(
        "COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_PROVIDER_BASE_URL", "COPILOT_PROVIDER_TYPE",
        "COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BEARER_TOKEN", "COPILOT_MODEL", "COPILOT_OFFLINE",
    ),
    credentials=(
        "COPILOT_GITHUB_TOKEN", "GH_TOKEN", "GITHUB_TOKEN", "COPILOT_PROVIDER_API_KEY", "COPILOT_PROVIDER_BEARER_TOKEN",
    ),
    config_homes=("COPILOT_HOME", "XDG_CONFIG_HOME"),
    config_folders=(".copilot",),
    tier=Tier.BEST_EFFORT,
    lacks=("tokens", "cost"),
    takes=("model", "allowed_tools"),
)  # fmt: skip
