"""Who may act for a goal: its remedies, and which agent if any (SEMANTICS §3).

The agent is the flag's, else the goal-file's, else the settings'. A goal with remedies that names no agent has none,
and neither has a goal whose predicates no agent may work on.
"""

from collections.abc import Collection, Sequence

import msgspec

from kazid.core.goal import HarnessChoice, Mode, Predicate, Remedy
from kazid.core.ids import PredicateId
from kazid.core.level import Risk
from kazid.goalfile import vocabulary
from kazid.goalfile.positions import Path
from kazid.goalfile.predicates import check_env
from kazid.goalfile.problems import Problems, did_you_mean, listed
from kazid.goalfile.secrets import read_env
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table

HARNESS_FLAG = "--harness"
ANY_COMMAND = "command"
"""The harness that is whatever program the goal-file names."""


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What was said about the agent outside the goal-file. `default` is the settings' choice."""

    flag: str | None
    model_flag: str | None
    default: str
    known: Sequence[str] = vocabulary.HARNESS_IDS
    idle_timeout_s: float
    total_timeout_s: float


def read_remedies(tables: Sequence[Table], ids: Collection[PredicateId], problems: Problems) -> list[Remedy]:
    """The remedies in file order, with the predicates they name checked."""
    remedies: list[Remedy] = []
    for number, table in enumerate(tables, start=1):
        what = f"[[remedy]] {number}"
        check_env(table.text_table("env"), problems, path=(*table.path, "env"), what=f"{what}: env")
        if table.has("for") and not table.texts("for"):
            message = f"{what}: for names no predicate, so it could never run"
            problems.add((*table.path, "for"), message, hint="leave it out to mean any failing predicate")
        remedies.append(
            Remedy(
                cmd=table.text("cmd") or "",
                args=table.texts("args"),
                predicates=_named(table, ids, problems, what=what),
                timeout_s=table.seconds("timeout") or 60.0,
                attempts=table.integer("attempts") or 2,
                on_error=table.flag("on_error", default=False),
                env=table.text_table("env"),
                risk=Risk(table.text("risk") or Risk.RESTART.value),
            )
        )
    return remedies


def choose_harness(
    table: Table,
    wanted: Wanted,
    *,
    has_remedies: bool,
    mode: Mode,
    predicates: Sequence[Predicate],
    problems: Problems,
) -> HarnessChoice | None:
    """The agent of this goal; None when it never dispatches one."""
    _check_wanted(wanted, problems)
    named = _named(table, {p.id for p in predicates}, problems, what="harness")
    plain_env, secrets = read_env(table, problems, what="harness")
    authored_id = table.text("id")
    if authored_id is not None and authored_id not in wanted.known:
        problems.add_unknown(
            (*table.path, "id"), "harness: unknown id", authored_id, wanted.known, label="known"
        )
    harness_id = wanted.flag or authored_id
    if harness_id is None:
        if has_remedies or not any(agent_could(p, mode) for p in predicates):
            return None
        harness_id = wanted.default
    if harness_id == ANY_COMMAND and (harness_id != authored_id or not table.text("command")):
        problems.add(
            (*table.path, "command"), f'harness "{ANY_COMMAND}" needs a command', hint="name the program"
        )
    # What a table says about one agent's command line means nothing to another.
    own = table if harness_id == table.text("id") else Table({})
    return HarnessChoice(
        id=harness_id,
        model=wanted.model_flag or own.text("model"),
        command=own.text("command"),
        effort=own.text("effort"),
        permission_mode=own.text("permission_mode"),
        allowed_tools=own.texts("allowed_tools"),
        predicates=named,
        env=plain_env,
        secrets=secrets,
        orientation=table.flag("orientation", default=True),
        idle_timeout_s=table.seconds("idle_timeout") or float(wanted.idle_timeout_s),
        total_timeout_s=table.seconds("timeout") or float(wanted.total_timeout_s),
    )


def agent_could(predicate: Predicate, mode: Mode) -> bool:
    """Whether an agent may work on it without being named for it: code always, live only to create it."""
    return not predicate.live or (mode is Mode.CREATE and predicate.acceptance)


def _named(
    table: Table, ids: Collection[PredicateId], problems: Problems, *, what: str
) -> tuple[PredicateId, ...]:
    """The predicates of `for`; names nobody has are problems."""
    path: Path = (*table.path, "for")
    named = table.texts("for")
    for index, name in enumerate(named):
        if name not in ids:
            problems.add_unknown((*path, index), f"{what}: for names unknown predicate", name, ids)
    return tuple(PredicateId(n) for n in named if n in ids)


def _check_wanted(wanted: Wanted, problems: Problems) -> None:
    for option, name in ((HARNESS_FLAG, wanted.flag), ("settings: harness", wanted.default)):
        if name is not None and name not in wanted.known:
            message = f"unknown harness {shown(name)}; known: {listed(wanted.known)}"
            problems.add_option(option, message, hint=did_you_mean(name, wanted.known))
