"""aider: the prompt as a message file, and text for people. Measured against 0.86.2.

It has no envelope and exits 0 after a failed model. It would commit on its own, which is kazid's to do where a goal
asks for it, so that is switched off. Tokens are printed rounded (`1.2k sent`), and are read as such.
"""

import re

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.harnesses.profile import PROMPT_FILE, Profile, PromptBy, Tier
from kazid.harnesses.reading import ERROR_CHARS_MAX, TEXT_CHARS_MAX
from kazid.ports.harness import Report

_TOKENS = re.compile(
    r"^Tokens: ([\d.,]+[km]?) sent,(?: ([\d.,]+[km]?) cache write,)?(?: ([\d.,]+[km]?) cache hit,)?"
    r" ([\d.,]+[km]?) received\.(?: Cost: \$([\d.]+) message)?",
    re.MULTILINE,
)
_ERROR = re.compile(r"^litellm\.\w+: .*(?:\n(?!\n).*)?", re.MULTILINE)
_ENDED = re.compile(r"^(?:Applied edit to |Tokens: )", re.MULTILINE)
_SCALE = {"k": 1000.0, "m": 1_000_000.0}


def arguments(choice: HarnessChoice) -> tuple[str, ...]:
    """The arguments of one dispatch."""
    flags = [
        "--message-file", PROMPT_FILE,
        "--yes-always",
        "--no-stream",
        "--no-pretty",
        "--no-auto-commits",
        "--no-gitignore",
        "--no-analytics",
        "--no-check-update",
        "--no-show-model-warnings",
        "--no-show-release-notes",
    ]  # fmt: skip
    if choice.model is not None:
        flags += ["--model", choice.model]
    if choice.effort is not None:
        flags += ["--reasoning-effort", choice.effort]
    return tuple(flags)


def read(stdout: str) -> Report:
    """What it said last; an error counts when nothing was answered after it."""
    errors = list(_ERROR.finditer(stdout))
    is_error = bool(errors) and _ENDED.search(stdout, errors[-1].end()) is None
    counted = list(_TOKENS.finditer(stdout))
    sums = [sum(_number(m[group]) for m in counted) for group in (1, 2, 3, 4)]
    costs = [float(m[5]) for m in counted if m[5]]
    usage = Usage(
        input_tokens=int(sums[0]),
        cache_write_tokens=int(sums[1]) or None,
        cached_input_tokens=int(sums[2]) or None,
        output_tokens=int(sums[3]),
        cost_usd=sum(costs) if costs else None,
    )
    return Report(
        text=None if is_error or not counted else stdout.strip()[-TEXT_CHARS_MAX:],
        usage=usage if counted else None,
        is_error=is_error,
        error=" ".join(errors[-1][0].split())[:ERROR_CHARS_MAX] if is_error else None,
        turns=len(counted) or None,
    )


def _number(printed: str | None) -> float:
    """`1.2k` as 1200; 0 for what is not there."""
    if not printed:
        return 0.0
    digits = printed.rstrip("km").replace(",", "")
    try:
        return float(digits) * _SCALE.get(printed[-1], 1.0)
    except ValueError:
        return 0.0


AIDER = Profile(
    id="aider",
    command="aider",
    arguments=arguments,
    read=read,
    prompt_by=PromptBy.FILE,
    env={"LITELLM_LOCAL_MODEL_COST_MAP": "True", "AIDER_ANALYTICS": "false"},
    env_names=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENAI_API_BASE", "GEMINI_API_KEY", "OPENROUTER_API_KEY",
        "DEEPSEEK_API_KEY",
    ),
    credentials=(
        "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY", "DEEPSEEK_API_KEY",
    ),
    config_folders=(".aider.conf.yml", ".aider"),
    tier=Tier.BEST_EFFORT,
    lacks=("session", "exact tokens", "tools: it edits by text"),
    takes=("model", "effort"),
)  # fmt: skip
