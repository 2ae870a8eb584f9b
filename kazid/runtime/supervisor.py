"""The supervision tree's mechanism: system children in order, goal children one for one.

System children start left to right and stop right to left; one that fails ends the process, and the service manager
restarts it. A goal child is transient: it is restarted when it crashes and given up on when it crashes too often. The
words are OTP's (supervisor.erl); the policy is in `core/restart.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

import anyio
import msgspec
import structlog
from anyio.abc import TaskStatus

from kazid.core.restart import GiveUp, Restart, on_crash
from kazid.ports.clock import Clock

log = structlog.get_logger(__name__)


class SystemChild(Protocol):
    """A part of the daemon that runs for as long as the daemon does."""

    async def __call__(self, *, task_status: TaskStatus[None]) -> None:
        """Start, say so with `task_status.started()`, and run until cancelled."""
        ...


class ChildSpec(msgspec.Struct, frozen=True):
    """One system child: its name in logs and what it runs."""

    name: str
    run: SystemChild


async def run_tree(children: Sequence[ChildSpec], body: Callable[[], Awaitable[None]]) -> None:
    """Start the children in order, run `body`, then stop them in reverse order. A child's failure ends everything."""
    if not children:
        await body()
        return
    first, rest = children[0], children[1:]
    async with anyio.create_task_group() as group:
        await group.start(_run_system_child, first)
        await run_tree(rest, body)
        group.cancel_scope.cancel()
    log.debug("child.stopped", child=first.name)


async def _run_system_child(spec: ChildSpec, *, task_status: TaskStatus[None]) -> None:
    log.debug("child.started", child=spec.name)
    await spec.run(task_status=task_status)
    # a system child that returns while others run is as broken as one that raises
    raise RuntimeError(f"system child {spec.name} ended by itself")


class Crash(msgspec.Struct, frozen=True):
    """A child's exception, as a value."""

    error: BaseException
    is_final: bool


async def run_transient(
    name: str,
    run: Callable[[bool], Awaitable[None]],
    *,
    clock: Clock,
    on_restart: Callable[[], None],
) -> Crash | None:
    """Run a goal's task, restarting it when it crashes; the last crash when it is given up on, None at a normal end.

    `run` is told whether this is a restart. Cancellation passes through.
    """
    recent: Sequence[float] = ()
    is_restart = False
    while True:
        try:
            await run(is_restart)
        except (
            Exception,
            BaseExceptionGroup,
        ) as error:  # child guard: one of the three places (STYLE 13); a crash must not reach siblings
            if not isinstance(error, Exception):
                raise _end(name, error) from None
            verdict = on_crash(recent, now_s=clock.now().boot_s)
            match verdict:
                case Restart():
                    log.exception("child.restarted", child=name, crashes=len(verdict.recent))
                    recent, is_restart = verdict.recent, True
                    on_restart()
                case GiveUp():
                    log.exception("child.parked", child=name, crashes=verdict.crashes)
                    return Crash(error, is_final=True)
        else:
            return None


def _end(name: str, group: BaseExceptionGroup[BaseException]) -> BaseExceptionGroup[BaseException]:
    """What ends a child that crashed while it was being ended: the end alone, for there is nothing to restart."""
    ended, crashed = group.split(anyio.get_cancelled_exc_class())
    if ended is None or not isinstance(crashed, ExceptionGroup):
        return group
    log.error("child.crashed_at_end", child=name, exc_info=crashed)
    return ended
