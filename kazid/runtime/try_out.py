"""`kazictl try`: look at predicates once and keep the raw answers; store nothing, act never.

The looks go through the observer like all others, with its slots, deadlines and redaction; only here what a command
printed is kept beside the verdict, bounded, for whoever writes the goal-file.
"""

import sys
from collections.abc import Mapping, Sequence

import anyio
import msgspec

from kazid.core import waiver
from kazid.core.event import PredicateObserved
from kazid.core.goal import Goal, Predicate
from kazid.core.ids import Epoch, Generation, GoalUid
from kazid.core.json import Json
from kazid.core.progress import Progress
from kazid.core.verdict import Status
from kazid.ports.commands import Command, CommandResult, CommandRunner
from kazid.runtime.observer import Disturbed, Observer
from kazid.shim.redaction import redact

ANSWERS_MAX = 16
"""Of one look: samples, retries and steps beyond that are counted only."""
TEXT_CHARS_MAX = 32_768
"""Of one stream or body."""
WHAT_CHARS_MAX = 2000
OWN_PROGRAM = (sys.executable, "-I")
"""How kazid starts parts of itself (matching lines, apart so that it can be ended): no answer of anybody's."""


class RawAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What one command, or one request, gave before anybody judged it."""

    what: str
    said: Mapping[str, Json]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One predicate's look."""

    predicate: Predicate
    observed: PredicateObserved
    is_waived: bool
    answers: Sequence[RawAnswer]
    answers_total: int

    @property
    def holds(self) -> bool:
        """True when it is green, or may be left out."""
        return self.observed.verdict.status is Status.PASS or self.is_waived


class Answers:
    """Keeps what came, in order, bounded."""

    def __init__(self) -> None:
        self.kept: list[RawAnswer] = []
        self.total = 0

    def around(self, commands: CommandRunner) -> CommandRunner:
        """A runner whose results are kept."""
        return _Overheard(commands, self)

    def keep(self, what: str, said: Mapping[str, Json]) -> None:
        """Keep one answer; its texts are cut where they are long."""
        self.total += 1
        if len(self.kept) < ANSWERS_MAX:
            shown = {key: _cut(value) for key, value in said.items()}
            self.kept.append(RawAnswer(what=redact(what[:WHAT_CHARS_MAX]), said=shown))


class _Overheard:
    """A CommandRunner whose results are kept."""

    def __init__(self, commands: CommandRunner, answers: Answers) -> None:
        self._commands = commands
        self._answers = answers

    async def run(self, command: Command) -> CommandResult:
        """Run it, and keep what came."""
        result = await self._commands.run(command)
        if tuple(command.argv[:2]) != OWN_PROGRAM:
            self._answers.keep(" ".join(command.argv), _said(result))
        return result


async def try_out(
    goal: Goal, predicates: Sequence[Predicate], *, uid: GoalUid, observer: Observer
) -> list[Tried]:
    """Look at each of these once, at the same time."""
    progress = Progress(generation=Generation(1), epoch=Epoch(1))
    waivable = waiver.waivable(goal)
    tried: dict[str, Tried] = {}

    async def look(predicate: Predicate) -> None:
        answers = Answers()
        looked = await observer.showing(answers).look(uid, goal, predicate, progress)
        observed = looked.observed if isinstance(looked, Disturbed) else looked
        tried[predicate.id] = Tried(
            predicate=predicate,
            observed=observed,
            is_waived=predicate.id in waivable and waiver.covers(observed.verdict),
            answers=answers.kept,
            answers_total=answers.total,
        )

    async with anyio.create_task_group() as group:
        for predicate in predicates:
            group.start_soon(look, predicate)
    return [tried[p.id] for p in predicates]


def _said(result: CommandResult) -> dict[str, Json]:
    said: dict[str, Json] = {
        "ending": result.ending.value,
        "executable": result.executable,
        "exit": result.exit_code,
        "signal": result.signal,
        "reason": result.reason,
        "duration_s": round(result.duration_s, 3),
        "stdout": result.stdout.text or None,
        "stdout_bytes": result.stdout.bytes_total if result.stdout.truncated else None,
        "stderr": result.stderr.text or None,
        "stderr_bytes": result.stderr.bytes_total if result.stderr.truncated else None,
    }
    return {key: value for key, value in said.items() if value is not None}


def _cut(value: Json) -> Json:
    """A text as evidence has to be: redacted, and not without end; its end is where a tool says what came of it."""
    if not isinstance(value, str):
        return value
    text = redact(value)
    if len(text) <= TEXT_CHARS_MAX:
        return text
    return f"[… {len(text) - TEXT_CHARS_MAX} characters left out …]\n{text[-TEXT_CHARS_MAX:]}"
