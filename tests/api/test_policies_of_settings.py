"""What a [[policy]] table says is what admission asks."""

import re
import tomllib
from pathlib import Path

from kazid.core.level import Level
from kazid.core.policy import Policy
from kazid.settings import Settings, policies

OPERATING = Path(__file__).resolve().parents[2] / "docs" / "operating.md"


def test_the_tables_of_the_manual_are_policies_with_all_that_they_say() -> None:
    (block,) = re.findall(r"(?m)^    \[\[policy\]\]\n(?:(?:    .*)?\n)+", OPERATING.read_text())
    settings = Settings.model_validate(tomllib.loads(block))
    assert policies(settings) == [
        Policy(
            name="interns",
            owners=["ida"],
            paths=[],
            deploys_to=[],
            harnesses=["claude"],
            models=["haiku"],
            environments=[],
            autonomy=Level.ACT,
            cost_usd_max=5.0,
            dispatches_per_day_max=10,
        ),
        Policy(name="production", owners=[], paths=[], deploys_to=["production"], autonomy=Level.APPROVE),
    ]
