"""Random goals and random steps of a story, for hypothesis."""

from collections.abc import Callable

from hypothesis import strategies as st

from kazid.core.cadence import schedule
from kazid.core.decision import Act, Hold, Look
from kazid.core.event import StatusChanged
from kazid.core.goal import Budget, Goal, Mode, Predicate
from kazid.core.status import Cause, GoalStatus
from kazid.core.verdict import Verdict, errored, failed, unknown
from tests.builders import (
    ERROR,
    FAIL,
    PASS,
    UNKNOWN,
    a_goal,
    a_harness,
    a_predicate,
    a_remedy,
    predicate_observed,
)
from tests.played import Played

NAMES = ("a", "b", "c")
Step = Callable[[Played], object]

VERDICTS: st.SearchStrategy[Verdict] = st.sampled_from(
    [
        PASS,
        PASS,
        FAIL,
        FAIL,
        FAIL,
        ERROR,
        UNKNOWN,
        failed("other"),
        errored("missing_cmd"),
        unknown("pending"),
    ]
)
DELAYS_S = st.sampled_from([0.0, 0.25, 1.0, 2.0, 2.0, 2.0, 5.0, 30.0, 60.0, 301.0, 3600.0])


@st.composite
def predicates(draw: st.DrawFn, name: str) -> Predicate:
    live = draw(st.booleans())
    keys = {"group": draw(st.sampled_from([None, "g"])), "acceptance": draw(st.booleans())}
    if not live:
        return a_predicate(name, **keys)
    return a_predicate(
        name,
        live=True,
        confirm=draw(st.integers(1, 3)),
        recover=draw(st.integers(1, 3)),
        interval_s=draw(st.sampled_from([1.0, 30.0, 300.0])),
        **keys,
    )


@st.composite
def budgets(draw: st.DrawFn) -> Budget:
    return Budget(
        iterations_max=draw(st.sampled_from([None, 1, 2, 5])),
        wall_clock_s_max=draw(st.sampled_from([None, 60.0, 600.0])),
        tokens_max=draw(st.sampled_from([None, None, 1000])),
        dispatches_max=draw(st.sampled_from([0, 1, 10])),
        dispatches_per_day_max=draw(st.sampled_from([1, 20])),
    )


@st.composite
def goals(draw: st.DrawFn, *, standing: bool | None = None) -> Goal:
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    some = st.lists(st.sampled_from(names), unique=True, max_size=2)
    remedies = [
        a_remedy(*draw(some), cmd=f"r{index}", attempts=draw(st.integers(1, 3)), on_error=draw(st.booleans()))
        for index in range(draw(st.integers(0, 2)))
    ]
    return a_goal(
        *(draw(predicates(name)) for name in names),
        remedies=remedies,
        harness=draw(st.sampled_from([None, a_harness(), a_harness(names[0])])),
        standing=draw(st.booleans()) if standing is None else standing,
        budget=draw(budgets()),
        mode=draw(st.sampled_from(list(Mode))),
    )


def _begin(play: Played) -> object:
    """Whatever is due is begun; an act only where the rules want one."""
    return play.act_intended() if play.progress.act is None and isinstance(play.turn(), Act) else None


def _end(ending: str, cause: Cause | None, tokens: int | None) -> Step:
    return lambda play: (
        None if play.progress.act is None else play.act_ended(ending=ending, cause=cause, tokens=tokens)
    )


def _defer(play: Played) -> object:
    return play.act_deferred() if isinstance(play.turn(), Act) else None


def _look_all(verdict: Verdict) -> Step:
    """Every predicate is looked at as often as it takes to settle, at its own pace."""

    def looks(play: Played) -> None:
        for _ in range(3):
            for predicate in play.goal.predicates:
                if predicate.live or play.progress.act is None:
                    play.look(predicate.id, verdict)
            play.advance(2.0)

    return looks


def _late_look(verdict: Verdict, began_before_s: float, generations_ago: int) -> Step:
    """A look that began before something else happened, but after the one before it: looks do not overlap."""

    def late(play: Played) -> None:
        name = play.goal.predicates[0].id
        began_s = max(play.state(name).ended_s, play.now.boot_s - began_before_s)
        generation = max(1, play.progress.generation - generations_ago)
        play.record(
            predicate_observed(name, verdict, at=began_s, ended_s=play.now.boot_s, generation=generation)
        )

    return late


def _drive(verdicts: list[Verdict], ending: str) -> Step:
    """The loop itself for a while: act when it is time, look at what is due, else sleep until something is."""

    def drive(play: Played) -> None:
        for verdict in verdicts:
            decision = play.turn()
            if play.progress.act is not None:
                play.act_ended(after=3.0, ending=ending)
            elif isinstance(decision, Act):
                play.act_intended()
            elif isinstance(decision, Look):
                for predicate_id in decision.predicates:
                    play.look(predicate_id, verdict, tree=verdict.reason)
            elif play.due:
                for predicate_id in play.due:
                    play.look(predicate_id, verdict, tree=verdict.reason)
            else:
                until_s = [decision.until_s] if isinstance(decision, Hold) else []
                next_s = schedule(play.goal, play.progress, play.now).next_s
                times = [at_s for at_s in [*until_s, next_s] if at_s is not None]
                play.advance(1.0 if not times else max(0.0, min(times) - play.now.boot_s))

    return drive


def _and_back(step: str, back: str) -> Step:
    """Something that stops a goal, and what a person does about it."""

    def there_and_back(play: Played) -> None:
        getattr(play, step)()
        play.turn()
        play.reapply(play.goal, fresh=True) if back == "reapply" else getattr(play, back)()

    return there_and_back


def _stopped_by_others(status: GoalStatus) -> Step:
    """Rules of later issues (fights, tampering) stop a goal through the same event."""
    return lambda play: (
        play.record(StatusChanged(status=status, reason="because"))
        if play.progress.act is None and play.goal.standing
        else None
    )


def _reapply(goal: Goal, *, in_place: bool) -> Step:
    def apply(play: Played) -> None:
        if in_place:
            play.reapply(play.goal)
        else:
            play.reapply(
                goal, generation=play.progress.generation + 1, fresh=play.goal.standing != goal.standing
            )

    return apply


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """One thing that may happen to a goal at any time."""
    kind = draw(
        st.sampled_from(
            ["look"] * 6
            + ["settle"] * 4
            + ["advance"] * 4
            + ["begin"] * 4
            + ["end"] * 4
            + ["drive"] * 12
            + ["late", "defer", "reconcile", "suspend", "resume", "back", "back", "sink"]
            + ["restart", "reboot", "clock", "reapply", "change", "others"]
        )
    )
    match kind:
        case "look":
            index, verdict, tree = draw(st.integers(0, 2)), draw(VERDICTS), draw(st.sampled_from("tuv"))
            return lambda play: play.look(
                play.goal.predicates[index % len(play.goal.predicates)].id, verdict, tree=tree
            )
        case "settle":
            return _look_all(draw(VERDICTS))
        case "advance":
            by_s = draw(DELAYS_S)
            return lambda play: play.advance(by_s)
        case "begin":
            return _begin
        case "end":
            ending = draw(st.sampled_from(["exited", "exited", "cancelled", "never_started", "not_started"]))
            cause = draw(st.sampled_from([None, None, Cause.PERMISSION_DENIED, Cause.CAPABILITY_UNREACHABLE]))
            return _end(ending, cause, draw(st.sampled_from([None, 10, 900])))
        case "drive":
            favourite = draw(VERDICTS)
            some = st.one_of(st.just(favourite), st.just(favourite), VERDICTS)
            ending = draw(st.sampled_from(["exited", "exited", "never_started"]))
            return _drive(draw(st.lists(some, min_size=1, max_size=30)), ending)
        case "back":
            step = draw(st.sampled_from(["stop", "suspend", "park", "delete"]))
            return _and_back(step, draw(st.sampled_from(["resume", "resume", "reapply"])))
        case "sink":
            step = draw(st.sampled_from(["stop", "suspend", "park"]))
            return lambda play: getattr(play, step)()
        case "late":
            return _late_look(draw(VERDICTS), draw(DELAYS_S), draw(st.integers(0, 1)))
        case "defer":
            return _defer
        case "suspend":
            for_s = draw(st.sampled_from([None, 1.0, 600.0]))
            return lambda play: play.suspend(for_s=for_s)
        case "restart":
            down_s = draw(DELAYS_S)
            return lambda play: play.restart_daemon(down_s=down_s)
        case "reboot":
            down_s = draw(DELAYS_S)
            return lambda play: play.restart_daemon(down_s=down_s, boot_s=10.0)
        case "clock":
            by_s = draw(st.sampled_from([-7200.0, -2.0, 2.0, 100_000.0]))
            return lambda play: play.step_clock(by_s)
        case "reapply":
            return _reapply(draw(goals()), in_place=False)
        case "change":
            return _reapply(draw(goals()), in_place=True)
        case "others":
            return _stopped_by_others(draw(st.sampled_from([GoalStatus.TAMPERED, GoalStatus.CONTESTED])))
        case _:
            return lambda play: getattr(play, kind)()


@st.composite
def stories(draw: st.DrawFn, *, on_decision: Callable[..., None] | None = None) -> Played:
    """A goal and what happened to it, with every turn between."""
    play = Played(draw(goals()), at=draw(st.sampled_from([0.0, 100.0, 1e6])))
    play.on_decision = on_decision
    play.turn()
    for step in draw(st.lists(steps(), max_size=40)):
        step(play)
        play.turn()
    return play
