"""The command line: where options may stand, what they take, and what a mistake is answered with."""

import pytest

from kazictl.arguments import parse
from kazictl.failure import Failure
from kazictl.verbs import EVERYWHERE, FLAG, VERBS
from kazid.wire import exit_codes


def _refused(*argv: str) -> Failure:
    with pytest.raises(Failure) as caught:
        parse(list(argv))
    assert caught.value.exit_code == exit_codes.USAGE
    return caught.value


@pytest.mark.parametrize(
    "argv",
    [
        pytest.param(["--json", "--socket", "/s", "status", "web"], id="before-the-verb"),
        pytest.param(["status", "--json", "--socket=/s", "web"], id="before-the-positional"),
        pytest.param(["status", "web", "--json", "--socket", "/s"], id="after-the-positional"),
        pytest.param(["--socket=/s", "status", "--json", "--", "web"], id="all-over"),
    ],
)
def test_options_may_stand_anywhere(argv: list[str]) -> None:
    arguments = parse(argv)
    assert (arguments.verb.name, arguments.words) == ("status", ["web"])
    assert arguments.wants_json
    assert arguments.texts["socket"] == "/s"


def test_nothing_after_two_dashes_is_an_option() -> None:
    assert parse(["status", "--", "--json"]).words == ["--json"]


@pytest.mark.parametrize(
    "typed", [["-l", "a=b"], ["-la=b"], ["-l=a=b"], ["--label", "a=b"], ["--label=a=b"]], ids=" ".join
)
def test_a_label_may_be_written_in_every_usual_way(typed: list[str]) -> None:
    assert parse(["list", *typed]).labels == ["a=b"]


def test_labels_add_up_and_other_options_count_last() -> None:
    arguments = parse(["suspend", "-l", "a=b", "-l", "c=", "--reason", "x", "--reason", "y"])
    assert arguments.labels == ["a=b", "c="]
    assert arguments.texts["reason"] == "y"


def test_values_are_checked_and_converted() -> None:
    assert parse(["suspend", "web", "--reason=-r", "--for", "1.5m"]).seconds == {"for": 90.0}
    assert parse(["events", "--after", "12"]).numbers == {"after": 12}


@pytest.mark.parametrize(
    ("argv", "said", "hint"),
    [
        pytest.param(["statsu"], "unknown verb 'statsu'", "did you mean status?", id="verb"),
        pytest.param(["zzzzz"], "unknown verb 'zzzzz'", "kazictl help", id="verb-like-none"),
        pytest.param(
            ["apply", "g", "--detahc"], "apply has no option --detahc", "did you mean --detach?", id="option"
        ),
        pytest.param(
            ["status", "--reason", "x"],
            "status has no option --reason",
            "kazictl help status",
            id="other-verbs-option",
        ),
        pytest.param(
            ["--jsn", "status"], "--jsn before the verb", "did you mean --json?", id="option-before"
        ),
        pytest.param(["-l", "a=b", "list"], "-l before the verb", "stand after it", id="verbs-option-before"),
        pytest.param([], "no verb", "kazictl help", id="nothing"),
        pytest.param(["--"], "no verb", "kazictl help", id="dashes-only"),
        pytest.param(["apply"], "apply needs GOAL.toml", "kazictl apply GOAL.toml", id="no-word"),
        pytest.param(["status", "a", "b"], "status takes no 'b'", "kazictl status [REF]", id="word-too-many"),
        pytest.param(["status", ""], "REF is empty", "", id="empty-word"),
        pytest.param(["suspend", "web"], "needs --reason TEXT", "", id="required-option"),
        pytest.param(["suspend", "web", "--reason", " "], "--reason is empty", "", id="blank-value"),
        pytest.param(["wait", "web", "--timeout"], "--timeout needs a value", "--timeout DUR", id="no-value"),
        pytest.param(
            ["wait", "web", "--timeout", "--json"], "--timeout needs a value", "", id="option-as-value"
        ),
        pytest.param(["wait", "web", "--timeout", "5"], "not a duration", "30s", id="no-unit"),
        pytest.param(["wait", "web", "--timeout", "0s"], "not a duration", "above 0", id="zero"),
        pytest.param(["logs", "web", "--attempt", "two"], "not a whole number", "", id="number"),
        pytest.param(["logs", "web", "--attempt", "0"], "counted from 1", "", id="attempt-zero"),
        pytest.param(["logs", "web", "--attempt", "9" * 30], "not a whole number", "", id="huge-number"),
        pytest.param(["list", "-l", "web"], "not a label", "-l team=web", id="label"),
        pytest.param(["list", "--json=yes"], "--json takes no value", "", id="flag-with-value"),
        pytest.param(["list", "--start", "--no-start"], "exclude each other", "", id="start-and-not"),
        pytest.param(["status", "w\udcff"], "not valid UTF-8", "", id="undecodable"),
    ],
)
def test_a_usage_error_says_what_and_what_instead(argv: list[str], said: str, hint: str) -> None:
    failure = _refused(*argv)
    assert said in failure.message
    assert hint in failure.hint


@pytest.mark.parametrize(("verb", "instead"), [("run", "apply"), ("propose", "plan")])
def test_a_replaced_verb_names_its_successor(verb: str, instead: str) -> None:
    failure = _refused(verb, "goal.toml")
    assert f"`{verb}` is `{instead}` now" in failure.message
    assert "kazictl apply GOAL.toml" in failure.message


def test_help_needs_none_of_what_the_verb_needs() -> None:
    assert "help" in parse(["suspend", "--help"]).flags
    assert parse(["--help"]).verb.name == "help"
    assert parse(["-h", "status"]).verb.name == "status"
    assert parse(["--version"]).verb.name == "version"


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_every_row_of_the_verb_table_is_sound(verb: object) -> None:
    assert verb in VERBS
    row = next(known for known in VERBS if known is verb)
    names = [option.name for option in (*row.options, *EVERYWHERE)]
    assert len(set(names)) == len(names)
    assert row.summary
    for option in (*row.options, *EVERYWHERE):
        assert option.doc, option.name
        assert bool(option.value) == (option.kind != FLAG)
    for word in row.words:
        assert word.doc
