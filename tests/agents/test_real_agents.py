"""Real agents, installed at pinned versions, through `kazictl apply` to a real fix in a real git repository.

The model is scripted and on loopback (`fake_model/`); nothing else is. Which agents are driven is what
`make test-agents` names; an agent that could not be installed is skipped with the reason.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.agents.clis import CONFIGURE, FIX, MODELS, SCENARIOS
from tests.agents.fake_model import FakeModel
from tests.system.house import ROOT, RealDaemon, eventually, write_goal

sys.path.insert(0, str(ROOT / "scripts"))
from agents import PINNED, bin_of, folder_of

NAMED = os.environ.get("KAZI_AGENTS", "").split()
DEADLINE_S = 150.0
"""Of one dispatch: the slowest starts in 20 s on an idle machine."""
SILENCE_S = 15.0

FOR_EVER = "sleepers"
SCRIPTS = {FOR_EVER: {"steps": [{"shell": "python3 -c 'import time; time.sleep(98765)'"}]}}
"""A model that asks for one more endless command whenever an agent goes on without the last."""

CAUSES = {"e401": "auth_failed", "e429": "quota"}
SETTLED = {"converged", "stuck", "over_budget", "tampered", "failed", "parked"}

GOAL = """
id = "calc"
[scope]
workspace = "{workspace}"
paths = ["calc.py"]
[[predicate]]
id = "tests"
description = "add() in calc.py adds"
provider = "custom_script"
cmd = "python3"
args = ["test_calc.py"]
[harness]
id = "{agent}"
{model}
{more}
idle_timeout = "{idle_s:g}s"
timeout = "{total_s:g}s"
[budget]
max_dispatches = {dispatches}
"""

pytestmark = [
    pytest.mark.agent,
    pytest.mark.skipif(not NAMED, reason="run by `make test-agents`, which installs the agents first"),
]


@pytest.fixture(scope="module")
def model() -> Iterator[FakeModel]:
    with FakeModel(SCRIPTS) as fake:
        yield fake


@pytest.fixture(params=[a for a in PINNED if a in NAMED] or ["none"])
def agent(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    unavailable = folder_of(name) / "unavailable"
    if unavailable.exists():
        pytest.skip(f"{name} could not be installed: {unavailable.read_text()}")
    return name


class Bench:
    """A repository with a bug, an agent configured for the scripted model, and a daemon."""

    def __init__(self, base: Path, agent: str, model: FakeModel) -> None:
        self.base, self.agent, self.model = base, agent, model
        self.workspace = base / "repo"
        self.workspace.mkdir()
        (self.workspace / "calc.py").write_text("def add(a, b):\n    return a - b\n")
        (self.workspace / "test_calc.py").write_text(
            "from calc import add\n\nassert add(1, 2) == 3\nprint('ok')\n"
        )
        for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "begin"]):
            subprocess.run(
                ["git", "-c", "user.name=t", "-c", "user.email=t@localhost", *command],
                cwd=self.workspace,
                check=True,
            )
        self.home = base / "home"
        self.home.mkdir()
        # Without a name aider writes one into the repository's own settings, and the goal is tampered.
        (self.home / ".gitconfig").write_text('[user]\nname = "t"\nemail = "t@localhost"\n')
        self.daemon: RealDaemon | None = None

    def apply(
        self,
        scenario: str,
        *,
        idle_s: float = DEADLINE_S,
        total_s: float = DEADLINE_S,
        more: str = "",
        dispatches: int = 1,
    ) -> Any:
        """How the goal stands once it has ended, or waits for a limit to be over."""
        environment = {
            **CONFIGURE[self.agent](self.home, self.model.url(scenario)),
            "HOME": str(self.home),
            "PATH": f"{bin_of(self.agent)}:{os.environ['PATH']}",
            "TERM": "dumb",
        }
        self.daemon = RealDaemon(self.base, environment=environment)
        self.daemon.start()
        named = f'model = "{MODELS[self.agent]}"' if self.agent in MODELS else ""
        if self.agent == "codex":
            # Its own sandbox is not what is tested, and where bubblewrap may not make one its every edit fails.
            named += 'permission_mode = "bypass"'
        text = GOAL.format(
            workspace=self.workspace,
            agent=self.agent,
            model=named,
            more=more,
            dispatches=dispatches,
            idle_s=idle_s,
            total_s=total_s,
        )
        self.daemon.apply(write_goal(self.base / "g", text), "--detach")
        return eventually(self._settled, within_s=total_s + 60, what="the goal ends, or waits for a limit")

    def _settled(self) -> Any:
        assert self.daemon is not None
        goal = self.daemon.json("status", "calc")
        is_limited = goal["status"] == "waiting" and "quota" in (goal["reason"] or "")
        return goal if is_limited or goal["status"] in SETTLED else None

    def end_of_act(self) -> dict[str, Any]:
        assert self.daemon is not None
        ends = [e for e in self.daemon.events() if e["type"] == "act.ended"]
        assert len(ends) == 1, self.daemon.events()
        return dict(ends[0]["event"])

    def told(self) -> str:
        """For a failed test: what the model was asked, and the end of what the agent wrote."""
        asked = [
            {k: r[k] for k in ("path", "step", "tools", "status") if k in r} for r in self.model.requests
        ]
        wrote = [
            f"{path.name}: {path.read_text(errors='replace')[-3000:]}"
            for path in sorted(self.base.rglob("*"))
            if path.is_file() and "attempts" in path.parts and path.stat().st_size
        ]
        return "\n".join([*map(str, asked[-12:]), *wrote])

    def is_fixed(self) -> bool:
        return "return a + b" in (self.workspace / "calc.py").read_text()

    def assert_nothing_runs(self) -> None:
        assert self.daemon is not None
        eventually(lambda: not self.daemon.executors(), within_s=60, what=f"{self.daemon.executors()}")


@pytest.fixture
def bench(base: Path, agent: str, model: FakeModel) -> Iterator[Bench]:
    bench = Bench(base, agent, model)
    yield bench
    if bench.daemon is not None:
        bench.daemon.end_everything()


def test_it_goes_from_a_failing_test_to_a_real_fix(bench: Bench) -> None:
    goal = bench.apply(SCENARIOS.get(bench.agent, FIX))
    ended = bench.end_of_act()
    assert goal["status"] == "converged", f"{goal['reason']}\n{ended}\n{bench.told()}"
    assert bench.is_fixed()
    log = subprocess.run(
        ["git", "log", "--oneline"], cwd=bench.workspace, capture_output=True, text=True, check=True
    )
    assert len(log.stdout.splitlines()) == 1, "nobody was asked to commit"
    if bench.agent != "copilot":
        assert ended["usage"]["output_tokens"] > 0, ended
    bench.assert_nothing_runs()


def test_an_agent_killed_at_its_deadline_leaves_no_process(bench: Bench) -> None:
    goal = bench.apply("hang" if bench.agent == "aider" else FOR_EVER, total_s=25.0)
    ended = bench.end_of_act()
    assert (goal["status"], ended["ending"]) == ("over_budget", "total_timeout"), (goal["reason"], ended)
    assert not bench.is_fixed()
    bench.assert_nothing_runs()


@pytest.mark.parametrize("scenario", ["e401", "e429", "e500", "hang"])
def test_a_model_that_fails_ends_named_and_leaves_nothing(bench: Bench, scenario: str) -> None:
    goal = bench.apply(scenario, idle_s=SILENCE_S, total_s=45.0)
    ended = bench.end_of_act()
    assert goal["status"] in ("stuck", "over_budget", "waiting"), goal["reason"]
    assert not bench.is_fixed()
    if ended["ending"] == "exited":
        assert ended["reason"], "an agent that ended by itself said why"
        assert ended.get("cause") == CAUSES.get(scenario), ended
    else:
        assert ended["ending"] in ("idle_timeout", "total_timeout"), ended
    bench.assert_nothing_runs()


def test_a_denial_with_no_change_stops_at_once(bench: Bench) -> None:
    if bench.agent != "claude":
        pytest.skip("only claude says in its envelope what it was denied")
    goal = bench.apply(FIX, more='permission_mode = "default"\nallowed_tools = ["Read"]', dispatches=3)
    assert (goal["status"], goal["cause"]) == ("stuck", "permission_denied"), goal["reason"]
    bench.end_of_act()
    assert not bench.is_fixed()
