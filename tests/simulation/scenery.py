"""What the daemon looks at and what it starts: services, their shared dependencies, remedies and agents.

Looks take their time, hang, err and crash, but never lie; agents and remedies lie as much as they like.
"""

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import anyio

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json
from kazid.core.verdict import Verdict, errored, failed, passed, unknown
from kazid.ports.commands import CommandRunner
from kazid.ports.harness import Invocation, Report
from kazid.ports.provider import Look
from tests.simulation.truth import Truth

if TYPE_CHECKING:
    from tests.simulation.world import World

SECRET = "ghp_SimulatedCanary0123456789abcdefABCD"
"""Printed by agents and services; a token by its shape, so that redaction has to know it."""
HELD_OUT = "the-hidden-case-of-the-simulation"
"""In the id and the options of every predicate that no agent may know of."""
FAULTY = (500, 502, 503)
FLAKES = 0.3
"""Of the looks of a flaky check."""


class Services:
    """What is up. A predicate holds while its own service and what that depends on are up."""

    def __init__(self, truth: Truth) -> None:
        self._truth = truth
        self._own: dict[str, bool] = {}
        self._needs: dict[str, str] = {}
        self._shared: dict[str, bool] = {}
        self.crashing: dict[str, float] = {}
        """Those that die again so many seconds after each repair."""
        self.flapping: dict[str, float] = {}
        """Those that come and go by themselves, and how often."""
        self.flapped_s: dict[str, float] = {}
        self.fought: dict[str, str] = {}
        """Settings in a file that somebody puts back to what it was, each time, and the tree it is in."""
        self.unmendable: set[str] = set()
        """Shared dependencies that no remedy brings back; until they are, what needs them cannot be repaired."""
        self.mended_s: dict[str, float] = {}
        self.reverted: dict[str, int] = {}
        """How often somebody will still put back what was fixed."""

    def add(self, name: str, *, is_up: bool, needs: str | None) -> None:
        if needs is not None:
            self._needs[name] = needs
            self._shared.setdefault(needs, True)
        self.set(name, is_up)

    def set(self, name: str, is_up: bool) -> None:
        self._own[name] = is_up
        self._truth.set(name, is_up and self._shared.get(self._needs.get(name, ""), True))

    def set_shared(self, name: str, is_up: bool) -> None:
        self._shared[name] = is_up
        for one, needed in self._needs.items():
            if needed == name:
                self.set(one, self._own[one])

    def mend(self, name: str) -> None:
        """Up, with what it depends on."""
        self.mended_s[name] = anyio.current_time()
        needed = self._needs.get(name)
        if needed in self.unmendable and not self._shared[needed]:
            return
        if needed is not None and not self._shared[needed]:
            self.set_shared(needed, True)
        self.set(name, True)

    @property
    def shared(self) -> Sequence[str]:
        return sorted(self._shared)

    @property
    def names(self) -> Sequence[str]:
        return list(self._own)


class HostileScene:
    """The provider of every kind."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.looks = 0

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        self.looks += 1
        world, dice = self._world, self._world.dice
        pauses = [0.0, 0.0, 0.01, 0.01, 0.3, 2.0, look.deadline_s * 0.9]
        await anyio.sleep(dice.choice(pauses) if world.is_hostile else 0.01)
        if world.is_hostile and dice.random() < 0.08:
            fate = dice.choice(["hang", "error", "unknown", "raise", "error"])
            world.count(f"look.{fate}")
            if fate == "hang":
                await anyio.sleep(10_000)
            if fate == "raise":
                raise ZeroDivisionError("a bug in a provider")
            return errored("dns_failure") if fate == "error" else unknown("busy")
        world.house.runner.settle()
        if world.truth.now(look.predicate_id):
            if world.is_hostile and look.predicate_id in world.oracle.flaky and dice.random() < FLAKES:
                world.count("look.flake")
                return failed("flaky", "it would have passed")
            return passed()
        if look.predicate_id in world.services.fought:
            return failed("content", "the setting is not what it should be")
        if dice.random() < 0.1:
            return failed("body", "200, and the page says error", code=200, body=f"token {SECRET}")
        return failed("unreachable", f"code {dice.choice(FAULTY)}")


class HostileAgent:
    """An agent CLI: reports what its script printed, or nothing. Keeps every prompt, to be searched."""

    id = "claude"

    def __init__(self, dice: random.Random) -> None:
        self._dice = dice
        self.prompts: list[str] = []

    def build(self, choice: HarnessChoice, *, prompt: str, cost_usd_max: float | None = None) -> Invocation:
        self.prompts.append(prompt)
        return Invocation(argv=("claude",), stdin_text=prompt)

    def parse(self, stdout: str) -> Report:
        words = dict(word.split("=", 1) for word in stdout.split() if "=" in word)
        usage = None
        if "tokens" in words:
            usage = Usage(input_tokens=int(words["tokens"]), output_tokens=0)
        if "usd" in words and usage is not None:
            usage = Usage(input_tokens=usage.input_tokens, output_tokens=0, cost_usd=float(words["usd"]))
        denials = ("Bash",) if "denied" in words else ()
        return Report(text=f"all done, the key is {SECRET}", usage=usage, denials=denials)
