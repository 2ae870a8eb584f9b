"""Which reader reads which `evidence_format`. Reading a report explains a verdict and never moves it (reference 4.6).

Only the verdict `report` asks more: there the report itself decides, and has to be one that can be believed.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kazid.providers.formats.cucumber import read_cucumber
from kazid.providers.formats.junit import read_junit
from kazid.providers.formats.plain_json import read_plain_json
from kazid.providers.formats.report import FINDINGS_MAX, Report
from kazid.providers.formats.sarif import read_sarif
from kazid.providers.formats.tap import read_tap

__all__ = ["FINDINGS_MAX", "READERS", "Report", "read_report"]

READERS: Mapping[str, Callable[[str], Report]] = MappingProxyType(
    {
        "sarif": read_sarif,
        "junit": read_junit,
        "tap": read_tap,
        "cucumber": read_cucumber,
        "json": read_plain_json,
    }
)


def read_report(text: str, evidence_format: str) -> Report | None:
    """Return what the report says; None for `raw`, which is not read."""
    reader = READERS.get(evidence_format)
    return None if reader is None else reader(text)
