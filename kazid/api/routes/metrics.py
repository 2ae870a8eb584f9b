"""`GET /metrics`: the daemon in Prometheus' text format, version 0.0.4. Written by hand: a dozen families do not
need a library.

A green that is too old to count is exported as 0, like everywhere (SEMANTICS §2).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import anyio
import anyio.lowlevel
from starlette.responses import Response

from kazid.api.endpoint import Call, Endpoint, Reply
from kazid.core.roles import Need
from kazid.core.status import GoalStatus
from kazid.runtime.views import DaemonState, GoalView

BATCH = 250
"""Views made before others get a turn: about 10 ms of the one core that everything here shares."""
CONTENT_METRICS = "text/plain; version=0.0.4; charset=utf-8"

Sample = tuple[Mapping[str, str], float]


async def metrics(call: Call) -> Response:
    """Every family."""
    views: list[GoalView] = []
    while page := call.service.views(
        after=_name_of(views[-1]) if views else None, limit=BATCH, sees=call.sees
    ):
        views += page
        await (
            anyio.lowlevel.checkpoint()
        )  # others get their turn: ten thousand views at once would delay every look
    text = exposition(call.service.state(), views, version=call.context.version)
    return Response(text, media_type=CONTENT_METRICS)


def _name_of(view: GoalView) -> tuple[str, str]:
    return view.goal.owner, view.goal.id


def exposition(state: DaemonState, views: Sequence[GoalView], *, version: str) -> str:
    """The daemon's state as Prometheus reads it."""
    return "".join(line for family in _families(state, views, version) for line in family)


def _families(state: DaemonState, views: Sequence[GoalView], version: str) -> Iterator[Iterable[str]]:
    goals = [({"status": s.value}, state.by_status.get(s.value, 0)) for s in GoalStatus]
    green = [({"owner": v.goal.owner, "goal": v.goal.id}, float(v.vector.is_satisfied)) for v in views]
    yield _family("kazi_build_info", "gauge", "Which kazid this is.", [({"version": version}, 1)])
    yield _family("kazi_goals", "gauge", "Goals by status.", goals)
    yield _family("kazi_goal_green", "gauge", "1 while every predicate holds by a fresh look.", green)
    yield _family("kazi_looks_total", "counter", "Looks at predicates.", _one(state.looks_total))
    yield _family("kazi_acts_total", "counter", "Executor attempts started.", _one(state.acts_total))
    yield _family("kazi_turns_total", "counter", "Turns of all goals.", _one(state.turns_total))
    pushes = sorted(state.pushes.items())
    yield _family(
        "kazi_pushes_total",
        "counter",
        "Pushes received, by what they came from.",
        [({"source": source}, count.received) for source, count in pushes],
    )
    yield _family(
        "kazi_pushes_coalesced_total",
        "counter",
        "Pushes that a look owed already answers.",
        [({"source": source}, count.coalesced) for source, count in pushes],
    )
    yield _family(
        "kazi_child_restarts_total",
        "counter",
        "Restarts of crashed goal tasks.",
        _one(state.children_restarted_total),
    )
    yield _family(
        "kazi_degraded", "gauge", "1 while nothing may act.", _one(0 if state.degraded is None else 1)
    )
    yield _family("kazi_journal_offset", "gauge", "Offset of the newest event.", _one(state.head))
    yield _family(
        "process_start_time_seconds",
        "gauge",
        "When the daemon started, in Unix time.",
        _one(state.started.wall_s),
    )


def _one(value: float) -> list[Sample]:
    return [({}, value)]


def _family(name: str, kind: str, text: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP {name} {text}\n# TYPE {name} {kind}\n"
    for labels, value in samples:
        inner = ",".join(f'{key}="{escaped(label)}"' for key, label in labels.items())
        yield f"{name}{{{inner}}} {_number(value)}\n" if inner else f"{name} {_number(value)}\n"


def escaped(label: str) -> str:
    """A label value as the format writes it."""
    return label.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else repr(float(value))


ENDPOINTS = (
    Endpoint(
        method="GET",
        path="/metrics",
        operation="metrics",
        needs=Need.PRESENCE,
        summary="Counters and gauges for Prometheus",
        handle=metrics,
        replies=(
            Reply(description="the text format 0.0.4", media_type=CONTENT_METRICS, schema={"type": "string"}),
        ),
    ),
)
