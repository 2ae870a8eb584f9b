"""Fakes that several suites share: scripted stand-ins with the ports' own shapes, never mocks."""

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.ports.harness import Invocation, Report


class ScriptedHarness:
    """An agent CLI whose output is what the test says."""

    id = "claude"

    def __init__(self, command: str = "claude") -> None:
        self.command = command
        self.report = Report(usage=Usage(input_tokens=100, output_tokens=50))
        self.prompts: list[str] = []

    def build(self, choice: HarnessChoice, *, prompt: str, cost_usd_max: float | None = None) -> Invocation:
        self.prompts.append(prompt)
        return Invocation(argv=(self.command,), stdin_text=prompt)

    def parse(self, stdout: str) -> Report:
        return self.report
