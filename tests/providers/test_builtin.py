"""The table of built kinds agrees with the catalog, so that a key that loads is a key that is read."""

import pytest

from kazid.providers.browser import VisualOptions
from kazid.providers.browser_options import BrowserOptions
from kazid.providers.builtin import BUILTIN
from kazid.providers.catalog import KINDS
from kazid.providers.cli import CliOptions
from kazid.providers.coverage import CoverageOptions
from kazid.providers.custom_script import CustomScriptOptions, EvidenceFormat, Rule
from kazid.providers.cve import CveOptions, Scanner
from kazid.providers.docs_updated import DocsUpdatedOptions
from kazid.providers.fresh_clone import FreshCloneOptions
from kazid.providers.gherkin import GherkinOptions
from kazid.providers.http_probe import HttpProbeOptions
from kazid.providers.kinds import checks
from kazid.providers.landed import DeployedOptions, LandedOptions
from kazid.providers.metric import MetricFormat, MetricOptions
from kazid.providers.metrics import MetricsOptions
from kazid.providers.mutation import MutationOptions
from kazid.providers.no_stubs import NoStubsOptions
from kazid.providers.prod_log import ProdLogOptions
from kazid.providers.property import PropertyOptions
from kazid.providers.ratchet import RatchetOptions
from kazid.providers.records import RecordsOptions
from kazid.providers.scenario import ScenarioOptions
from kazid.providers.spec_coverage import SpecCoverageOptions
from kazid.providers.static import Format, StaticOptions
from kazid.providers.test_runner import FIXED
from tests.providers.operation_options import FIXED_BY_KIND, OPERATION_OPTIONS

OPTIONS = {
    "custom_script": CustomScriptOptions,
    "test_runner": CustomScriptOptions,
    "http_probe": HttpProbeOptions,
    "metrics": MetricsOptions,
    "browser": BrowserOptions,
    "prod_log": ProdLogOptions,
    "visual": VisualOptions,
    "ratchet": RatchetOptions,
    "records": RecordsOptions,
    "fresh_clone": FreshCloneOptions,
    "static": StaticOptions,
    "gherkin": GherkinOptions,
    "scenario": ScenarioOptions,
    "spec_coverage": SpecCoverageOptions,
    "cli": CliOptions,
    "no_stubs": NoStubsOptions,
    "docs_updated": DocsUpdatedOptions,
    "coverage": CoverageOptions,
    "cve": CveOptions,
    "mutation": MutationOptions,
    "property": PropertyOptions,
    "landed": LandedOptions,
    "deployed": DeployedOptions,
    **OPERATION_OPTIONS,
}


def test_a_kind_is_built_exactly_when_it_has_a_provider() -> None:
    assert {name for name, kind in KINDS.items() if kind.built} == BUILTIN.keys()


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_every_key_that_loads_is_read(name: str) -> None:
    passed_on = {"scenario": KINDS["cli"].keys.keys() | KINDS["browser"].keys.keys() | {"base_url"}}
    read = set(OPTIONS[name].__struct_fields__) | passed_on.get(name, set())
    assert KINDS[name].keys.keys() - read == set()


@pytest.mark.parametrize("name", sorted(BUILTIN))
def test_every_key_that_is_read_loads(name: str) -> None:
    made = {"scenario", "steps", "row_key", "example"}
    fixed = {"test_runner": set(FIXED), "gherkin": made, **FIXED_BY_KIND}.get(name, set())
    assert set(OPTIONS[name].__struct_fields__) - KINDS[name].keys.keys() - fixed <= {
        "path",
        "pass_when",
        "match_regex",
        "pass_codes",
        "fail_codes",
    }


def test_every_vocabulary_that_loads_is_known() -> None:
    keys = KINDS["custom_script"].keys
    assert set(keys["verdict"].choices) == {rule.value for rule in Rule}
    assert set(keys["evidence_format"].choices) == {known.value for known in EvidenceFormat}
    assert set(KINDS["static"].keys["format"].choices) == {known.value for known in Format}
    assert set(KINDS["cve"].keys["tool"].choices) == {known.value for known in Scanner}
    assert set(checks.METRIC_FORMATS) == {known.value for known in MetricFormat}
    assert set(checks.METRIC_KEYS) == set(MetricOptions.__struct_fields__)
