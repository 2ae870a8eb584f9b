"""What an ended attempt leaves in its episode: what it cost, how it ended, what it changed; and whether it counts.

Pure; the fold calls it. What counts nowhere has to end otherwise than by a budget: by a backoff, by a wait, or at once.
"""

from msgspec.structs import replace

from kazid.core import ladder, quota, window
from kazid.core.event import ActEnded
from kazid.core.progress import Episode
from kazid.core.status import ENDS_UNSTARTED, NEVER_RAN, NEVER_STARTED


def charged(episode: Episode, event: ActEnded) -> Episode:
    """The episode with the attempt's end in its account."""
    tokens = episode.tokens
    if event.tokens_charged is not None:
        tokens = (tokens or 0) + event.tokens_charged
    cost_usd, charged_usd = episode.cost_usd, cost_usd_of(event)
    if charged_usd is not None:
        cost_usd = round((cost_usd or 0.0) + charged_usd, window.USD_DIGITS)
    acts = tuple(
        replace(
            a,
            ending=event.ending,
            exit_code=event.exit_code,
            duration_s=event.duration_s,
            reason=event.reason,
            tokens=event.tokens_charged,
            cause=event.cause,
            until_wall_s=event.until_wall_s,
            change=event.change,
        )
        if a.attempt_id == event.attempt_id
        else a
        for a in episode.acts
    )
    sent = next((a.assignment for a in episode.acts if a.attempt_id == event.attempt_id), None)
    return replace(
        episode,
        ladder=ladder.charged(episode.ladder, sent, tokens=event.tokens_charged, cost_usd=charged_usd),
        tokens=tokens,
        tokens_estimated=episode.tokens_estimated or event.charge_estimated,
        cost_usd=cost_usd,
        cost_estimated=episode.cost_estimated or event.cost_estimated,
        acts=acts,
    )


def cost_usd_of(event: ActEnded) -> float | None:
    """US dollars to charge; None where nothing is known."""
    if event.cost_usd_charged is None and event.usage is not None:
        return event.usage.cost_usd
    return event.cost_usd_charged


def is_free(event: ActEnded, *, rung: str) -> bool:
    """True where nothing ran or was used, and another rule than the budgets' keeps that from going on for ever.

    A remedy that cannot be started is counted: its tries are all that ends it. An agent's ends the goal.
    """
    if event.ending == NEVER_STARTED or quota.is_free(event):
        return True
    is_agent = rung.startswith("harness:")
    return is_agent and event.ending in NEVER_RAN and event.cause in ENDS_UNSTARTED
