"""Antigravity: `antigravity run --prompt-file`, and one JSON object.

As its documentation says; no build of it could be installed for the project, so it is tested against a stub of that.
"""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json
from kazid.harnesses.profile import PROMPT_FILE, Profile, PromptBy, Tier
from kazid.harnesses.reading import ERROR_CHARS_MAX, at, count, known, last_value, table, text
from kazid.ports.harness import Report

TEXT_PATHS = (("result",), ("response",), ("text",), ("message", "content"))


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch."""
    flags = ["run", "--prompt-file", PROMPT_FILE, "--output", "json", "--yes"]
    if choice.model is not None:
        flags += ["--model", choice.model]
    return tuple(flags)


def read(stdout: str) -> Report:
    """The last object; its text may stand under any of the documented names."""
    last = last_value(stdout, "{")
    if not table(last):
        return Report()
    error = text(at(last, "error", "message")) or text(at(last, "error"))
    said = next((t for path in TEXT_PATHS if (t := text(at(last, *path))) is not None), None)
    return Report(
        text=None if error is not None else said,
        session_id=text(at(last, "session_id")),
        usage=_usage(at(last, "usage")),
        is_error=error is not None,
        error=None if error is None else error[:ERROR_CHARS_MAX],
    )


def _usage(usage: Json) -> Usage | None:
    """Input and output; a total alone is charged as input."""
    whole, out = count(at(usage, "input_tokens")), count(at(usage, "output_tokens"))
    if whole is None and out is None:
        whole = count(at(usage, "total_tokens"))
    return known(Usage(input_tokens=whole, output_tokens=out))


ANTIGRAVITY = Profile(
    id="antigravity",
    command="antigravity",
    arguments=arguments,
    read=read,
    prompt_by=PromptBy.FILE,
    env_names=("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTIGRAVITY_API_KEY"),
    credentials=("GEMINI_API_KEY", "GOOGLE_API_KEY", "ANTIGRAVITY_API_KEY"),
    config_homes=("XDG_CONFIG_HOME",),
    config_folders=(".antigravity", ".config/antigravity"),
    tier=Tier.PARTIAL,
    lacks=("cost", "tokens by class", "refused tool calls"),
    takes=("model",),
    is_stub_tested=True,
)
