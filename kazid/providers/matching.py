"""Asking `text_matcher.py`: authored expressions against texts nobody chose, within a deadline."""

import json
import re
import sys
from collections.abc import Sequence

import msgspec

from kazid.core.verdict import Verdict, errored
from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers import text_matcher
from kazid.providers.evidence import shortened

MATCHING_S_MIN = 1.0
"""What matching may take, however long the look took: within the observer's own grace."""

Found = list[list[bool]]


def bad_regex(regexes: Sequence[str]) -> Verdict | None:
    """The ERROR for the first that is no regular expression, or None."""
    for regex in regexes:
        try:
            re.compile(regex)
        except (re.error, OverflowError, RecursionError) as error:
            return errored("invalid_config", f"not a regular expression: {shortened(regex)}: {error}")
    return None


async def find(
    regexes: Sequence[str], texts: Sequence[str], look: Look, commands: CommandRunner, *, left_s: float
) -> Found | Verdict:
    """For each expression, whether it finds something in each text; or the ERROR that says why nobody knows."""
    if not regexes or not texts:
        return [[False] * len(texts) for _ in regexes]
    result = await commands.run(
        Command(
            argv=(sys.executable, "-I", "-S", text_matcher.__file__),
            cwd=look.workspace,
            deadline_s=max(MATCHING_S_MIN, left_s),
            path=look.path,
            stdin_text=json.dumps({"regexes": list(regexes), "texts": list(texts)}),
        )
    )
    if result.ending is Ending.TIMED_OUT:
        return errored("match_timeout", "a regular expression did not come to an end on the text")
    if result.ending is Ending.EXITED and result.exit_code == 0 and not result.stdout.truncated:
        try:
            return msgspec.json.decode(result.stdout.text, type=Found)
        except msgspec.MsgspecError as error:
            return errored("transient", f"the matcher's answer cannot be read: {error}")
    why = result.reason or shortened(result.stderr.text) or f"the matcher {result.ending.value}"
    return errored(result.reason_code or "transient", f"the text could not be matched: {why}")
