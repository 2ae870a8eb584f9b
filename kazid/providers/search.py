"""Whether an authored expression is found in a text, in a process that can be ended."""

import json
import re
import sys

from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import line_matcher

SEARCH_S_MAX = 2.0


async def is_found(pattern: str, text: str, *, look: Look, commands: CommandRunner) -> bool:
    """True when it is; False when it is not, is no expression, or does not come to an end."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    request = {"regex": pattern, "text": text.replace("\n", " "), "lines_max": 0}
    result = await commands.run(
        Command(
            argv=(sys.executable, "-I", "-S", line_matcher.__file__),
            cwd=look.workspace,
            deadline_s=min(SEARCH_S_MAX, look.deadline_s),
            path=look.path,
            stdin_text=json.dumps(request),
        )
    )
    return result.ending is Ending.EXITED and result.exit_code == 0 and '"count": 1' in result.stdout.text
