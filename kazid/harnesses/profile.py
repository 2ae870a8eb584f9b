"""A coding agent's command line as data: which program, which arguments, which variables, how its output reads.

The simplest implementation of ports/harness. A profile starts nothing, reads no file and judges nothing: what an agent
says about itself is a claim, and the next observation decides. `[harness] command` names another executable with
the same command line (a pinned build, a wrapper); it is one executable, not a line for a shell.
"""

import enum
from collections.abc import Callable, Mapping, Sequence

import msgspec

from kazid.core.goal import HarnessChoice
from kazid.harnesses import prices, trouble
from kazid.ports.harness import Invocation, Report

NETWORK_NAMES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""Variables without which no agent reaches its model behind a proxy or a private certificate authority."""

PROMPT_FILE = "/dev/stdin"
"""What a CLI that wants a file is given: its own stdin, so that no prompt is left lying in a tree."""


class PromptBy(enum.Enum):
    """How the prompt reaches the agent."""

    STDIN = "stdin"
    FILE = "file"
    """On stdin too, and named as a file by `PROMPT_FILE`."""
    ARGUMENT = "argument"
    """As the last argument: for CLIs that have no other way."""


class Tier(enum.Enum):
    """How much a dispatch of this agent can be accounted for."""

    FULL = "full"
    """Result, session, tokens by class and cost come from the agent."""
    PARTIAL = "partial"
    """Result and some of the rest; cost from the price table where the model is in it."""
    BEST_EFFORT = "best effort"
    """Text only: budgets in tokens and dollars charge what was reserved."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One agent CLI that takes a prompt and reports on stdout."""

    id: str
    command: str
    """The program; empty: `[harness] command` has to name it."""
    arguments: Callable[[HarnessChoice], Sequence[str]]
    """Everything after the executable. Never the prompt: argv is world-readable in /proc."""
    read: Callable[[str], Report]
    """From the whole stdout, as far as it was kept, to what it says."""
    env: Mapping[str, str] = {}
    env_names: Sequence[str] = ()
    """Taken by name from the daemon's environment, never stored (SEMANTICS §8)."""
    credentials: Sequence[str] = ()
    """Of `env_names`: one of these set is a credential. What is logged in to lies in the config home."""
    config_homes: Sequence[str] = ()
    """Variables that say where the agent keeps its login and settings; HOME goes along always."""
    config_folders: Sequence[str] = ()
    """Where that is when no variable says so: below HOME."""
    prompt_by: PromptBy = PromptBy.STDIN
    cost_flag: str | None = None
    """Before an amount in US dollars at which the agent ends by itself; None: it takes none."""
    tier: Tier = Tier.PARTIAL
    lacks: Sequence[str] = ()
    """What it does not report, in words."""
    takes: Sequence[str] = ()
    """Keys of `[harness]` that mean something to it: model, effort, permission_mode, allowed_tools."""
    version_args: Sequence[str] = ("--version",)
    is_stub_tested: bool = False
    """True where no real build could be run by the project: its arguments are as documented."""

    def build(self, choice: HarnessChoice, *, prompt: str, cost_usd_max: float | None = None) -> Invocation:
        """The command line of one dispatch."""
        assert prompt, "a dispatch says what is to be done"
        command = choice.command or self.command
        assert command, "a harness without a program of its own is refused when the goal-file names none"
        argv = [command, *self.arguments(choice)]
        if self.cost_flag is not None and cost_usd_max is not None:
            argv += [self.cost_flag, f"{cost_usd_max:.6f}".rstrip("0").rstrip(".")]
        is_argument = self.prompt_by is PromptBy.ARGUMENT
        if is_argument:
            argv.append(prompt)
        return Invocation(
            argv=tuple(argv),
            stdin_text=None if is_argument else prompt,
            env=self.env,
            env_names=(*self.env_names, *self.config_homes, *NETWORK_NAMES),
            config_homes=tuple(name for name in self.config_homes if not name.startswith("XDG_")),
        )

    def parse(self, stdout: str) -> Report:
        """What the output says; tolerates noise and a log whose middle was dropped."""
        report = self.read(stdout)
        if report.trouble is None:
            found = trouble.found_in(report.error) if report.is_error else trouble.unseen(stdout)
            report = report if found is None else msgspec.structs.replace(report, trouble=found)
        return prices.filled(report)
