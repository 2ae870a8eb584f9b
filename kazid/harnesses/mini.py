"""mini-swe-agent: `mini -t PROMPT`, whose trajectory is printed between its talk. Measured against 2.4.6.

It takes its task as an argument only. The trajectory goes to stdout instead of a file, written anew after every step;
the last one counts. It needs the package `mcp` beside it, or every call of its model fails.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json
from kazid.harnesses.profile import Profile, PromptBy, Tier
from kazid.harnesses.reading import ERROR_CHARS_MAX, amount, at, count, items, known, last_value, text, total
from kazid.ports.harness import Report

SUBMITTED = "Submitted"


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch; the prompt comes after them."""
    flags = ["-y", "--exit-immediately", "-o", "/dev/stdout"]
    if choice.model is not None:
        flags += ["-m", choice.model]
    return (*flags, "-t")


def read(stdout: str) -> Report:
    """The trajectory's `info`; without a trajectory nothing is claimed."""
    trajectory = last_value(stdout, "{")
    status = text(at(trajectory, "info", "exit_status"))
    if trajectory is None:
        return Report()
    is_error = status not in (None, SUBMITTED)
    return Report(
        text=None if is_error else text(at(trajectory, "info", "submission")),
        usage=_usage(trajectory),
        is_error=is_error,
        error=_error(status, text(at(trajectory, "info", "submission"))) if is_error else None,
        turns=count(at(trajectory, "info", "model_stats", "api_calls")),
        model=text(at(trajectory, "info", "config", "model", "model_name")),
    )


def _usage(trajectory: Json) -> Usage | None:
    """The answers' sum; prompt tokens contain the cached ones. A cost of zero is an unknown model's."""
    answers = [at(m, "extra", "response", "usage") for m in items(at(trajectory, "messages"))]
    whole = total([count(at(u, "prompt_tokens")) for u in answers])
    cached = total([count(at(u, "prompt_tokens_details", "cached_tokens")) for u in answers])
    return known(
        Usage(
            input_tokens=None if whole is None else max(0, whole - (cached or 0)),
            cached_input_tokens=cached,
            output_tokens=total([count(at(u, "completion_tokens")) for u in answers]),
            cost_usd=amount(at(trajectory, "info", "model_stats", "instance_cost")) or None,
        )
    )


def _error(status: str | None, submission: str | None) -> str:
    parts = [status or "no reason given", submission or ""]
    return ": ".join(p for p in parts if p)[:ERROR_CHARS_MAX]


MINI = Profile(
    id="mini",
    command="mini",
    arguments=arguments,
    read=read,
    prompt_by=PromptBy.ARGUMENT,
    env={"MSWEA_CONFIGURED": "true", "MSWEA_SILENT_STARTUP": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
    env_names=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_API_BASE", "GEMINI_API_KEY", "OPENROUTER_API_KEY",
        "MSWEA_MODEL_NAME", "MSWEA_COST_TRACKING",
    ),
    credentials=("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"),
    config_homes=("MSWEA_GLOBAL_CONFIG_DIR", "XDG_CONFIG_HOME"),
    config_folders=(".config/mini-swe-agent",),
    tier=Tier.PARTIAL,
    lacks=("session", "a model that fails: it retries for minutes", "the prompt is in its arguments"),
    takes=("model",),
)  # fmt: skip
