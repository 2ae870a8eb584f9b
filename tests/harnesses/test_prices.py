"""Cost from the dated table: only where the agent gave tokens and no figure of its own."""

import re

import pytest

from kazid.core.event import Usage
from kazid.harnesses.prices import DATED, PRICES, filled
from kazid.ports.harness import Report

USED = Usage(
    input_tokens=1_000_000, output_tokens=100_000, cached_input_tokens=1_000_000, cache_write_tokens=1_000_000
)


@pytest.mark.parametrize(
    "model", ["claude-sonnet-4-5", "anthropic/claude-sonnet-4-5", "claude-sonnet-4-5-20250929"]
)
def test_a_known_model_costs_by_class_and_says_where_that_is_from(model: str) -> None:
    report = filled(Report(usage=USED, model=model))
    assert report.usage is not None
    assert report.usage.cost_usd == pytest.approx(3.0 + 1.5 + 0.3 + 3.75)
    assert report.cost_by_table == DATED


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(Report(usage=USED, model="fake-model"), id="unknown-model"),
        pytest.param(Report(usage=USED), id="no-model"),
        pytest.param(Report(model="gpt-5"), id="no-usage"),
        pytest.param(Report(usage=Usage(input_tokens=5, cost_usd=1.0), model="gpt-5"), id="its-own-figure"),
    ],
)
def test_otherwise_nothing_is_added(report: Report) -> None:
    assert filled(report) is report


def test_the_table_has_a_date_and_no_price_of_nothing() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", DATED)
    assert all(min(p.input, p.output, p.cached_input, p.cache_write) > 0 for p in PRICES.values())
