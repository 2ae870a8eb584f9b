"""What a goal-file leaves open, from the settings: the agent, ceilings, timeouts, routes. Pure."""

from collections.abc import Collection, Sequence

from kazid.core.errors import StartRefused
from kazid.core.goal import Route
from kazid.goalfile.load import Defaults
from kazid.goalfile.problems import did_you_mean
from kazid.settings import Settings


def defaults_of(settings: Settings, harness_ids: Collection[str]) -> Defaults:
    """The defaults that these settings mean, with the agents there are."""
    return Defaults(
        harness=settings.harness.default,
        harness_ids=tuple(sorted(harness_ids)),
        dispatches_per_episode_max=settings.ceilings.dispatches_per_episode,
        dispatches_per_day_max=settings.ceilings.dispatches_per_day,
        tokens_per_dispatch=settings.ceilings.tokens_per_dispatch,
        cost_usd_per_dispatch=settings.ceilings.cost_usd_per_dispatch,
        idle_timeout_s=settings.harness.idle_timeout_s,
        total_timeout_s=settings.harness.total_timeout_s,
        routes=_routes(settings),
    )


def _routes(settings: Settings) -> Sequence[Route]:
    return tuple(
        Route(
            name=f"kazid.toml route {number}",
            words=tuple(one.words),
            harness=one.harness,
            model=one.model,
            effort=one.effort,
        )
        for number, one in enumerate(settings.route, start=1)
    )


def check_routes(settings: Settings, harness_ids: Collection[str]) -> None:
    """Raises StartRefused where a route of the settings names an agent that is not there."""
    for number, one in enumerate(settings.route, start=1):
        if one.harness is not None and one.harness not in harness_ids:
            hint = did_you_mean(one.harness, harness_ids)
            more = f"; {hint}" if hint else ""
            raise StartRefused(f'settings: route {number}: there is no harness "{one.harness}"{more}')
