"""`help` derives from the verb table: every verb, every option, every exit code, each with its words."""

import json

from kazictl.verbs import EVERYWHERE, VERBS
from kazid.wire import exit_codes
from tests.kazictl.conftest import Kazictl


def test_help_json_lists_every_verb_and_option_with_its_doc(kazictl: Kazictl) -> None:
    told = json.loads(kazictl("help", "--json").stdout)
    assert told["schema_version"] == 2
    assert [verb["name"] for verb in told["verbs"]] == [verb.name for verb in VERBS]
    for row, verb in zip(told["verbs"], VERBS, strict=True):
        assert [option["name"] for option in row["options"]] == [option.name for option in verb.options]
        assert [word["name"] for word in row["arguments"]] == [word.name for word in verb.words]
        assert all(item["doc"] for item in (*row["options"], *row["arguments"]))
        assert row["summary"]
    assert [option["name"] for option in told["options"]] == [option.name for option in EVERYWHERE]
    assert set(told["exit_codes"]) == {str(code) for code in exit_codes.MEANINGS}


def test_every_verb_has_a_module_of_its_name(kazictl: Kazictl) -> None:
    import kazictl as package
    from tests.kazictl.conftest import ROOT

    assert package.__file__
    found = {path.stem for path in (ROOT / "kazictl" / "commands").glob("*.py")} - {"__init__"}
    assert found == {verb.name.replace("-", "_") for verb in VERBS}


def test_help_shows_every_verb_and_every_exit_code(kazictl: Kazictl) -> None:
    shown = kazictl("help").stdout
    for verb in VERBS:
        assert f"  {verb.name} " in shown
    for code, meaning in exit_codes.MEANINGS.items():
        assert meaning in shown
        assert str(code) in shown


def test_help_of_a_verb_shows_its_options(kazictl: Kazictl) -> None:
    for argv in (["help", "suspend"], ["suspend", "--help"], ["-h", "suspend"]):
        finished = kazictl(*argv)
        assert finished.returncode == 0
        assert "usage: kazictl suspend [REF] --reason TEXT [--for DUR] [--label KEY=VALUE]" in finished.stdout
        assert "--reason TEXT" in finished.stdout
        assert "-l, --label KEY=VALUE" in finished.stdout


def test_help_of_an_unknown_verb_is_a_usage_error(kazictl: Kazictl) -> None:
    finished = kazictl("help", "suspnd")
    assert finished.returncode == exit_codes.USAGE
    assert "did you mean suspend?" in finished.stderr


def test_help_json_of_a_verb_has_that_verb_only(kazictl: Kazictl) -> None:
    told = json.loads(kazictl("help", "wait", "--json").stdout)
    assert [verb["name"] for verb in told["verbs"]] == ["wait"]
