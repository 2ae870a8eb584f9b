"""What tokens cost, for agents that report tokens and no dollars: a table with a date, and it says so.

Pure. The agent's own figure always wins. List prices in US dollars for a million tokens, as published on the day of
the table; a model that is not in it has no cost rather than a guessed one. A name matches with or without its
provider before it and its date behind it.
"""

import re
from collections.abc import Mapping

import msgspec

from kazid.core.event import Usage
from kazid.ports.harness import Report

DATED = "2026-02-01"
"""The day these prices were written down; a report whose cost comes from here carries it."""


class Price(msgspec.Struct, frozen=True):
    """Dollars for a million tokens of each class."""

    input: float
    output: float
    cached_input: float
    cache_write: float


def _usual(input_usd: float, output_usd: float) -> Price:
    """Where nothing else is published: reading a cache costs a tenth, writing one a quarter more."""
    return Price(input_usd, output_usd, input_usd * 0.1, input_usd * 1.25)


PRICES: Mapping[str, Price] = {
    "claude-opus-4-8": _usual(5.0, 25.0),
    "claude-opus-4-5": _usual(5.0, 25.0),
    "claude-sonnet-5": _usual(3.0, 15.0),
    "claude-sonnet-4-5": _usual(3.0, 15.0),
    "claude-haiku-4-5": _usual(1.0, 5.0),
    "gpt-5": Price(1.25, 10.0, 0.125, 1.25),
    "gpt-5-codex": Price(1.25, 10.0, 0.125, 1.25),
    "gpt-5-mini": Price(0.25, 2.0, 0.025, 0.25),
    "gemini-2.5-pro": Price(1.25, 10.0, 0.125, 1.25),
    "gemini-2.5-flash": Price(0.30, 2.50, 0.03, 0.30),
}

_DATE = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
TOKENS_PER_PRICE = 1_000_000


def filled(report: Report) -> Report:
    """The report with a cost from the table, where the agent gave tokens, a known model and no cost."""
    usage = report.usage
    if usage is None or usage.cost_usd is not None or report.model is None:
        return report
    price = price_of(report.model)
    if price is None:
        return report
    usage = msgspec.structs.replace(usage, cost_usd=cost_usd(usage, price))
    return msgspec.structs.replace(report, usage=usage, cost_by_table=DATED)


def price_of(model: str) -> Price | None:
    """The price of this model; None when it is not in the table."""
    name = _DATE.sub("", model.rpartition("/")[2].strip().lower())
    return PRICES.get(name)


def cost_usd(usage: Usage, price: Price) -> float:
    """What these tokens cost. `input_tokens` are those that were not read from a cache."""
    parts = (
        (usage.input_tokens, price.input),
        (usage.output_tokens, price.output),
        (usage.cached_input_tokens, price.cached_input),
        (usage.cache_write_tokens, price.cache_write),
    )
    return round(sum((tokens or 0) * each for tokens, each in parts) / TOKENS_PER_PRICE, 8)
