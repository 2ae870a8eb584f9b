"""The predicate kinds that are built, each with how its provider is made. A new provider is one line here.

`main` makes one of each and hands them to the observer by name; the catalog says which keys each takes.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from kazid.core.pin import SURFACES
from kazid.ports.provider import Provider
from kazid.providers.browser import Browser, Visual
from kazid.providers.browser_host import BrowserHost
from kazid.providers.cli import Cli
from kazid.providers.coverage import Coverage
from kazid.providers.custom_script import CustomScript
from kazid.providers.cve import Cve
from kazid.providers.docs_updated import DocsUpdated
from kazid.providers.fresh_clone import FreshClone
from kazid.providers.gherkin import Gherkin
from kazid.providers.http_probe import HttpProbe
from kazid.providers.landed import Deployed, Landed
from kazid.providers.metrics import Metrics
from kazid.providers.mutation import Mutation
from kazid.providers.no_stubs import NoStubs
from kazid.providers.operations import OPERATIONS
from kazid.providers.prod_log import ProdLog
from kazid.providers.property import Property
from kazid.providers.ratchet import Ratchet
from kazid.providers.records import Records
from kazid.providers.scenario import Scenario
from kazid.providers.spec_coverage import SpecCoverage
from kazid.providers.static import Static
from kazid.providers.test_runner import TestRunner

_BROWSER = BrowserHost()
"""One for all that look through it; nothing runs before the first does."""


async def end_idle_browser() -> None:
    """For the daemon's housekeeping: nothing happens while there is none, or somebody looks through it."""
    await _BROWSER.end_when_idle()


def scenario() -> Provider:
    """Replays on those surfaces that are built."""
    return Scenario({name: BUILTIN[name]() for name in SURFACES if name in BUILTIN})


BUILTIN: Mapping[str, Callable[[], Provider]] = MappingProxyType(
    {
        "cli": Cli,
        "coverage": Coverage,
        "custom_script": CustomScript,
        "cve": Cve,
        "deployed": Deployed,
        "docs_updated": DocsUpdated,
        "gherkin": Gherkin,
        "http_probe": HttpProbe,
        "landed": Landed,
        "mutation": Mutation,
        "no_stubs": NoStubs,
        "prod_log": ProdLog,
        "property": Property,
        "metrics": Metrics,
        "ratchet": Ratchet,
        "fresh_clone": FreshClone,
        "records": Records,
        "scenario": scenario,
        "spec_coverage": SpecCoverage,
        "static": Static,
        "test_runner": TestRunner,
        "browser": lambda: Browser(_BROWSER),
        "visual": lambda: Visual(_BROWSER),
        **OPERATIONS,
    }
)
