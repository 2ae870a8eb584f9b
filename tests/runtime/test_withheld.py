"""What is held out gates its goal and is told to no agent: not in a prompt, a title, an order, a log, an answer."""

import anyio
import msgspec
import pytest
import structlog
from msgspec.structs import replace

from kazid.adapters.memory.runner import Script
from kazid.api.translate import explanation, goal_document, goal_summary
from kazid.core.event import ActIntended
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import errored, failed, passed
from kazid.harnesses.prompt import build_prompt
from tests.builders import a_goal, a_harness, a_predicate
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

CANARY = "canary7"
TESTS = a_predicate("tests")
HIDDEN = replace(
    a_predicate(f"{CANARY}-id"),
    held_out=True,
    description=f"{CANARY} description",
    options={"cmd": f"{CANARY}-cmd", "args": [f"{CANARY}-arg"]},
)
LIVE_HIDDEN = replace(a_predicate(f"{CANARY}-live", live=True), held_out=True)
SEEN = failed("exit_1", f"{CANARY} detail", stdout=f"{CANARY} evidence")


class Agents:
    """What agents were given, and what the API would have told them while they worked."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.orders: list[str] = []
        self.answers: list[str] = []
        self.daemon = None

    def effect(self, order: object) -> None:
        self.orders.append(repr(order))
        self.look()

    def look(self) -> None:
        """As an agent may at any time, or a check, which is no owner either."""
        (view,) = self.daemon.service.views()
        for answer in (goal_document, goal_summary, explanation):
            self.answers.append(msgspec.json.encode(answer(view, is_agent=True)).decode())


@pytest.fixture
def logged():
    with structlog.testing.capture_logs() as lines:
        yield lines


async def _driven(house: House, goal, *, until: GoalStatus = GoalStatus.CONVERGED):
    """The end of a goal whose agent does what the house says, with all an agent could read."""
    agents = Agents(house)
    script = house.scripts.get("claude", Script(duration_s=1.0))
    house.scripts["claude"] = replace(script, effect_at_start=agents.effect)
    async with house.daemon() as daemon:
        agents.daemon = daemon
        daemon.executor._build_prompt = build_prompt
        await daemon.apply(goal)
        waited = await daemon.service.wait(goal.owner, goal.id, state=until, timeout_s=3600)
        agents.look()
        intents = await house.events_of(ActIntended)
    return waited.view, agents, intents


def _assert_untold(agents: Agents, intents, logged) -> None:
    assert agents.orders, "an agent was dispatched"
    for told in (*agents.orders, *agents.answers, *(intent.title for intent in intents), *map(repr, logged)):
        assert CANARY not in told


async def test_a_red_that_is_held_out_gets_a_dispatch_that_says_so_and_then_ends(autojump_clock, logged):
    house = House()
    house.scene.up["tests"] = True
    house.scene.verdicts[HIDDEN.id] = SEEN
    goal = a_goal(TESTS, HIDDEN, harness=a_harness(), workspace="/w")
    view, agents, intents = await _driven(house, goal)
    assert (view.status, view.cause) == (GoalStatus.STUCK, Cause.NO_PROGRESS)
    assert 1 <= len(intents) <= 3, "nobody pays for ever for what cannot be told"
    assert all("withheld" in order for order in agents.orders), "no dispatch without a word of what is wrong"
    _assert_untold(agents, intents, logged)


async def test_what_an_agent_may_see_is_its_slice_before_what_it_may_not(autojump_clock, logged):
    house = House()
    house.scene.verdicts[HIDDEN.id] = SEEN
    house.repairs("claude", "tests")
    goal = a_goal(HIDDEN, TESTS, harness=a_harness(), workspace="/w")
    _, agents, intents = await _driven(house, goal)
    assert tuple(intents[0].predicates) == ("tests",)
    assert "tests" in intents[0].title
    assert tuple(intents[1].predicates) == (HIDDEN.id,)
    _assert_untold(agents, intents, logged)


async def test_a_held_out_red_waits_for_what_an_agent_may_see(autojump_clock, logged):
    house = House()
    house.scene.verdicts[HIDDEN.id] = SEEN
    house.scene.takes_s["tests"] = 20.0
    house.repairs("claude", "tests")
    goal = a_goal(HIDDEN, TESTS, harness=a_harness(), workspace="/w")
    _, agents, intents = await _driven(house, goal)
    assert tuple(intents[0].predicates) == ("tests",), "though the held-out one was known long before"
    _assert_untold(agents, intents, logged)


async def test_a_goal_whose_held_out_predicate_is_fixed_converges(autojump_clock, logged):
    house = House()
    house.scene.verdicts[HIDDEN.id] = SEEN

    def fix(_: object) -> None:
        house.scene.verdicts[HIDDEN.id] = passed()
        house.scene.up["tests"] = True

    house.scripts["claude"] = Script(duration_s=1.0, effect=fix)
    goal = a_goal(TESTS, HIDDEN, harness=a_harness(), workspace="/w")
    view, agents, intents = await _driven(house, goal)
    assert view.status is GoalStatus.CONVERGED
    assert len(intents) == 1
    _assert_untold(agents, intents, logged)


async def test_a_held_out_predicate_is_not_looked_at_while_an_agent_works(autojump_clock, logged):
    house = House()
    house.scene.up[LIVE_HIDDEN.id] = True
    house.scripts["claude"] = Script(duration_s=300.0)
    goal = a_goal(TESTS, LIVE_HIDDEN, a_predicate("livez", live=True), harness=a_harness(), workspace="/w")
    house.scene.up["livez"] = True
    async with house.daemon() as daemon:
        daemon.executor._build_prompt = build_prompt
        await daemon.apply(goal)
        while not house.runner.live_now:
            await anyio.sleep(0.1)
        await anyio.sleep(1)
        before = dict(house.scene.looks)
        await anyio.sleep(200)
        assert house.scene.looks[LIVE_HIDDEN.id] == before[LIVE_HIDDEN.id], "a look can be seen"
        assert house.scene.looks["livez"] > before["livez"], "others are still looked at"
        await daemon.service.reconcile(goal.owner, goal.id, caller=ME)
        await anyio.sleep(1)
        assert house.scene.looks[LIVE_HIDDEN.id] == before[LIVE_HIDDEN.id], "not even when asked"
        await anyio.sleep(120)
        assert house.scene.looks[LIVE_HIDDEN.id] > before[LIVE_HIDDEN.id]


async def test_a_provider_that_raises_over_a_held_out_predicate_does_not_name_it_in_the_log(
    autojump_clock, logged
):
    house = House()
    house.scene.crashes.add(HIDDEN.id)
    goal = a_goal(TESTS, HIDDEN, harness=a_harness(), workspace="/w")
    _, agents, intents = await _driven(house, goal)
    assert [line for line in logged if line["event"] == "provider.raised"]
    _assert_untold(agents, intents, logged)


@pytest.mark.parametrize(
    "verdict",
    [
        pytest.param(failed("exit_1", "password: hunter2hunter2", stdout="x"), id="detail"),
        pytest.param(
            failed("exit_1", None, report={"token": "ghp_" + "q8Zr3mWv0pLk7TyXq8Zr3m"}), id="nested"
        ),
        pytest.param(errored("http", "GET https://me:hunter2hunter2@host/ failed"), id="error"),
        pytest.param(failed("exit_1", None, lines=["API_TOKEN=hunter2hunter2x"]), id="list"),
        pytest.param(failed("exit_1", None, password="hunter2hunter2"), id="named-by-its-key"),
    ],
)
async def test_no_verdict_carries_a_secret_into_the_journal_whichever_provider_gave_it(
    verdict, autojump_clock
):
    house = House()
    house.scene.verdicts["tests"] = verdict
    async with house.daemon() as daemon:
        await daemon.apply(a_goal(TESTS, workspace="/w"))
        await anyio.sleep(30)
        kept = msgspec.json.encode([r.event for r in await house.events()]).decode()
        (view,) = daemon.service.views()
        told = msgspec.json.encode(goal_document(view)).decode()
    for text in (kept, told):
        assert "hunter2hunter2" not in text
        assert "q8Zr3mWv0p" not in text
        assert "[redacted" in text
