"""Notifications put together: `[[notify]]` and `[heartbeat]` of the settings as receivers, couriers and children.

A part of the composition root: it knows settings, adapters and runtime; no rule lives here.
"""

import os
import secrets
import socket
from collections.abc import Mapping, Sequence
from typing import Protocol, assert_never

from kazid.adapters.notifying.mail import Mail
from kazid.adapters.notifying.program import Apprise, Desktop, Program
from kazid.adapters.notifying.references import References
from kazid.adapters.notifying.webhook import Webhook
from kazid.core.duration import duration_s
from kazid.core.ids import GoalUid
from kazid.core.notice import Noticed
from kazid.core.receiver import Facts, Receiver
from kazid.ports.audit import AuditTrail
from kazid.ports.clock import Clock
from kazid.ports.commands import CommandRunner
from kazid.ports.doctor import Finding
from kazid.ports.journal import Journal
from kazid.ports.notifying import Courier, Outbox
from kazid.runtime.broadcast import Broadcaster
from kazid.runtime.goals import Goals
from kazid.runtime.health import Health
from kazid.runtime.heartbeat import Heart, Heartbeat
from kazid.runtime.notifier import Notifier, Target
from kazid.runtime.supervisor import ChildSpec
from kazid.settings import NotifySettings, Settings


class Store(Journal, AuditTrail, Outbox, Protocol):
    """What notifications read and remember in: one file has it all."""


class Notifications:
    """The notifier and the heartbeat, by the settings in force."""

    def __init__(
        self,
        settings: Settings,
        *,
        store: Store,
        goals: Goals,
        clock: Clock,
        health: Health,
        broadcaster: Broadcaster,
        commands: CommandRunner,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._goals = goals
        self._clock = clock
        self._commands = commands
        self._environ = environ
        self._references = References(environ)
        self._source = f"/kazid/{socket.gethostname()}"
        self.notifier = Notifier(
            outbox=store,
            trail=store,
            clock=clock,
            health=health,
            broadcaster=broadcaster,
            facts_of=self._facts_of,
            new_message_id=_new_message_id,
            targets=self._targets(settings),
        )
        self._heartbeat = Heartbeat(store, self._heart(settings))

    def take(self, settings: Settings) -> None:
        """Go by these settings from now on."""
        self.notifier.take(self._targets(settings))
        self._heartbeat.take(self._heart(settings))

    def children(self) -> Sequence[ChildSpec]:
        """What the tree runs."""
        return (ChildSpec("notifier", self.notifier.run), ChildSpec("heartbeat", self._heartbeat.run))

    def findings(self) -> Sequence[Finding]:
        """For doctor: who is told, and which receivers bring nothing."""
        failing = self.notifier.waiting
        if not failing:
            count = len(self.notifier.names)
            receivers = f"{count} receiver{'s' * (count != 1)}: {', '.join(self.notifier.names)}"
            told = receivers if count else "no [[notify]] tables: nobody is told when a goal needs a person"
            return (Finding(name="notify", state="ok", found=told),)
        return [
            Finding(
                name="notify",
                state="warn",
                found=f"{name}: not taken after {outgoing.tries} tries: {outgoing.error}",
                todo="mend the receiver or its [[notify]] table; it is tried again by itself",
            )
            for name, outgoing in failing.items()
        ]

    def _targets(self, settings: Settings) -> Sequence[Target]:
        return [Target(_receiver(table), self._courier(table)) for table in settings.notify]

    def _heart(self, settings: Settings) -> Heart | None:
        table = settings.heartbeat
        if not table.url:
            return None
        webhook = Webhook(
            url=table.url, secret=None, source=self._source, references=self._references, clock=self._clock
        )
        return Heart(webhook.beat, every_s=duration_s(table.every) or 0.0)

    def _courier(self, table: NotifySettings) -> Courier:
        match table.kind:
            case "webhook":
                return Webhook(
                    url=table.url,
                    secret=table.secret or None,
                    source=self._source,
                    references=self._references,
                    clock=self._clock,
                )
            case "mail":
                host, _, port = table.smtp.rpartition(":")
                return Mail(
                    host=host.strip("[]"),
                    port=int(port),
                    security=table.security,
                    sender=table.sender,
                    recipients=table.recipients,
                    user=table.user or None,
                    password=table.password or None,
                    host_name=socket.gethostname(),
                    references=self._references,
                )
            case "command":
                return Program(table.command, source=self._source, commands=self._commands)
            case "desktop":
                return Desktop(environ=self._environ, commands=self._commands)
            case "apprise":
                return Apprise(table.url, references=self._references, commands=self._commands)
            case _:
                assert_never(table.kind)

    def _facts_of(self, noticed: Noticed) -> Facts:
        """What is known of the goal now; of one that is gone, its owner."""
        state = self._goals.by_uid(GoalUid(noticed.uid))
        if state is None or state.goal is None:
            return Facts(owner=noticed.ref.partition("/")[0])
        episode = state.progress.episode or state.progress.last_episode
        return Facts(
            owner=state.header.owner,
            labels=state.spec.labels,
            cost_usd=None if episode is None else episode.cost_usd,
            tokens=None if episode is None else episode.tokens,
        )


def _receiver(table: NotifySettings) -> Receiver:
    return Receiver(
        name=table.name,
        owners=tuple(table.owners),
        labels=table.labels,
        statuses=tuple(table.statuses),
        causes=tuple(table.causes),
        group_s=duration_s(table.group) or 0.0,
        remind_s=duration_s(table.remind) if table.remind else None,
        after_s=(duration_s(table.after) or 0.0) if table.after else 0.0,
        per_hour_max=table.per_hour,
        resolved=table.resolved,
    )


def _new_message_id() -> str:
    return f"msg_{secrets.token_hex(12)}"
