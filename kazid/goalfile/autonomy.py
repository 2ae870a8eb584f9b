"""How far a goal may go by itself, as its file says: `[autonomy]` and `[[approval]]`. Per predicate it is a key of its.

What an agent makes can be kept back only in a tree of the goal's own, so a goal that may not act freely has one.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from kazid.core.approval import keeps_work_back
from kazid.core.goal import Goal
from kazid.core.level import EXPIRES_S, ApprovalRule, Autonomy, Gate, Level, Risk
from kazid.core.roles import Role
from kazid.goalfile.problems import Problems
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import ROLES

COUNT_MAX = 10


def read_autonomy(table: Table) -> Autonomy:
    """The levels of the goal and of its risk classes; what is not written is `act`."""
    risks = {risk.value: Level(text) for risk in Risk if (text := table.text(risk.value)) is not None}
    return Autonomy(level=Level(table.text("level") or Level.ACT.value), risks=risks)


def read_approvals(tables: Sequence[Table], problems: Problems) -> tuple[ApprovalRule, ...]:
    """Who has to say yes at which gate; a gate is named once."""
    found: dict[Gate, ApprovalRule] = {}
    for number, table in enumerate(tables, start=1):
        what = f"[[approval]] {number}"
        named = table.text("gate")
        for index, role in enumerate(table.texts("from")):
            if role not in ROLES:
                problems.add_unknown((*table.path, "from", index), f"{what}: unknown role", role, ROLES)
        count = table.integer("count") or 1
        if count > COUNT_MAX:
            problems.add((*table.path, "count"), f"{what}: count is at most {COUNT_MAX}")
        if named is None:
            continue
        gate = Gate(named)
        if gate in found:
            problems.add((*table.path, "gate"), f"{what}: the gate {named} has a table already")
        roles = tuple(Role(role) for role in table.texts("from") if role in ROLES)
        found[gate] = ApprovalRule(
            gate=gate,
            roles=roles or (Role.APPROVER,),
            count=count,
            expires_s=table.seconds("expires") or EXPIRES_S,
        )
    return tuple(found.values())


def kept_back(goal: Goal, workspace: Table, problems: Problems) -> Goal:
    """The goal with a tree of its own where what its agent makes has to be kept from the user's."""
    if not keeps_work_back(goal):
        return goal
    if workspace.text("mode") == "in_place":
        message = (
            'workspace: mode = "in_place" keeps nothing back, and [autonomy] or [[approval]] asks for that'
        )
        problems.add((*workspace.path, "mode"), message, hint='write mode = "worktree", or leave it out')
    return replace(goal, isolation=replace(goal.isolation, mode="worktree"))
