"""Ceilings that an operator puts on what any goal may ask for, and what of a goal exceeds them. Pure.

Checked at admission, before anything is stored: a goal beyond a ceiling is refused, with the policy and the number
named. A goal that can dispatch an agent and says no number for what a policy caps asks for more than any number.
"""

import fnmatch
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kazid.core import autonomy, routing
from kazid.core.errors import Problem
from kazid.core.goal import Assignment, Goal
from kazid.core.level import Level, is_beyond


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """Which goals it is about (all of what is given must match), and what they may ask for at most. None: anything."""

    name: str
    owners: Sequence[str] = ()
    labels: Mapping[str, str] = {}
    paths: Sequence[str] = ()
    """Patterns of workspaces; a goal without one is meant by none."""
    deploys_to: Sequence[str] = ()
    """Names of environments; a goal that deploys to none of them is not meant."""
    harnesses: Sequence[str] | None = None
    models: Sequence[str] | None = None
    environments: Sequence[str] | None = None
    """Deploy targets; empty: it may deploy nowhere."""
    autonomy: Level | None = None
    """How far they may go by themselves."""
    cost_usd_max: float | None = None
    tokens_max: int | None = None
    dispatches_max: int | None = None
    dispatches_per_day_max: int | None = None

    def is_about(self, goal: Goal) -> bool:
        """True for a goal that the policy caps."""
        if self.owners and goal.owner not in self.owners:
            return False
        if self.paths and not any(_is_below(goal.workspace, pattern) for pattern in self.paths):
            return False
        if self.deploys_to and (goal.deploy is None or goal.deploy.env_name not in self.deploys_to):
            return False
        return all(goal.labels.get(key) == value for key, value in self.labels.items())


def exceeded(policies: Sequence[Policy], goal: Goal) -> Sequence[Problem]:
    """Everything in which a goal asks for more than the policies allow."""
    return [
        Problem(message=f'policy "{policy.name}": {what}', key=key)
        for policy in policies
        if policy.is_about(goal)
        for key, what in _beyond(policy, goal)
    ]


def _beyond(policy: Policy, goal: Goal) -> Iterator[tuple[str, str]]:
    if goal.deploy is not None and policy.environments is not None:
        target = goal.deploy.env_name or "without an environment's name"
        if target not in policy.environments:
            yield "deploy", f"may deploy to {_one_of(policy.environments)}, and it deploys to {target}"
    if policy.autonomy is not None:
        for what, level in autonomy.asked_for(goal):
            if is_beyond(level, policy.autonomy):
                yield (
                    "autonomy",
                    f"autonomy is at most {policy.autonomy.value}, and {what} asks for {level.value}",
                )
    if goal.harness is None:
        return
    yield from _agents_beyond(policy, goal)
    budget = goal.budget
    for key, asked_for, ceiling in (
        ("budget.max_cost_usd", budget.cost_usd_max, policy.cost_usd_max),
        ("budget.max_tokens", budget.tokens_max, policy.tokens_max),
        ("budget.max_dispatches", budget.dispatches_max, policy.dispatches_max),
        ("budget.max_dispatches_per_day", budget.dispatches_per_day_max, policy.dispatches_per_day_max),
    ):
        if ceiling is not None and (asked_for is None or asked_for > ceiling):
            name = key.rpartition(".")[2]
            asks = "names none" if asked_for is None else f"asks for {asked_for:g}"
            yield key, f"{name} is at most {ceiling:g}, and it {asks}"


def _agents_beyond(policy: Policy, goal: Goal) -> Iterator[tuple[str, str]]:
    """Agents and models that are not allowed, each once: the goal's own, and those that its routes choose."""
    assert goal.harness is not None, "asked of a goal with an agent"
    own = Assignment(harness=goal.harness.id, model=goal.harness.model)
    asked = [own, *routing.possible(goal)]
    harnesses, models = policy.harnesses, policy.models
    if harnesses is not None:
        for harness in dict.fromkeys(a.harness for a in asked if a.harness not in harnesses):
            yield "harness", f"may use {_one_of(harnesses)}, and it asks for {harness}"
    if models is not None:
        for model in dict.fromkeys(a.model for a in asked if a.model not in models):
            named = model or "no model by name"
            yield "harness.model", f"may use the model {_one_of(models)}, and it asks for {named}"


def _is_below(workspace: str | None, pattern: str) -> bool:
    if workspace is None:
        return False
    return fnmatch.fnmatchcase(workspace, pattern) or fnmatch.fnmatchcase(workspace, f"{pattern}/*")


def _one_of(names: Sequence[str]) -> str:
    return " or ".join(names) if names else "none"
