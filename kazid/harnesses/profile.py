"""A coding agent's command line as data: which program, which arguments, which variables, how its output reads.

The simplest implementation of ports/harness. A profile starts nothing, reads no file and judges nothing: what an agent
says about itself is a claim, and the next observation decides. `[harness] command` names another executable with
the same command line (a pinned build, a wrapper); it is one executable, not a line for a shell.
"""

from collections.abc import Callable, Mapping, Sequence

import msgspec

from kazid.core.goal import HarnessChoice
from kazid.ports.harness import Invocation, Report

NETWORK_NAMES = (
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
    "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS",
)  # fmt: skip
"""Variables without which no agent reaches its model behind a proxy or a private certificate authority."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """One agent CLI that takes its prompt on stdin and reports on stdout."""

    id: str
    command: str
    arguments: Callable[[HarnessChoice], Sequence[str]]
    """Everything after the executable. Never the prompt: argv is world-readable in /proc."""
    read: Callable[[str], Report]
    """From the whole stdout, as far as it was kept, to what it says."""
    env: Mapping[str, str] = {}
    env_names: Sequence[str] = ()
    """Taken by name from the daemon's environment, never stored (SEMANTICS §8)."""
    config_homes: Sequence[str] = ()
    """Variables that say where the agent keeps its login and settings; HOME goes along always."""
    cost_flag: str | None = None
    """Before an amount in US dollars at which the agent ends by itself; None: it takes none."""

    def build(self, choice: HarnessChoice, *, prompt: str, cost_usd_max: float | None = None) -> Invocation:
        """The command line of one dispatch."""
        assert prompt, "a dispatch says what is to be done"
        argv = [choice.command or self.command, *self.arguments(choice)]
        if self.cost_flag is not None and cost_usd_max is not None:
            argv += [self.cost_flag, f"{cost_usd_max:.6f}".rstrip("0").rstrip(".")]
        return Invocation(
            argv=tuple(argv),
            stdin_text=prompt,
            env=self.env,
            env_names=(*self.env_names, *self.config_homes, *NETWORK_NAMES),
        )

    def parse(self, stdout: str) -> Report:
        """What the output says; tolerates noise and a log whose middle was dropped."""
        return self.read(stdout)
