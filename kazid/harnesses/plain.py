"""Agents that print text for people and nothing else: claw, and `command` for whatever has no profile.

The whole output is the result. Neither tokens nor costs are known, so budgets charge what was reserved.
"""

from kazid.core.goal import HarnessChoice
from kazid.harnesses.profile import Profile, PromptBy, Tier
from kazid.harnesses.reading import TEXT_CHARS_MAX
from kazid.ports.harness import Report

LACKS = ("tokens", "cost", "session", "errors", "refused tool calls")


def read(stdout: str) -> Report:
    """All of it, or as much as is kept."""
    return Report(text=stdout.strip()[-TEXT_CHARS_MAX:] or None)


def _no_arguments(choice: HarnessChoice) -> tuple[str, ...]:
    return ()


CLAW = Profile(
    id="claw",
    command="claw",
    arguments=lambda _: ("prompt",),
    read=read,
    prompt_by=PromptBy.ARGUMENT,
    env_names=("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"),
    credentials=("ANTHROPIC_API_KEY",),
    config_folders=(".claw",),
    tier=Tier.BEST_EFFORT,
    lacks=(*LACKS, "the prompt is in its arguments"),
    is_stub_tested=True,
)
"""As its documentation says; no build of it could be installed for the project."""

COMMAND = Profile(
    id="command",
    command="",
    arguments=_no_arguments,
    read=read,
    tier=Tier.BEST_EFFORT,
    lacks=LACKS,
)
"""Any program: the prompt comes on stdin, what it prints is the result."""
