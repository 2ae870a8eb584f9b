"""Values for tests: valid by default, so that a test shows only what matters to it."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from kazid.core.admission import spec_sha256
from kazid.core.event import ActEnded, ActIntended, GoalApplied, PredicateObserved
from kazid.core.goal import Budget, Cadence, Goal, HarnessChoice, Mode, Predicate, Remedy
from kazid.core.ids import AttemptId, Epoch, Generation, GoalId, Owner, PredicateId
from kazid.core.progress import Episode, PredicateState, Progress, RunningAct
from kazid.core.verdict import Verdict, errored, failed, passed, unknown

PASS = passed()
FAIL = failed("unreachable")
ERROR = errored("dns_failure")
UNKNOWN = unknown("no_claim")

WALL_0 = 1_700_000_000.0
"""Wall time at boot time 0 of every story."""


# --- goals ------------------------------------------------------------------------------------------------------------


def a_cadence(
    *,
    interval_s: float | None = None,
    deadline_s: float = 600.0,
    confirm: int = 1,
    recover: int = 1,
    recheck_s: float = 2.0,
) -> Cadence:
    """The cadence of a code predicate of a one-shot goal."""
    return Cadence(
        interval_s=interval_s,
        deadline_s=deadline_s,
        confirm=confirm,
        recover=recover,
        recheck_s=recheck_s,
    )


def a_predicate(
    predicate_id: str = "tests",
    *,
    live: bool = False,
    cadence: Cadence | None = None,
    group: str | None = None,
    acceptance: bool = False,
    provider: str | None = None,
    **cadence_keys: Any,
) -> Predicate:
    """A code predicate; with `live=True` an http probe. The cadence is the default of the kind, key by key."""
    default = (
        a_cadence(interval_s=30.0, deadline_s=10.0, confirm=2, recover=2, recheck_s=2.0)
        if live
        else a_cadence()
    )
    return Predicate(
        id=PredicateId(predicate_id),
        provider=provider or ("http_probe" if live else "test_runner"),
        cadence=replace(cadence or default, **cadence_keys),
        live=live,
        group=group,
        acceptance=acceptance,
    )


def a_remedy(
    *predicates: str, cmd: str = "restart", attempts: int = 2, on_error: bool = False, timeout_s: float = 60.0
) -> Remedy:
    """A command that may repair these predicates; without any it may repair whatever fails."""
    return Remedy(
        cmd=cmd,
        predicates=tuple(map(PredicateId, predicates)),
        attempts=attempts,
        on_error=on_error,
        timeout_s=timeout_s,
    )


def a_harness(*predicates: str, harness_id: str = "claude") -> HarnessChoice:
    """An agent; `predicates` is its `for`, the live predicates it may work on as well."""
    return HarnessChoice(id=harness_id, predicates=tuple(map(PredicateId, predicates)))


def a_goal(
    *predicates: Predicate,
    remedies: Sequence[Remedy] = (),
    harness: HarnessChoice | None = None,
    standing: bool = False,
    budget: Budget | None = None,
    mode: Mode = Mode.REPAIR,
    goal_id: str = "web",
    **others: Any,
) -> Goal:
    """A one-shot goal with one code predicate and nobody to repair it.

    As the loader does, a standing goal's code predicates are given an interval of 10 minutes, and a goal that can
    dispatch the ceilings of the settings.
    """
    chosen = predicates or (a_predicate("livez" if standing else "tests", live=standing),)
    if standing:
        chosen = tuple(
            replace(p, cadence=replace(p.cadence, interval_s=600.0)) if p.cadence.interval_s is None else p
            for p in chosen
        )
    if budget is None:
        budget = Budget(dispatches_max=10, dispatches_per_day_max=20) if harness is not None else Budget()
    return Goal(
        id=GoalId(goal_id),
        owner=Owner("ada"),
        predicates=chosen,
        remedies=tuple(remedies),
        harness=harness,
        standing=standing,
        budget=budget,
        mode=mode,
        **others,
    )


def a_service(**others: Any) -> Goal:
    """A standing goal: `livez` is probed, and `restart` may repair it twice an episode."""
    return a_goal(
        a_predicate("livez", live=True), standing=True, **{"remedies": [a_remedy("livez")], **others}
    )


def a_task(**others: Any) -> Goal:
    """A one-shot goal: an agent makes `tests` pass."""
    return a_goal(a_predicate("tests"), **{"harness": a_harness(), **others})


# --- progress and events ----------------------------------------------------------------------------------------------


def a_state(verdict: Verdict | None = PASS, **fields: Any) -> PredicateState:
    """A predicate seen once, at 0, in the first generation."""
    return PredicateState(**{"verdict": verdict, "generation": Generation(1), "looks": 1, **fields})


def an_episode(**fields: Any) -> Episode:
    """The first episode, opened at 0, nothing spent."""
    return Episode(**{"number": 1, "opened_s": 0.0, "opened_wall_s": WALL_0, "clock_since_s": 0.0, **fields})


def a_progress(*, states: Mapping[str, PredicateState] | None = None, **fields: Any) -> Progress:
    """A goal of the first generation that was never looked at."""
    return Progress(
        **{
            "generation": Generation(1),
            "epoch": Epoch(1),
            "spec_sha256": "spec",
            "predicates": {PredicateId(k): v for k, v in (states or {}).items()},
            **fields,
        }
    )


def a_running_act(**fields: Any) -> RunningAct:
    """The first attempt of the first remedy, started at 0."""
    return RunningAct(
        **{
            "attempt_id": AttemptId("a1"),
            "number": 1,
            "rung": "remedy:0",
            "title": "restart",
            "predicates": (PredicateId("livez"),),
            "epoch": Epoch(1),
            "started_s": 0.0,
            **fields,
        }
    )


def goal_applied(goal: Goal, **fields: Any) -> GoalApplied:
    """The first apply of a goal."""
    return GoalApplied(
        **{
            "goal": goal,
            "generation": Generation(1),
            "epoch": Epoch(1),
            "spec_sha256": spec_sha256(goal),
            "fresh": True,
            "by": "ada",
            "executor_uid": 990,
            **fields,
        }
    )


def predicate_observed(predicate_id: str, verdict: Verdict, *, at: float, **fields: Any) -> PredicateObserved:
    """A look that took no time."""
    return PredicateObserved(
        **{
            "predicate_id": PredicateId(predicate_id),
            "verdict": verdict,
            "started_s": at,
            "ended_s": at,
            "generation": Generation(1),
            **fields,
        }
    )


def act_intended(predicates: Sequence[str] = ("livez",), **fields: Any) -> ActIntended:
    """The first attempt of the first remedy."""
    return ActIntended(
        **{
            "attempt_id": AttemptId("a1"),
            "rung": "remedy:0",
            "predicates": tuple(map(PredicateId, predicates)),
            "epoch": Epoch(1),
            "generation": Generation(1),
            "fingerprint": "f",
            "number": 1,
            "title": "restart",
            **fields,
        }
    )


def act_ended(*, at: float, **fields: Any) -> ActEnded:
    """The first attempt exited with 0."""
    return ActEnded(
        **{"attempt_id": AttemptId("a1"), "ending": "exited", "exit_code": 0, "ended_s": at, **fields}
    )


def as_json(value: Any) -> bytes:
    """The stored form, in which a tuple and a list are the same."""
    return msgspec.json.encode(value, order="deterministic")
