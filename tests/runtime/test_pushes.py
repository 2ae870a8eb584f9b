"""What is watched brings a look at once, in virtual time; storms, ends and changed goals included."""

import anyio
import pytest
from msgspec.structs import replace

from kazid.core.event import PredicateObserved
from kazid.core.status import GoalStatus
from kazid.core.verdict import failed, passed
from kazid.core.watch import FileSource, HookSource, ProcessSource, Wake
from kazid.ports.watcher import WatchKey
from tests.builders import a_goal, a_predicate, a_remedy
from tests.runtime.house import ME, House

pytestmark = pytest.mark.trio

FILE = "/etc/app.conf"
WATCHED = replace(a_predicate("livez", live=True), wake=Wake(files=(FILE,)))


def ref(goal):
    return goal.owner, goal.id


async def looks_of(house, predicate_id="livez", *, within_s=0.5):
    """How many looks begin within this time."""
    before = house.scene.looks.get(predicate_id, 0)
    await anyio.sleep(within_s)
    return house.scene.looks.get(predicate_id, 0) - before


async def test_a_push_is_noticed_at_once_and_not_after_the_interval(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(WATCHED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        await anyio.sleep(100)
        house.scene.up["livez"] = False
        house.watcher.touch(FILE)
        await anyio.sleep(0.05)
        reading = daemon.service.view(*ref(goal)).vector.reading("livez")
        assert reading.verdict.reason == "unreachable"


async def test_a_push_confirms_nothing_sooner(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(WATCHED, standing=True, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        await anyio.sleep(100)
        house.scene.up["livez"] = False
        for _ in range(5):
            house.watcher.touch(FILE)
            await anyio.sleep(0.2)
        assert house.runner.started("restart") == 0
        await anyio.sleep(2)
        assert house.runner.started("restart") == 1


async def test_a_storm_coalesces_and_polling_goes_on(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(WATCHED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        before = house.scene.looks["livez"]
        for _ in range(1000):
            house.watcher.touch(FILE)
            await anyio.sleep(0.1)
        assert house.scene.looks["livez"] - before <= 3 + 10 + 100 / 30 * 3
        (watched,) = daemon.service.view(*ref(goal)).watched
        assert watched.pushes >= 1000
        assert watched.last_source == f"file {FILE}"
        counted = daemon.service.state().pushes["file"]
        assert counted.received == watched.pushes
        assert watched.looks <= counted.received - counted.coalesced <= 2 * watched.looks + 1
        assert await looks_of(house, within_s=100) >= 3


async def test_an_end_waits_for_the_look_that_a_push_asked_for(autojump_clock):
    """A pass that began before a push is not causal (SEMANTICS §2)."""
    house = House()
    house.scene.takes_s["livez"] = 1.0
    house.repairs("restart", "livez")
    goal = a_goal(replace(WATCHED, cadence=replace(WATCHED.cadence, recover=1)), remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        with anyio.fail_after(60):
            while house.runner.started("restart") == 0:
                await anyio.sleep(0.1)
        await anyio.sleep(1.5)  # the look after the act is under way
        house.watcher.touch(FILE)
        house.scene.verdicts["livez"] = failed("unreachable")
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=3.0)
        assert waited.outcome == "timeout"
        house.scene.verdicts["livez"] = passed()
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=100.0)
        assert waited.outcome == "reached"


async def test_a_check_that_touches_what_it_watches_still_ends(autojump_clock):
    house = House()
    house.repairs("restart", "livez")

    class Touching:
        async def evaluate(self, options, look, commands):
            house.watcher.touch(FILE)
            return await house.scene.evaluate(options, look, commands)

    house.providers["http_probe"] = Touching()
    goal = a_goal(WATCHED, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        waited = await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=60)
        assert waited.outcome == "reached"


class Declaring:
    """A kind that says what would change its answer, by what the last look found."""

    def __init__(self, scene):
        self.scene = scene
        self.raises = False

    async def evaluate(self, options, look, commands):
        verdict = await self.scene.evaluate(options, look, commands)
        return replace(verdict, evidence={"pid": 4711} if verdict.status.value == "pass" else {})

    def sources(self, options, folder, evidence):
        if self.raises:
            raise ZeroDivisionError("a bug in a provider")
        return [FileSource(f"{folder}/x"), *([ProcessSource(evidence["pid"])] if "pid" in evidence else [])]


async def test_watches_follow_what_a_look_finds_and_end_with_the_goal(autojump_clock):
    house = House()
    house.providers["http_probe"] = Declaring(house.scene)
    house.scene.up["livez"] = True
    goal = a_goal(a_predicate("livez", live=True), standing=True, workspace="/w")
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        ((_, sources),) = house.watcher.watched.items()
        assert sources == (FileSource("/w/x"), ProcessSource(4711))
        house.scene.up["livez"] = False
        house.watcher.end(4711)
        await anyio.sleep(0.05)
        ((_, sources),) = house.watcher.watched.items()
        assert sources == (FileSource("/w/x"),)
        await daemon.service.stop(*ref(goal), caller=ME)
        await anyio.sleep(1)
        assert house.watcher.watched == {}


async def test_a_kind_whose_declaration_raises_is_polled(autojump_clock):
    house = House()
    declaring = house.providers["http_probe"] = Declaring(house.scene)
    declaring.raises = True
    goal = a_goal(WATCHED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        assert await looks_of(house, within_s=100) >= 3
        ((_, sources),) = house.watcher.watched.items()
        assert sources == (FileSource(FILE),)


async def test_auto_false_watches_only_what_is_named(autojump_clock):
    house = House()
    house.providers["http_probe"] = Declaring(house.scene)
    goal = a_goal(replace(WATCHED, wake=Wake(files=(FILE,), auto=False)), standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        ((_, sources),) = house.watcher.watched.items()
        assert sources == (FileSource(FILE),)


async def test_what_cannot_be_watched_is_named_and_polled(autojump_clock):
    house = House()
    house.watcher.refused[FileSource(FILE)] = "no watches left"
    goal = a_goal(WATCHED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        (watched,) = daemon.service.view(*ref(goal)).watched
        assert (watched.source, watched.problem) == (f"file {FILE}", "no watches left")


async def test_a_predicate_that_is_gone_is_watched_no_more_and_a_changed_wake_is_no_new_generation(
    autojump_clock,
):
    house = House()
    other = replace(a_predicate("other", live=True), wake=Wake(files=("/other",), hook=True))
    goal = a_goal(WATCHED, other, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        assert len(house.watcher.watched) == 2
        sources = {w.source for w in daemon.service.view(*ref(goal)).watched}
        assert "hook" in sources
        assert HookSource() not in house.watcher.watched.values()
        elsewhere = replace(WATCHED, wake=Wake(files=("/elsewhere",)))
        changed = replace(goal, predicates=(elsewhere, other))
        assert await daemon.apply(changed) == "updated"
        await anyio.sleep(60)
        assert {s for v in house.watcher.watched.values() for s in v} == {
            FileSource("/elsewhere"),
            FileSource("/other"),
        }
        assert await daemon.apply(replace(goal, predicates=(elsewhere,))) == "generation"
        await anyio.sleep(60)
        assert [s for v in house.watcher.watched.values() for s in v] == [FileSource("/elsewhere")]


async def test_a_finished_goal_watches_nothing(autojump_clock):
    house = House()
    house.repairs("restart", "livez")
    goal = a_goal(WATCHED, remedies=[a_remedy("livez")])
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.CONVERGED, timeout_s=60)
        await anyio.sleep(1)
        assert house.watcher.watched == {}
        house.watcher.touch(FILE)
        assert await looks_of(house, within_s=10) == 0
        assert await house.events_of(PredicateObserved)


HOOKED = replace(a_predicate("livez", live=True), wake=Wake(hook=True))


def token_of(daemon, predicate_id="livez"):
    state = daemon.goals.find("ada", "web")
    return daemon.hooks.token(WatchKey(state.uid, predicate_id))


async def test_a_hook_brings_a_look_at_once_and_only_of_its_predicate(autojump_clock):
    house = House()
    house.scene.up.update(livez=True, other=True)
    other = replace(a_predicate("other", live=True), wake=Wake(hook=True))
    goal = a_goal(HOOKED, other, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await daemon.service.wait(*ref(goal), state=GoalStatus.HOLDING, timeout_s=60)
        await anyio.sleep(2)
        before = dict(house.scene.looks)
        assert token_of(daemon) != token_of(daemon, "other")
        assert daemon.hooks.ring(token_of(daemon))
        await anyio.sleep(0.1)
        assert house.scene.looks == {**before, "livez": before["livez"] + 1}


async def test_a_hook_answers_to_its_token_alone_and_ends_with_its_goal(autojump_clock):
    house = House()
    goal = a_goal(HOOKED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        token = token_of(daemon)
        for other in ("", token[:-1], token + "A", token.lower(), "livez", "\udcff"):
            assert not daemon.hooks.ring(other)
        await daemon.service.suspend(*ref(goal), reason="r", for_s=None, caller=ME)
        assert daemon.hooks.ring(token), "observing goes on"
        await daemon.service.stop(*ref(goal), caller=ME)
        await anyio.sleep(1)
        assert not daemon.hooks.ring(token)


async def test_a_hook_outlives_the_daemon_and_answers_before_the_first_look(autojump_clock):
    house = House()
    house.scene.up["livez"] = True
    goal = a_goal(HOOKED, standing=True)
    async with house.daemon(is_crashed_at_end=True) as daemon:
        await daemon.apply(goal)
        await anyio.sleep(60)
        token = token_of(daemon)
    before = house.scene.looks["livez"]
    async with house.daemon() as daemon:
        await anyio.sleep(0.01)
        assert daemon.hooks.ring(token)
        await anyio.sleep(0.1)
        assert house.scene.looks["livez"] == before + 1


async def test_a_hook_that_a_new_spec_has_no_more_answers_no_more(autojump_clock):
    house = House()
    goal = a_goal(HOOKED, standing=True)
    async with house.daemon() as daemon:
        await daemon.apply(goal)
        await anyio.sleep(1)
        token = token_of(daemon)
        assert await daemon.apply(replace(goal, predicates=(replace(HOOKED, wake=None),))) == "updated"
        await anyio.sleep(0.1)
        assert not daemon.hooks.ring(token)
        assert daemon.service.view(*ref(goal)).watched == ()
