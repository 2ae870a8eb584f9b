"""Agents that settings or other packages declare: what they become, and how a bad one is refused."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from kazid.core.errors import StartRefused
from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.harness_plugins import ENTRY_POINTS, load_harnesses
from kazid.harnesses.builtin import BUILTIN
from kazid.harnesses.claude import CLAUDE
from kazid.harnesses.profile import Profile, Tier
from kazid.named_harnesses import named_harnesses
from kazid.ports.harness import Report, TroubleKind
from kazid.registry import Harnesses
from kazid.settings import load_settings

OURS = """
[[harness]]
default = "ours"
idle_timeout_s = 5.0

[[harness]]
id = "ours"
command = "our-agent"
args = ["run", "--quiet"]
model_args = ["--model={model}"]
output = "jsonl"
env = {OUR_MODE = "batch"}
credentials = ["OUR_TOKEN"]
[harness.report]
text = "final.text"
error = "problem"
input_tokens = "usage.in"
output_tokens = "usage.out"
cost_usd = "usage.usd"
"""
PLUGGED = Profile(id="plugged", command="plugged", arguments=lambda _: (), read=lambda _: Report())
NAMED_OTHERWISE = Profile(id="other", command="x", arguments=lambda _: (), read=lambda _: Report())


def _loaded(tmp_path: Path, text: str) -> dict[str, Profile]:
    path = tmp_path / "kazid.toml"
    path.write_text(text)
    return named_harnesses(load_settings(str(path)).harnesses, BUILTIN)


def test_a_declared_agent_is_a_command_line_and_the_places_of_its_report(tmp_path: Path) -> None:
    ours = _loaded(tmp_path, OURS)["ours"]
    invocation = ours.build(HarnessChoice(id="ours", model="big"), prompt="mend it")
    assert list(invocation.argv) == ["our-agent", "run", "--quiet", "--model=big"]
    assert (invocation.stdin_text, invocation.env) == ("mend it", {"OUR_MODE": "batch"})
    assert "OUR_TOKEN" in invocation.env_names
    printed = 'noise\n{"usage":{"in":10,"out":2,"usd":0.5}}\n{"final":{"text":"done"}}\n'
    assert ours.parse(printed) == Report(
        text="done", usage=Usage(input_tokens=10, output_tokens=2, cost_usd=0.5)
    )
    assert ours.tier is Tier.FULL


def test_a_declared_agent_that_says_its_limit_is_in_trouble_like_any_other(tmp_path: Path) -> None:
    ours = _loaded(tmp_path, OURS)["ours"]
    report = ours.parse('{"problem":"429 Too Many Requests, retry after 30s"}')
    assert report.is_error
    assert report.trouble is not None
    assert (report.trouble.kind, report.trouble.after_s) == (TroubleKind.QUOTA, 30.0)


def test_tables_without_an_id_are_the_settings_of_all_agents(tmp_path: Path) -> None:
    path = tmp_path / "kazid.toml"
    path.write_text(OURS)
    settings = load_settings(str(path))
    assert (settings.harness.default, settings.harness.idle_timeout_s) == ("ours", 5.0)
    assert set(Harnesses(settings).profiles) == {*BUILTIN, "ours"}


def test_an_agent_with_a_base_speaks_as_that_one_does(tmp_path: Path) -> None:
    text = '[[harnesses]]\nid = "wrapped"\nbase = "claude"\ncommand = "corp-claude"\nargs = ["--profile", "ci"]\n'
    wrapped = _loaded(tmp_path, text)["wrapped"]
    argv = wrapped.build(HarnessChoice(id="wrapped"), prompt="x").argv
    plain = CLAUDE.build(HarnessChoice(id="claude"), prompt="x").argv
    assert argv == ("corp-claude", "--profile", "ci", *plain[1:])
    assert wrapped.parse('{"type":"result","result":"ok"}') == CLAUDE.parse('{"type":"result","result":"ok"}')


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('id = "claude"\ncommand = "x"', "the name is taken", id="taken"),
        pytest.param('id = "a"\ncommand = "x"\nbase = "claud"', 'did you mean "claude"', id="no-such-base"),
        pytest.param(
            'id = "a"\ncommand = "x"\noutput = "json"\nreport = {texts = "a"}', 'mean "text"', id="place"
        ),
        pytest.param('id = "a"\ncommand = "x"\nmodel_args = ["-m"]', "names no {model}", id="no-model"),
        pytest.param('id = "a"\ncommand = "x"\nprompt = "file"', "names no {prompt_file}", id="no-file"),
        pytest.param('id = "a"\ncommand = "x"\nreport = {text = "a"}', "no effect on text", id="text-report"),
        pytest.param('id = "a"', "harnesses[1].command: missing", id="no-command"),
        pytest.param(
            'id = "a"\ncommand = "x"\nbla = 1', "harnesses[1].bla: there is no such key", id="unknown-key"
        ),
        pytest.param('id = "A b"\ncommand = "x"', "id: String should match", id="no-name"),
    ],
)
def test_a_bad_declaration_is_refused_with_what_to_do(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(StartRefused, match="settings") as refused:
        _loaded(tmp_path, f"[[harness]]\n{text}\n")
    assert says in str(refused.value)


def test_a_default_that_nobody_declares_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "kazid.toml"
    path.write_text('[harness]\ndefault = "nobody"\n')
    with pytest.raises(StartRefused, match='no harness "nobody"'):
        Harnesses(load_settings(str(path)))


def test_an_entry_point_adds_an_agent_and_a_bad_one_adds_none() -> None:
    found = [
        EntryPoint("plugged", f"{__name__}:PLUGGED", ENTRY_POINTS),
        EntryPoint("claude", f"{__name__}:PLUGGED", ENTRY_POINTS),
        EntryPoint("misnamed", f"{__name__}:NAMED_OTHERWISE", ENTRY_POINTS),
        EntryPoint("gone", "no.such.module:X", ENTRY_POINTS),
        EntryPoint("odd", f"{__name__}:OURS", ENTRY_POINTS),
    ]
    assert load_harnesses(found, BUILTIN) == {"plugged": PLUGGED}
