"""The agents this kazid can start, by the name goal-files use. A new one is a file beside this and one line here."""

from collections.abc import Mapping

from kazid.harnesses.aider import AIDER
from kazid.harnesses.antigravity import ANTIGRAVITY
from kazid.harnesses.claude import CLAUDE
from kazid.harnesses.codex import CODEX
from kazid.harnesses.copilot import COPILOT
from kazid.harnesses.gemini_cli import GEMINI_CLI
from kazid.harnesses.mini import MINI
from kazid.harnesses.opencode import OPENCODE
from kazid.harnesses.pi import PI
from kazid.harnesses.plain import CLAW, COMMAND
from kazid.harnesses.profile import Profile
from kazid.harnesses.qwen import QWEN

DEFAULT_ID = "claude"
"""Where neither flag, goal-file nor settings name one."""

BUILTIN: Mapping[str, Profile] = {
    profile.id: profile
    for profile in (
        CLAUDE, CODEX, OPENCODE, GEMINI_CLI, ANTIGRAVITY, CLAW, COPILOT, QWEN, PI, MINI, AIDER, COMMAND,
    )
}  # fmt: skip

assert DEFAULT_ID in BUILTIN
