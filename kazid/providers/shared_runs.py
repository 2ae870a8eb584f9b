"""One run of a command for many looks that ask for the same: what a run said answers each look it was asked before.

A run may answer a look only if it began after the look was asked for, on the same content of the workspace: what was
seen before an act shows nothing of it. A look that carries no moment shares nothing.
"""

from collections.abc import Awaitable, Callable, Hashable
from typing import Generic, TypeVar

import anyio

from kazid.ports.provider import Look

RUNS_KEPT_MAX = 16
"""Of all goals; what falls out is run again."""

_Answer = TypeVar("_Answer")


class _Run(Generic[_Answer]):
    """A run that began at `started_s`. `is_over` without an answer is one that was cancelled."""

    def __init__(self, started_s: float) -> None:
        self.started_s = started_s
        self.is_over = anyio.Event()
        self.answers: list[_Answer] = []


class SharedRuns(Generic[_Answer]):
    """The last runs by what was asked."""

    def __init__(self) -> None:
        self._runs: dict[Hashable, _Run[_Answer]] = {}

    async def answer(self, key: Hashable, look: Look, run: Callable[[], Awaitable[_Answer]]) -> _Answer:
        """The answer of a run that this look may share, else of one of its own."""
        moment = look.moment
        if moment is None:
            return await run()
        own = (key, look.workspace, moment.tree)
        known = self._runs.get(own)
        if known is not None and known.started_s >= moment.asked_s:
            await known.is_over.wait()
            if known.answers:
                return known.answers[0]
        made = _Run[_Answer](moment.started_s)
        self._keep(own, made)
        try:
            answer = await run()
            made.answers.append(answer)
            return answer
        finally:
            made.is_over.set()

    def _keep(self, key: Hashable, run: _Run[_Answer]) -> None:
        self._runs.pop(key, None)
        self._runs[key] = run
        while len(self._runs) > RUNS_KEPT_MAX:
            del self._runs[next(iter(self._runs))]
