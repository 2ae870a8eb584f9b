"""A program that carries the message: one of the operator's, the desktop's `notify-send`, or Apprise.

The operator's gets the CloudEvent on standard input and its id in `KAZI_MESSAGE_ID`; exit 0 is taken. Runs through the
daemon's one command runner, which bounds time and output.
"""

import sys
from collections.abc import Mapping, Sequence

import anyio.to_thread
import msgspec

from kazid.adapters.notifying.references import References, SecretMissing
from kazid.core.notice_text import cloud_event, printable, subject, text
from kazid.core.receiver import Message
from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.ports.notifying import Delivered, Delivery, Undelivered

DEADLINE_S = 30.0
OUTPUT_BYTES_MAX = 4096
SESSION_NAMES = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY")
"""How a desktop's session is found."""


class Program:
    """A command line of the operator's."""

    def __init__(self, argv: Sequence[str], *, source: str, commands: CommandRunner) -> None:
        self._argv = tuple(argv)
        self._source = source
        self._commands = commands

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """See the port."""
        return await _run(
            self._commands,
            self._argv,
            stdin=cloud_event(message, receiver=receiver, source=self._source).decode(),
            env={"KAZI_MESSAGE_ID": message.id, "KAZI_RECEIVER": receiver},
        )


class Desktop:
    """The desktop of the user the daemon runs as."""

    def __init__(self, *, environ: Mapping[str, str], commands: CommandRunner) -> None:
        self._session = {name: environ[name] for name in SESSION_NAMES if name in environ}
        self._commands = commands

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """See the port. `notify-send` takes its words as arguments and knows no other way."""
        argv = (
            "notify-send",
            "--app-name=kazid",
            f"--category={receiver}",
            "--",
            subject(message),
            text(message),
        )
        return await _run(self._commands, argv, stdin=None, env=self._session)


class Apprise:
    """One of Apprise's services, by its address; the library is loaded in a process of its own, and only then."""

    def __init__(self, url: str, *, references: References, commands: CommandRunner) -> None:
        self._url = url
        self._references = references
        self._commands = commands

    async def deliver(self, message: Message, *, receiver: str) -> Delivery:
        """See the port. The address is a secret, so it goes by standard input."""
        try:
            url = await anyio.to_thread.run_sync(self._references.value, self._url, abandon_on_cancel=True)
        except SecretMissing as error:
            return Undelivered(str(error))
        order = {"url": url, "title": subject(message), "body": text(message)}
        argv = (sys.executable, "-P", "-m", "kazid.adapters.notifying.apprise_child")
        return await _run(self._commands, argv, stdin=msgspec.json.encode(order).decode(), env={})


async def _run(
    commands: CommandRunner, argv: Sequence[str], *, stdin: str | None, env: Mapping[str, str]
) -> Delivery:
    result = await commands.run(
        Command(
            argv=argv,
            cwd="/",
            deadline_s=DEADLINE_S,
            env=env,
            stdin_text=stdin,
            merge_stderr=True,
            output_bytes_max=OUTPUT_BYTES_MAX,
        )
    )
    if result.ending is Ending.EXITED and result.exit_code == 0:
        return Delivered()
    said = printable(result.stdout.text)[:200]
    match result.ending:
        case Ending.EXITED:
            return Undelivered(f"exit {result.exit_code}: {said}")
        case Ending.SIGNALED:
            return Undelivered(f"signal {result.signal}: {said}")
        case Ending.TIMED_OUT:
            return Undelivered(f"did not end within {DEADLINE_S:g} s: {said}")
        case Ending.NOT_STARTED:
            return Undelivered(result.reason or "not started")
