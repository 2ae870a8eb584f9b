"""kill -9 at every step of an approval: asked, told, answered, intended, started, ended, verified. None is lost.

A point is a durable write (before it, and after it), a message that is carried, or a fault point of the code. Each row
names the one at which the daemon dies; the next daemon finds what was durable, and people repeat what nobody answered.
"""

from collections.abc import Mapping, Sequence

import anyio
import pytest

from kazid.adapters.memory.outbox import MemoryOutbox
from kazid.core.approval_event import ApprovalGranted, ApprovalRequested, ApprovalVoided
from kazid.core.event import ActEnded, ActIntended, EpisodeClosed, Event, StatusChanged, event_type
from kazid.core.ids import GoalUid
from kazid.core.level import Autonomy, Level
from kazid.core.notice import Noticed
from kazid.core.receiver import Facts, Message, Receiver, ReceiverState
from kazid.core.status import GoalStatus
from kazid.ports.faults import injected
from kazid.ports.notifying import Delivered, Delivery
from kazid.runtime.notifier import Notifier, Target
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.adversary import HostileHouse, Life, run_seeded
from tests.runtime.people import PIA, introduce

OPS = Receiver(name="ops", group_s=1.0, remind_s=None)
WEB = a_goal(
    a_predicate("livez", live=True, confirm=1, recover=1),
    remedies=[a_remedy("livez", attempts=1)],
    standing=True,
    autonomy=Autonomy(level=Level.APPROVE),
)
ACT_S = 60.0
"""Long enough that what is told of the yes and of the end are two messages."""
KINDS = (ApprovalRequested, ApprovalGranted, ActIntended, ActEnded, EpisodeClosed)
FAULTS = ("act.intended", "act.started", "act.ended")


class Story:
    """One approval from the first red to the verified green, told by as many daemons as it takes."""

    def __init__(self, *, dies_at: str | None) -> None:
        self.house = HostileHouse()
        introduce(self.house, PIA)
        self.house.repairs("restart", "livez", duration_s=ACT_S)
        self.points: list[str] = []
        self.took: list[Message] = []
        self.receivers: Mapping[str, ReceiverState] = {}
        self.lives = 0
        self.life: Life | None = None
        self._dies_at = dies_at
        self._ids = iter(range(1000))

    async def tell(self) -> "Story":
        with injected(self._fault), anyio.fail_after(7200):
            is_over = False
            while not is_over:
                self.lives += 1
                async with self.house.life(self._prepare) as life, anyio.create_task_group() as group:
                    if not life.runner.is_dead:
                        await group.start(self._notifier(life).run)
                        is_over = await self._live(life)
                    group.cancel_scope.cancel()
        return self

    async def _live(self, life: Life) -> bool:
        """What people do. They repeat what was not answered; True once all is over."""
        daemon = life.daemon
        if not await self.house.events_of(ApprovalRequested):
            await daemon.apply(WEB)
        while not await self.house.events_of(ApprovalRequested) or "problem" not in self.told:
            await anyio.sleep(0.5)
        (asked,) = await self.house.events_of(ApprovalRequested)
        refused = await daemon.approving.approve(
            "ada", "web", plan=asked.plan_sha256, caller=PIA, idempotency_key="the-yes"
        )
        assert refused is None, f"a yes that is said again is the same yes: {refused}"
        while (
            daemon.service.view("ada", "web").status is not GoalStatus.HOLDING or "resolved" not in self.told
        ):
            await anyio.sleep(0.5)
        await anyio.sleep(300.0)
        return True

    @property
    def told(self) -> set[str]:
        return {line.what for message in self.took for line in message.lines}

    # --- the points ---------------------------------------------------------------------------------------------------

    def meets(self, point: str) -> None:
        """Pass this point, unless the daemon dies here."""
        if self.life is None or self.life.runner.is_dead:
            return
        self.points.append(point)
        if point == self._dies_at:
            self._dies_at = None
            self.life.kill()

    def _prepare(self, life: Life) -> None:
        self.life = life
        journal = self.house.journal

        async def before(uid: GoalUid, events: Sequence[Event]) -> None:
            for name in _milestones(events):
                self.meets(f"before {name}")

        async def after(uid: GoalUid, events: Sequence[Event]) -> None:
            for name in _milestones(events):
                self.meets(f"after {name}")

        journal.before_append, journal.after_append = before, after

    async def _fault(self, name: str) -> bool:
        if name in FAULTS:
            self.meets(f"at {name}")
        return False

    def _notifier(self, life: Life) -> Notifier:
        outbox = Outbox(self, life)

        def facts_of(noticed: Noticed) -> Facts:
            return Facts(owner=noticed.ref.partition("/")[0])

        return Notifier(
            outbox=outbox,
            trail=outbox,
            clock=self.house.clock,
            health=life.daemon.health,
            broadcaster=life.daemon.broadcaster,
            facts_of=facts_of,
            new_message_id=lambda: f"msg_{next(self._ids)}",
            targets=[Target(OPS, Courier(self, life))],
        )


def _milestones(events: Sequence[Event]) -> list[str]:
    names = [event_type(event) for event in events if isinstance(event, KINDS)]
    return names + [
        f"{event_type(event)} {event.status.value}"
        for event in events
        if isinstance(event, StatusChanged) and event.status in (GoalStatus.WAITING, GoalStatus.HOLDING)
    ]


class Outbox(MemoryOutbox):
    """What receivers remember, on a disk that a dead daemon does not reach."""

    def __init__(self, story: Story, life: Life) -> None:
        super().__init__(story.house.journal)
        self._story = story
        self._life = life
        self._states = story.receivers

    async def save_receivers(self, states: Mapping[str, ReceiverState], *, taken: int) -> None:
        story, name = self._story, _step(self._story.receivers.get(OPS.name), states.get(OPS.name))
        if name:
            story.meets(f"before {name}")
        if self._life.runner.is_dead:
            return
        await super().save_receivers(states, taken=taken)
        story.receivers = dict(states)
        if name:
            story.meets(f"after {name}")


def _step(before: ReceiverState | None, now: ReceiverState | None) -> str:
    """What a save says of the message on its way, by what its first line tells."""
    was, is_ = None if before is None else before.outgoing, None if now is None else now.outgoing
    if is_ is not None and (was is None or was.message != is_.message):
        return f"{is_.message.lines[0].what}: a message"
    if was is not None and is_ is None:
        return f"{was.message.lines[0].what}: done"
    if now is not None and now.pending and (before is None or before.pending != now.pending):
        return f"{now.pending[-1].what}: taken"
    return ""


class Courier:
    """Carries to somebody who takes everything."""

    def __init__(self, story: Story, life: Life) -> None:
        self._story = story
        self._life = life

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        what = message.lines[0].what
        self._story.meets(f"before {what}: carried")
        if not self._life.runner.is_dead:
            self._story.took.append(message)
            self._story.meets(f"after {what}: carried")
        await anyio.lowlevel.checkpoint()
        return Delivered()


# --- the table --------------------------------------------------------------------------------------------------------

TOLD_STEPS = ("taken", "a message", "carried", "done")
WRITES = (
    *("approval.requested", "status.changed waiting", "approval.granted", "act.intended", "act.ended"),
    *("episode.closed", "status.changed holding"),
    *(f"{what}: {step}" for what in ("problem", "taken", "resolved") for step in TOLD_STEPS),
)  # fmt: skip
POINTS = [f"{when} {name}" for name in WRITES for when in ("before", "after")] + [f"at {f}" for f in FAULTS]


@pytest.mark.parametrize("dies_at", [pytest.param(point, id=point.replace(" ", "-")) for point in POINTS])
def test_a_kill_at_any_step_loses_no_approval_and_repeats_no_act(dies_at: str) -> None:
    story = Story(dies_at=dies_at)
    run_seeded(story.tell, seed=1)
    assert story.lives == 2, "it died there, once"
    run_seeded(lambda: _assert_whole(story), seed=1)


async def _assert_whole(story: Story) -> None:
    (asked,) = await story.house.events_of(ApprovalRequested)
    (said,) = await story.house.events_of(ApprovalGranted)
    assert (said.plan_sha256, said.by) == (asked.plan_sha256, "pia")
    assert await story.house.events_of(ApprovalVoided) == []
    endings = {e.attempt_id: e.ending for e in await story.house.events_of(ActEnded)}
    intents = await story.house.events_of(ActIntended)
    assert all((i.plans, i.approved_by) == ([asked.plan_sha256], ["pia"]) for i in intents)
    assert [endings[i.attempt_id] for i in intents if endings[i.attempt_id] != "never_started"] == ["exited"]
    assert story.house.runner.started("restart") == 1
    assert story.told == {"problem", "taken", "resolved"}, "nothing is lost"
    by_id = {(m.id, repr(m)) for m in story.took}
    assert len(by_id) == len({m.id for m in story.took}), "the same words under the same id"
    told_once = {m.id: m for m in story.took}.values()
    lines = [(line.what, line.offset) for message in told_once for line in message.lines]
    assert len(lines) == len(set(lines)), f"told under two ids: {lines}"


def test_the_table_has_every_step_that_there_is() -> None:
    story = Story(dies_at=None)
    run_seeded(story.tell, seed=1)
    assert set(story.points) == set(POINTS)
    assert sorted(story.points) == sorted(POINTS), "and each comes once"
    run_seeded(lambda: _assert_whole(story), seed=1)
