"""The default constants at play: scenarios of one goal in virtual time, and the document made of them.

Goals are loaded from text, so that what is not written is what the loader gives. `python -m tests.core.timeline` writes
docs/loop.md; test_timeline.py compares it, and checks that every constant moves something in it.
"""

import ast
import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, TypeVar

import msgspec
from typing_extensions import override

from kazid.core.event import (
    ActEnded,
    ActIntended,
    EpisodeClosed,
    EpisodeOpened,
    PredicateObserved,
    StatusChanged,
)
from kazid.core.goal import Predicate
from kazid.core.verdict import Verdict, errored, failed
from tests.builders import FAIL, PASS
from tests.core.world import Loop, World
from tests.goalfile.loading import goal_of

if TYPE_CHECKING:
    from _typeshed import SupportsLenAndGetItem

T = TypeVar("T")
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "loop.md"
ROWS_MAX = 24
"""Of one scenario in the document; what follows repeats."""
LOOK_S = 0.1
ACT_S = 1.0

Row = tuple[float, str]


class FirstChoice(Random):
    """No dice: the world does the first thing it may."""

    @override
    def choice(self, seq: "SupportsLenAndGetItem[T]") -> T:
        """The first of them."""
        return seq[0]


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One goal in one world, for so long."""

    title: str
    about: str
    goal: str
    world: Callable[[], World]
    until_s: float

    def play(self) -> Loop:
        """Run it."""
        return Loop(goal_of(self.goal), self.world()).run(until_s=self.until_s)


SERVICE = """
id = "web"
standing = true
[[predicate]]
id = "livez"
provider = "http_probe"
url = "http://127.0.0.1:1/"
[[remedy]]
cmd = "restart"
"""
TASK = """
id = "task"
[[predicate]]
id = "tests"
provider = "test_runner"
cmd = "make"
[harness]
id = "claude"
"""


def many_tests(count: int) -> str:
    """A task with so many code predicates."""
    more = "".join(
        f'[[predicate]]\nid = "t{n}"\nprovider = "test_runner"\ncmd = "make"\n' for n in range(count)
    )
    return f'id = "task"\n{more}[harness]\nid = "claude"\n'


class Scripted(World):
    """A world whose answers are a function of the time and of what was done."""

    def __init__(
        self, answer: Callable[["Scripted", Predicate, float], Verdict], *, look_s: float = LOOK_S
    ) -> None:
        super().__init__(look_s=look_s, act_s=ACT_S)
        self.random = FirstChoice()
        self._answer = answer

    def verdict(self, predicate: Predicate, now_s: float) -> Verdict:
        return self._answer(self, predicate, now_s)


def always(verdict: Verdict) -> Callable[[], World]:
    """A world that never changes."""
    return lambda: Scripted(lambda world, predicate, now_s: verdict)


def repaired_after(acts: int) -> Callable[[], World]:
    """Red until so many acts were done for a predicate."""
    return lambda: Scripted(
        lambda world, predicate, now_s: PASS if world.served.get(predicate.id, 0) >= acts else FAIL
    )


def lives(for_s: float, *, after_restarts: int = 1) -> Callable[[], World]:
    """A service that lives for so long after each restart, or after each second one."""

    def make() -> World:
        died: dict[int, float] = {0: 0.0}

        def answer(world: Scripted, predicate: Predicate, now_s: float) -> Verdict:
            restarts = world.served.get(predicate.id, 0)
            died.setdefault(restarts, now_s + for_s if restarts % after_restarts == 0 else 0.0)
            return FAIL if now_s >= died[restarts] else PASS

        return Scripted(answer)

    return make


def hanging() -> World:
    """Whoever looks gets no answer."""
    return Scripted(lambda world, predicate, now_s: errored("timeout", "no answer"), look_s=1e6)


def alternating() -> World:
    """The live one is red, green, red, green, never twice the same; the other is red."""
    turns = iter(range(10**6))

    def answer(world: Scripted, predicate: Predicate, now_s: float) -> Verdict:
        return PASS if predicate.live and next(turns) % 2 else FAIL

    return Scripted(answer)


def flaky(looks: str) -> Callable[[], World]:
    """Passes and fails in this order, and passes from then on."""

    def make() -> World:
        left = list(looks)
        return Scripted(lambda world, predicate, now_s: FAIL if left and left.pop(0) == "f" else PASS)

    return make


def new_failure_each_time() -> World:
    """An agent that changes what fails, and never how much."""
    faults = ("alpha", "beta", "gamma", "delta", "epsilon")
    return Scripted(lambda world, predicate, now_s: failed(faults[world.served.get(predicate.id, 0) % 5]))


SCENARIOS: Mapping[str, Scenario] = {
    "one-crash": Scenario(
        title="A service crashes once",
        about="Confirmed by two looks, repaired at once, verified by two looks.",
        goal=SERVICE,
        world=repaired_after(1),
        until_s=700.0,
    ),
    "stays-dead": Scenario(
        title="A service that stays dead",
        about="Two attempts with backoff between, then one half-open retry an hour.",
        goal=SERVICE,
        world=always(FAIL),
        until_s=2.2 * 3600,
    ),
    "ladder": Scenario(
        title="The backoff ladder",
        about="Twelve attempts allowed: 5 s · 2ⁿ, cap 5 min, full jitter.",
        goal=SERVICE + "attempts = 12\n",
        world=always(FAIL),
        until_s=2 * 3600.0,
    ),
    "crash-loop": Scenario(
        title="A service that dies 5 s after each restart",
        about="Three repairs in ten minutes are free, then each one more slows the next.",
        goal=SERVICE,
        world=lives(5.0),
        until_s=3600.0,
    ),
    "slow-crash-loop": Scenario(
        title="A service that dies 40 s after each restart",
        about="Slowed as well: no green of it lasts.",
        goal=SERVICE,
        world=lives(40.0),
        until_s=3600.0,
    ),
    "rare-crash": Scenario(
        title="A service that dies every quarter of an hour",
        about="Each repair is forgotten before the next crash, so each starts at once.",
        goal=SERVICE,
        world=lives(900.0),
        until_s=3600.0,
    ),
    "twice-each-time": Scenario(
        title="A service that needs two restarts, and dies 100 s later",
        about="Its green lasts long enough for the failures before it to be forgotten.",
        goal=SERVICE + "attempts = 4\n",
        world=lives(100.0, after_restarts=2),
        until_s=1800.0,
    ),
    "flapping": Scenario(
        title="A service that answers every second time",
        about="No two looks of it agree; the end, when the agent mends nothing, does not wait for it for ever.",
        goal=SERVICE.replace("standing = true", "").replace('[[remedy]]\ncmd = "restart"\n', "")
        + '[[predicate]]\nid = "other"\nprovider = "custom_script"\ncmd = "x"\n',
        world=alternating,
        until_s=3600.0,
    ),
    "hanging": Scenario(
        title="A service that never answers",
        about="Each look ends at its deadline; it cannot be looked at, so nobody restarts it.",
        goal=SERVICE,
        world=hanging,
        until_s=1800.0,
    ),
    "hanging-quick": Scenario(
        title="The same, looked at every five seconds",
        about="The deadline is a share of the interval.",
        goal=SERVICE + '[observe]\ninterval = "5s"\n',
        world=hanging,
        until_s=1800.0,
    ),
    "code-held": Scenario(
        title="Code that is held true",
        about="In a standing goal code is looked at every ten minutes.",
        goal=TASK.replace('id = "task"', 'id = "task"\nstanding = true'),
        world=always(PASS),
        until_s=3 * 3600.0,
    ),
    "code-hanging": Scenario(
        title="A test suite that never ends",
        about="Each run ends at its deadline.",
        goal=TASK,
        world=hanging,
        until_s=4 * 3600.0,
    ),
    "cannot-look": Scenario(
        title="A predicate that cannot be looked at",
        about="An error that may pass is retried with backoff until patience ends.",
        goal=TASK,
        world=always(errored("dns_failure", "no such host")),
        until_s=3600.0,
    ),
    "misconfigured": Scenario(
        title="A predicate that never can be looked at",
        about="A permanent reason ends it at once.",
        goal=TASK,
        world=always(errored("cmd_unrunnable", "no such program")),
        until_s=3600.0,
    ),
    "idle-agent": Scenario(
        title="An agent that changes nothing",
        about="Two dispatches in a row without a new fingerprint.",
        goal=TASK,
        world=always(FAIL),
        until_s=3600.0,
    ),
    "busy-agent": Scenario(
        title="An agent that changes much and improves nothing",
        about="Three dispatches since the last improvement.",
        goal=TASK,
        world=new_failure_each_time,
        until_s=3600.0,
    ),
    "flaky": Scenario(
        title="A flaky test",
        about="Red, green when it is run again: set aside, polled every 30 s, back after three passes in a row.",
        goal=TASK,
        world=flaky("fp" + "ppp"),
        until_s=3600.0,
    ),
    "hopelessly-flaky": Scenario(
        title="A test that stays flaky",
        about="Nothing else is left, and three looks at it in quarantine brought it nowhere.",
        goal=TASK,
        world=flaky("fpfpf"),
        until_s=3600.0,
    ),
    "flaky-held": Scenario(
        title="A flaky test in a standing goal",
        about="Hopeless it is looked at every ten minutes, until it passes.",
        goal=TASK.replace('id = "task"', 'id = "task"\nstanding = true'),
        world=flaky("pfpffff" + "ppp"),
        until_s=2 * 3600.0,
    ),
    "long-way": Scenario(
        title="An agent with a long way to go",
        about="Twelve failing tests, one mended each time: the ceiling that settings give ends it.",
        goal=many_tests(12),
        world=repaired_after(1),
        until_s=3600.0,
    ),
}


def rows_of(loop: Loop) -> list[Row]:
    """What happened, when: events that changed something, and looks that said something new."""
    rows: list[Row] = []
    said: dict[str, str] = {}
    for record in loop.play.records:
        at_s = record.at.boot_s
        match record.event:
            case PredicateObserved(predicate_id=name, verdict=verdict):
                if said.get(name) != verdict.status.value:
                    said[name] = verdict.status.value
                    rows.append((at_s, f"{name} is {verdict.status.value}"))
            case ActIntended(title=title, number=number, half_open=half_open):
                rows.append((at_s, f"act {number}: {title}{' (half-open)' if half_open else ''}"))
            case ActEnded(ending=ending):
                rows.append((at_s, f"ended: {ending}"))
                said.clear()
            case EpisodeOpened(number=number):
                rows.append((at_s, f"episode {number} opened"))
            case EpisodeClosed(number=number, duration_s=duration_s):
                rows.append((at_s, f"episode {number} closed after {duration_s:.1f} s"))
            case StatusChanged(status=status, cause=cause):
                rows.append((at_s, f"-> {status.value}{f': {cause.value}' if cause else ''}"))
            case _:
                pass
    return rows


def looks_of(loop: Loop) -> list[float]:
    """When each look began: the cadence, which the rows leave out."""
    return [r.event.started_s for r in loop.play.records if isinstance(r.event, PredicateObserved)]


# --- the constants ----------------------------------------------------------------------------------------------------

MODULES = (
    "kazid.goalfile.cadence",
    "kazid.core.backoff",
    "kazid.core.cadence",
    "kazid.core.flake",
    "kazid.core.patience",
    "kazid.core.rungs",
    "kazid.core.stuck",
    "kazid.core.vector",
    "kazid.core.window",
    "kazid.core.restart",
    "kazid.core.jitter",
)


class Constant(msgspec.Struct, frozen=True, kw_only=True):
    """One number that a rule hangs on."""

    module: str
    name: str
    value: float
    about: str


def constants() -> Iterator[Constant]:
    """Every numeric constant of the rules, with what its docstring says."""
    for name in MODULES:
        module = importlib.import_module(name)
        assert module.__file__ is not None
        body = ast.parse(Path(module.__file__).read_text()).body
        for position, node in enumerate(body):
            if not (isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)):
                continue
            value = getattr(module, node.targets[0].id)
            if node.targets[0].id.startswith("_") or not isinstance(value, int | float):
                continue
            after = body[position + 1] if position + 1 < len(body) else None
            said = (
                after.value.value
                if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
                else ""
            )
            yield Constant(
                module=name, name=node.targets[0].id, value=value, about=" ".join(str(said).split())
            )


# --- the document -----------------------------------------------------------------------------------------------------

HEAD = """# The loop, played

Generated by `python -m tests.core.timeline`; a test compares. Each table is the real rules (`kazid/core`) in virtual
time, with the defaults that the loader gives: a look takes 0.1 s, an act 1 s. Times are seconds since the goal was
applied.
"""


def document() -> str:
    """docs/loop.md."""
    parts = [HEAD]
    for scenario in SCENARIOS.values():
        rows = rows_of(scenario.play())
        shown = [f"| {at_s:,.1f} | {what} |" for at_s, what in rows[:ROWS_MAX]]
        left = [f"| … | {len(rows) - ROWS_MAX} more |"] if len(rows) > ROWS_MAX else []
        parts.append(
            "\n".join(
                [
                    f"## {scenario.title}",
                    "",
                    scenario.about,
                    "",
                    "| s | what |",
                    "|---:|---|",
                    *shown,
                    *left,
                    "",
                ]
            )
        )
    rows_of_constants = [
        f"| `{c.module.removeprefix('kazid.').replace('.', '/')}` | `{c.name}` | {c.value:g} | {c.about} |"
        for c in constants()
    ]
    parts.append(
        "\n".join(
            [
                "## Every constant",
                "",
                "A test doubles each of these and sees a table above change, or says why none can.",
                "",
                "| module | constant | value | |",
                "|---|---|---:|---|",
                *rows_of_constants,
                "",
            ]
        )
    )
    return "\n".join(parts)


def fingerprint(scenarios: Sequence[Scenario]) -> list[object]:
    """Everything that happened in all of them, looks included."""
    played = [scenario.play() for scenario in scenarios]
    return [(rows_of(loop), looks_of(loop)) for loop in played]


if __name__ == "__main__":
    DOCUMENT.write_text(document())
