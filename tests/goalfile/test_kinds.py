"""The kinds: which exist, which are live, and what each demands at load beyond shapes (reference, section 4)."""

import msgspec
import pytest

from kazid.providers.builtin import BUILTIN
from kazid.providers.catalog import KINDS
from kazid.providers.custom_script import CustomScriptOptions
from kazid.providers.http_probe import HttpProbeOptions
from kazid.providers.test_runner import FIXED
from tests.goalfile.loading import goal_of, problems_of
from tests.goalfile.operation_samples import LEAST, OBJECTIONS

SEED = {
    "test_runner", "http_probe", "prod_log", "browser", "metrics", "custom_script", "ratchet", "static", "coverage",
    "property", "mutation", "cve",
}  # fmt: skip
LATER = {
    "cli", "swift_test", "no_stubs", "docs_updated", "scenario", "oss_hygiene", "plan_expanded", "spec_coverage",
    "render_proof", "visual", "visual_judge", "gherkin",
}  # fmt: skip
HOUSE = {"records", "fresh_clone"}
OPERATION = set(LEAST)


def test_the_kinds_are_the_documented_ones() -> None:
    assert {k.name for k in KINDS.values() if not k.synthesized} == SEED | LATER | OPERATION | HOUSE
    assert {k.name for k in KINDS.values() if k.synthesized} == {"landed", "deployed", "scope_guard"}


def test_live_kinds_are_those_that_look_from_outside() -> None:
    live = {"http_probe", "browser", "visual", "prod_log", "metrics", "records", "deployed"} | OPERATION
    assert {k.name for k in KINDS.values() if k.live} == live


def test_two_kinds_are_deprecated() -> None:
    assert {k.name for k in KINDS.values() if k.deprecated_for} == {"test_runner"}


def test_a_name_is_the_key_of_its_kind() -> None:
    assert all(name == kind.name for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("kind", "options"), [("custom_script", CustomScriptOptions), ("http_probe", HttpProbeOptions)]
)
def test_a_built_kind_documents_exactly_the_options_its_provider_reads(
    kind: str, options: type[msgspec.Struct]
) -> None:
    assert KINDS[kind].keys.keys() == {field.encode_name for field in msgspec.structs.fields(options)}
    required = {field.encode_name for field in msgspec.structs.fields(options) if field.required}
    assert {key for key, spec in KINDS[kind].keys.items() if spec.required} == required


def test_test_runner_takes_what_custom_script_takes_but_the_two_it_fixes() -> None:
    assert KINDS["custom_script"].keys.keys() - KINDS["test_runner"].keys.keys() == FIXED.keys()


def test_every_built_kind_has_a_provider_and_no_other_has() -> None:
    assert {k.name for k in KINDS.values() if k.built} == BUILTIN.keys()


def test_defaults_are_among_the_choices() -> None:
    for kind in KINDS.values():
        for spec in kind.keys.values():
            assert not spec.choices or spec.default is None or spec.default in spec.choices


MATCHES = 'cmd = "x"\nverdict = "match_count"\npass_when = "== 0"\n'
RATCHET = 'baseline = 1\ndirection = "lower_better"\n'
STEP = 'assertions = [{ target = "exit_code", expected = 0 }]'


def cli(assertion: str) -> str:
    return f'cmd = "x"\nassertions = [{{ {assertion} }}]'


def page(assertion: str) -> str:
    return f'url = "http://x"\nassertions = [{{ {assertion} }}]'


CHECKS = [
    ("custom_script", 'cmd = "x"\nverdict = "exit_code"\npass_codes = []', "pass_codes"),
    ("custom_script", 'cmd = "x"\nverdict = "json"\npath = ""\npass_when = "== 0"', "path"),
    ("custom_script", MATCHES + 'match_regex = "[a"', "match_regex"),
    ("custom_script", MATCHES + 'match_regex = "a{9999999999999}"', "match_regex"),
    ("custom_script", 'cmd = "x"\nverdict = "json"\npath = "$"\npass_when = "== .5"', "pass_when"),
    ("http_probe", 'url = ""', "url"),
    ("http_probe", 'path = "/x"', "url"),
    ("http_probe", 'url = "http://x"\nheaders = { "A\\nB" = "c" }', "headers.A\\x0aB"),
    ("http_probe", 'url = "http://x"\nheaders = { A = "b\\r\\nC: d" }', "headers.A"),
    ("prod_log", 'cmd = "x"\npanic_regex = "("', "panic_regex"),
    ("prod_log", 'cmd = "x"\ncorrelate = { route = "" }', "correlate.route"),
    ("prod_log", 'cmd = "x"\ncorrelate = { route = "/a", window = "5m" }', "correlate.window"),
    ("metrics", 'pass_when = "< 1"', "query"),
    ("metrics", 'query = "up"\npass_when = "bogus"', "pass_when"),
    ("metrics", 'query = "up"\npass_when = "< 1"\nquantile = 1.5', "quantile"),
    ("metrics", "burn_rate = 5", "burn_rate"),
    ("metrics", 'burn_rate = { long = "a", short = "b" }', "burn_rate.threshold"),
    ("metrics", 'query = "up"\npass_when = "< 1"\ndirection = "up"', "direction"),
    ("browser", page('type = "seen"'), "assertions[1].type"),
    ("browser", page('type = "visible", selektor = "a"'), "assertions[1].selektor"),
    ("browser", page('type = "console_clean", network = 1'), "assertions[1].network"),
    ("browser", page('type = "attr", selector = "a"'), "assertions[1].name"),
    ("browser", page('type = "count", selector = "a", expected = -1'), "assertions[1].expected"),
    ("browser", page('type = "enabled", selector = "a", expected = "no"'), "assertions[1].expected"),
    ("browser", page('type = "form_validation"'), "assertions[1]"),
    ("browser", page('type = "a11y", severity = "bad"'), "assertions[1].severity"),
    ("browser", page('type = "a11y", max_violations = -1'), "assertions[1].max_violations"),
    ("browser", page('type = "visual", name = "a", threshold = 2'), "assertions[1].threshold"),
    ("browser", 'url = "http://x"\nviewport = "watch"', "viewport"),
    ("browser", 'url = "http://x"\nviewport = [{ width = 1 }]', "viewport"),
    ("cli", 'cmd = "x"', "assertions"),
    ("cli", 'cmd = "x"\nassertions = []', "assertions"),
    ("cli", cli('target = "exitcode"'), "assertions[1].target"),
    ("cli", cli('target = "exit_code", expected = "0"'), "assertions[1].expected"),
    ("cli", cli('target = "stdout", match = "fuzzy", expected = "x"'), "assertions[1].match"),
    ("cli", cli('target = "stdout", match = "regex", expected = "("'), "assertions[1].expected"),
    ("cli", cli('target = "stdout", match = "json_path", expected = 1'), "assertions[1].path"),
    ("cli", cli('target = "stdout", match = "golden"'), "assertions[1].golden"),
    ("cli", 'cmd = "x"\nscript = []', "script"),
    ("cli", 'cmd = "x"\nscript = [{ args = ["a"] }]', "script[1].assertions"),
    ("cli", f'cmd = "x"\nscript = [{{ args = [1], {STEP} }}]', "script[1].args"),
    ("ratchet", RATCHET + 'metric = {}', "metric.cmd"),
    ("ratchet", RATCHET + 'metric = { cmd = "x", timeout_ms = 0 }', "metric.timeout_ms"),
    ("coverage", 'target = 80\npatch = { cmd = "x" }\nproject = { args = [] }', "project.cmd"),
    ("mutation", 'threshold = 1.0\nscore_path = "$"', "threshold"),
    ("mutation", 'threshold = 0.5\nkilled_path = "$.k"', "score_path"),
    ("cve", 'tool = "trivy"', "count_path"),
    ("docs_updated", 'doc_patterns = ["ok", "("]', "doc_patterns[2]"),
    ("render_proof", 'input = "picture"', "input"),
    ("visual_judge", 'capture = "c"\nmodel = "m"\nrubric = []', "rubric"),
    ("scenario", 'spec = "x"\nscenario = "y"\nrepin = "never"', "repin"),
    ("gherkin", 'feature = "f.feature"\nverdict_format = "xml"', "verdict_format"),
    *OBJECTIONS,
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options", "key"),
    [pytest.param(*row, id=f"{row[0]}-{row[2]}-{n}") for n, row in enumerate(CHECKS)],
)
def test_what_a_kind_objects_to_is_a_problem_of_that_key(kind: str, options: str, key: str) -> None:
    text = (
        f'id = "g"\n[[capture]]\nname = "c"\nlaunch_cmd = "x"\noutput = "o"\n'
        f'[[predicate]]\nid = "p"\nprovider = "{kind}"\n{options}\n'
    )
    found = problems_of(text, texts={"/goals/f.feature": "Feature: f\nScenario: s\n"})
    assert [p.key for p in found] == [f"predicate[1].{key}"]


ACCEPTED = [
    ("custom_script", 'cmd = "x"\nverdict = "exit_zero"\npass_when = "unused"'),
    ("custom_script", 'cmd = "x"\nverdict = "match_count"\nmatch_regex = "[[a]"\npass_when = ">=-1.5"'),
    ("http_probe", 'url = "http://x"\nmethod = "FROB"\npath = "/x"'),
    ("prod_log", 'correlate = { route = "/a", window = 5 }'),
    ("metrics", 'burn_rate = { long = "a", short = "b", threshold = 14.4 }'),
    ("browser", 'url = "http://x"\nsteps = [{ action = "zz" }]\nviewport = ["mobile", { width = 1, height = 2 }]'),
    ("browser", 'url = "http://x"\nassertions = [{ type = "form_validation", success_url = "/ok", error_text = "x" }]'),
    ("cli", 'cmd = "x"\nscript = [{ assertions = [{ target = "stdout", expected = "x" }] }]\nassertions = []'),
    ("mutation", 'threshold = 0\nkilled_path = "$.k"\nsurvived_path = "$.s"'),
    ("cve", 'tool = "npm_audit"\ncount_path = "$"'),
    ("scenario", 'spec = "x"\nscenario = "y"\nsurface = "cli"\nsamples = 3\nviewport = "mobile"\nbase_url = "http://x"'),
]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "options"), [pytest.param(*row, id=f"{row[0]}-{n}") for n, row in enumerate(ACCEPTED)]
)
def test_what_is_documented_loads(kind: str, options: str) -> None:
    assert goal_of(f'id = "g"\n[[predicate]]\nid = "p"\nprovider = "{kind}"\n{options}\n').predicates
