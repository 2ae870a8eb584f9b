"""The claude profile: its exact command line, and what it reads from outputs captured from the real CLI (2.1.329)."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.harnesses.builtin import BUILTIN, DEFAULT_ID
from kazid.harnesses.claude import CLAUDE, DENIALS_MAX
from kazid.harnesses.reading import ERROR_CHARS_MAX
from kazid.ports.harness import Harness, Report, Trouble, TroubleKind

TRANSCRIPTS = Path(__file__).parent / "transcripts" / "claude"
FIXED = "Fixed: add() subtracted; it now adds. The test passes."
TWO_TURNS = Usage(
    input_tokens=2000,
    cached_input_tokens=400,
    cache_write_tokens=0,
    output_tokens=68,
    cost_usd=0.0071400000000000005,
)
NOTHING = Usage(input_tokens=0, cached_input_tokens=0, cache_write_tokens=0, output_tokens=0, cost_usd=0.0)
ONE_TURN = Usage(
    input_tokens=1000,
    cached_input_tokens=200,
    cache_write_tokens=0,
    output_tokens=34,
    cost_usd=0.0071400000000000005,
)

EXPECTED = {
    "success": Report(text=FIXED, usage=TWO_TURNS, turns=2),
    "json": Report(text=FIXED, usage=TWO_TURNS, turns=2),
    "deny": Report(
        text=FIXED,
        usage=TWO_TURNS,
        turns=2,
        denials=("Bash: sed -i 's/return a - b/return a + b/' calc.py && python3 test_calc.py",),
    ),
    "empty": Report(usage=TWO_TURNS, turns=2),
    "structured": Report(text='{"ok":true}', usage=TWO_TURNS, turns=3),
    "resume1": Report(text="Nothing to do.", usage=ONE_TURN, turns=1),
    "max_turns": Report(is_error=True, error="Reached maximum number of turns (2)", usage=TWO_TURNS, turns=3),
    "json_e400": Report(is_error=True, error="API Error: 400 scripted failure 400", usage=NOTHING, turns=1),
    "json_e401": Report(
        is_error=True,
        error="Failed to authenticate. API Error: 401 scripted failure 401",
        usage=NOTHING,
        turns=1,
        trouble=Trouble(kind=TroubleKind.AUTH),
    ),
    "mr_e500": Report(
        is_error=True,
        error="API Error: 500 scripted failure 500. This is a server-side issue, usually temporary — try again in a "
        "moment. If it persists, check your inference gateway (127.0.0.1:43161).",
        usage=NOTHING,
        turns=1,
    ),
    "term_in_tool": Report(),
}


def _transcript(name: str) -> str:
    return (TRANSCRIPTS / f"{name}.stdout").read_text()


def test_every_transcript_is_read() -> None:
    assert {path.stem for path in TRANSCRIPTS.iterdir()} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_captured_output_gives_its_report(name: str) -> None:
    report = CLAUDE.parse(_transcript(name))
    assert report.session_id is not None
    assert _without_itself(report) == EXPECTED[name]
    is_stream = '"subtype":"init"' in _transcript(name)
    assert (report.version, report.model) == (("2.1.329", "claude-sonnet-4-5") if is_stream else (None, None))


def _without_itself(report: Report) -> Report:
    """The report without what it says at its beginning, and without its calls."""
    return replace(report, session_id=None, model=None, version=None, tools={})


def test_a_killed_agent_reports_no_usage_but_its_session() -> None:
    # The assistant messages of this one carry token counts: placeholders, which would charge almost nothing.
    report = CLAUDE.parse(_transcript("term_in_tool"))
    assert report.usage is None
    assert report.session_id == "01e92a44-59ec-4c57-82f5-bdd52b1c5b68"


@pytest.mark.parametrize("name", sorted(set(EXPECTED) - {"term_in_tool"}))
def test_a_log_without_its_head_still_gives_the_report(name: str) -> None:
    whole = _transcript(name)
    tail = whole[whole.rstrip().rfind("\n") + 1 :]
    torn = 'sion_id":"torn","type":"assistant"}\n'
    report = CLAUDE.parse(torn + tail)
    assert (report.model, report.tools) == (None, {}), "that was in the head"
    assert replace(report, session_id=None) == _without_itself(CLAUDE.parse(whole))


def test_a_log_without_its_tail_claims_nothing() -> None:
    whole = _transcript("success").rstrip()
    report = CLAUDE.parse(whole[:-20])
    assert report.session_id == "059bbfaf-e509-4689-ab07-fb9e2955fa8c"
    assert _without_itself(report) == Report()


def test_noise_between_the_lines_is_skipped() -> None:
    whole = _transcript("success")
    noisy = "warning: slow disk {\n" + whole.replace(
        "\n", "\n[… 17 bytes left out …]\n{not json}\n[]\nnull\n\n"
    )
    assert CLAUDE.parse(noisy) == CLAUDE.parse(whole)


def test_the_last_result_counts() -> None:
    first = '{"type":"result","result":"first","is_error":false,"num_turns":1}\n'
    last = '{"type":"result","result":"last","is_error":false,"num_turns":2}\n'
    assert CLAUDE.parse(first + last) == Report(text="last", turns=2)


def test_an_error_status_is_named_where_the_words_do_not() -> None:
    line = '{"type":"result","is_error":true,"api_error_status":529,"result":"overloaded"}'
    assert CLAUDE.parse(line).error == "API error 529: overloaded"


def test_an_error_without_words_still_has_some() -> None:
    assert CLAUDE.parse('{"type":"result","is_error":true}').error == "no reason given"


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param('"usage":null', id="null-usage"),
        pytest.param('"usage":[1,2]', id="list-usage"),
        pytest.param('"usage":{"input_tokens":"many","output_tokens":true}', id="wrong-types"),
        pytest.param('"usage":{"input_tokens":-1}', id="negative"),
        pytest.param('"total_cost_usd":"0.1"', id="cost-as-text"),
        pytest.param('"total_cost_usd":false', id="cost-as-bool"),
        pytest.param('"num_turns":1', id="no-usage"),
    ],
)
def test_what_was_not_reported_stays_absent(fields: str) -> None:
    assert CLAUDE.parse(f'{{"type":"result",{fields}}}').usage is None


def test_reported_classes_stand_beside_absent_ones() -> None:
    report = CLAUDE.parse('{"type":"result","usage":{"output_tokens":7},"total_cost_usd":1}')
    assert report.usage == Usage(output_tokens=7, cost_usd=1.0)


def test_denials_and_errors_are_bounded() -> None:
    denial = '{"tool_name":"Bash","tool_input":{"command":"%s"}}' % ("x" * 1000)
    listed = ",".join([denial] * 100)
    line = f'{{"type":"result","is_error":true,"errors":["{"e" * 9000}"],"permission_denials":[{listed}]}}'
    report = CLAUDE.parse(line)
    assert len(report.denials) == DENIALS_MAX
    assert max(map(len, report.denials)) <= 200
    assert report.error is not None
    assert len(report.error) == ERROR_CHARS_MAX


@given(st.text(max_size=400))
def test_parse_is_total_over_text(text: str) -> None:
    CLAUDE.parse(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8,
    ),
    st.data(),
)
def test_parse_is_total_over_results_of_any_shape(value: object, data: st.DataObject) -> None:
    keys = ["result", "usage", "is_error", "errors", "permission_denials", "num_turns", "total_cost_usd",
            "session_id", "api_error_status", "subtype"]  # fmt: skip
    chosen = data.draw(st.lists(st.sampled_from(keys), unique=True))
    line = msgspec.json.encode({"type": "result", **dict.fromkeys(chosen, value)}).decode()
    CLAUDE.parse(line)


def test_an_output_of_deep_nesting_is_noise() -> None:
    assert CLAUDE.parse('{"a":' + "[" * 200_000 + "]" * 200_000 + "}") == Report()


def test_the_command_line_is_exact() -> None:
    invocation = CLAUDE.build(HarnessChoice(id="claude"), prompt="mend it")
    assert list(invocation.argv) == [
        "claude", "-p",
        "--output-format", "stream-json", "--verbose",
        "--permission-mode", "acceptEdits",
        "--allowedTools", "Bash,Edit,Write,Read",
        "--max-turns", "200",
    ]  # fmt: skip
    assert dict(invocation.env) == {
        "DISABLE_AUTOUPDATER": "1",
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        "CLAUDE_CODE_MAX_RETRIES": "3",
    }


def test_the_command_line_honours_every_choice() -> None:
    choice = HarnessChoice(
        id="claude",
        command="/opt/claude-2.1.329/bin/claude",
        model="claude-sonnet-4-5",
        effort="high",
        permission_mode="plan",
        allowed_tools=("Read", "Bash(git add:*)"),
    )
    assert list(CLAUDE.build(choice, prompt="mend it").argv) == [
        "/opt/claude-2.1.329/bin/claude", "-p",
        "--output-format", "stream-json", "--verbose",
        "--permission-mode", "plan",
        "--allowedTools", "Read,Bash(git add:*)",
        "--max-turns", "200",
        "--model", "claude-sonnet-4-5",
        "--effort", "high",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("cost_usd_max", "said"),
    [
        pytest.param(None, [], id="no-ceiling"),
        pytest.param(2.0, ["--max-budget-usd", "2"], id="whole"),
        pytest.param(0.123456, ["--max-budget-usd", "0.123456"], id="a-fraction"),
        pytest.param(0.000001, ["--max-budget-usd", "0.000001"], id="never-in-exponents"),
    ],
)
def test_the_agent_is_told_what_it_may_cost(cost_usd_max: float | None, said: list[str]) -> None:
    choice = HarnessChoice(id="claude")
    plain = CLAUDE.build(choice, prompt="x").argv
    limited = CLAUDE.build(choice, prompt="x", cost_usd_max=cost_usd_max).argv
    assert list(limited) == [*plain, *said]


def test_the_prompt_goes_to_stdin_and_never_into_argv() -> None:
    invocation = CLAUDE.build(HarnessChoice(id="claude"), prompt="the-whole-prompt")
    assert invocation.stdin_text == "the-whole-prompt"
    assert not any("the-whole-prompt" in argument for argument in invocation.argv)
    assert not any("the-whole-prompt" in value for value in invocation.env.values())


def test_credentials_are_asked_for_by_name_only() -> None:
    invocation = CLAUDE.build(HarnessChoice(id="claude"), prompt="x")
    needed = {
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_BASE_URL",
        "CLAUDE_CONFIG_DIR",
        "HTTPS_PROXY",
    }
    assert needed <= set(invocation.env_names)
    assert not needed & set(invocation.env)


def test_every_builtin_is_a_harness_under_its_own_name() -> None:
    profiles: dict[str, Harness] = dict(BUILTIN)
    assert {name: profile.id for name, profile in profiles.items()} == {name: name for name in profiles}
    assert DEFAULT_ID in profiles


def test_model_version_and_tools_are_what_it_says_itself() -> None:
    lines = (
        '{"type":"system","subtype":"init","session_id":"s","model":"claude-haiku-4-5","claude_code_version":"2.1.329"}',
        '{"type":"assistant","message":{"content":[{"type":"text","text":"x"},{"type":"tool_use","name":"Edit"}]}}',
        '{"type":"assistant","message":{"content":[{"type":"tool_use","name":"Edit"},{"type":"tool_use","name":"Bash"}]}}',
        '{"type":"assistant","message":{"content":"not a list"}}',
    )
    cut_off = CLAUDE.read("\n".join(lines))
    assert (cut_off.model, cut_off.version, cut_off.tools) == (
        "claude-haiku-4-5",
        "2.1.329",
        {"Edit": 2, "Bash": 1},
    )
    whole = CLAUDE.read("\n".join((*lines, '{"type":"result","is_error":false,"result":"done"}')))
    assert (whole.text, whole.model, whole.tools) == ("done", "claude-haiku-4-5", {"Edit": 2, "Bash": 1})
