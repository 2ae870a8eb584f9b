# ruff: noqa: E501 - what was captured stands here as it was printed
"""What each profile reads from outputs captured from the real CLIs, on a scripted model.

Sessions are asserted to be there or not by `SESSIONLESS`; everything else is in the table. A text of `ANY` is the whole
output of a CLI that has no envelope.
"""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.harnesses.builtin import BUILTIN
from kazid.harnesses.prices import DATED
from kazid.harnesses.profile import Profile, PromptBy
from kazid.ports.harness import Harness, Report, Trouble, TroubleKind

TRANSCRIPTS = Path(__file__).parent / "transcripts"
OWN_TEST = "claude"
FIXED = "Fixed: add() subtracted; it now adds. The test passes."
NOTHING_TO_DO = "Nothing to do."
ANY = "…"
AUTH = Trouble(kind=TroubleKind.AUTH)
QUOTA = Trouble(kind=TroubleKind.QUOTA)
ONE_TURN = Usage(input_tokens=1000, cached_input_tokens=200, cache_write_tokens=0, output_tokens=34)
TWO_TURNS = Usage(input_tokens=2000, cached_input_tokens=400, cache_write_tokens=0, output_tokens=68)
SESSIONLESS = ("aider", "mini")
"""CLIs that have no session."""
SPEECHLESS = ("copilot/term_in_tool",)
"""Outputs that end before the session is told."""

EXPECTED = {
    "aider/aider_fix": Report(text=ANY, usage=Usage(input_tokens=1200, output_tokens=34), turns=1),
    "aider/e400": Report(
        is_error=True, error="litellm.BadRequestError: OpenAIException - scripted failure 400"
    ),
    "aider/e401": Report(
        is_error=True, error="litellm.BadRequestError: OpenAIException - scripted failure 401", trouble=AUTH
    ),
    "aider/e500": Report(
        is_error=True,
        error="litellm.InternalServerError: InternalServerError: OpenAIException - scripted failure 500",
    ),
    "codex/drop": Report(
        is_error=True,
        error="stream disconnected before completion: Transport error: network error: error decoding response body",
        turns=1,
    ),
    "codex/e400": Report(
        is_error=True,
        error='{"error": {"message": "scripted failure 400", "type": "invalid_request_error", "param": null, "code": null}}',
        turns=1,
    ),
    "codex/e401": Report(
        is_error=True,
        error="unexpected status 401 Unauthorized: scripted failure 401, url: http://127.0.0.1:46797/e401/v1/responses",
        turns=1,
        trouble=AUTH,
    ),
    "codex/e500": Report(
        is_error=True,
        error="We’re currently experiencing high demand, which may cause temporary errors.",
        turns=1,
    ),
    "codex/empty": Report(usage=ONE_TURN, turns=1),
    "codex/flaky": Report(text=FIXED, usage=TWO_TURNS, turns=1, tools={"command_execution": 1}),
    "codex/garbage": Report(
        is_error=True,
        error="stream disconnected before completion: stream closed before response.completed",
        turns=1,
    ),
    "codex/overflow": Report(
        is_error=True,
        error="Codex ran out of room in the model's context window. Start a new thread or clear earlier history before retrying.",
        turns=1,
    ),
    "codex/quota": Report(
        is_error=True, error="Quota exceeded. Check your plan and billing details.", turns=1, trouble=QUOTA
    ),
    "codex/resume1": Report(text=NOTHING_TO_DO, usage=ONE_TURN, turns=1),
    "codex/resume2": Report(text=NOTHING_TO_DO, usage=TWO_TURNS, turns=1),
    "codex/success": Report(text=FIXED, usage=TWO_TURNS, turns=1, tools={"command_execution": 1}),
    "codex/term_in_tool": Report(),
    "codex/text_only": Report(text=NOTHING_TO_DO, usage=ONE_TURN, turns=1),
    "copilot/e400": Report(is_error=True, error="400 scripted failure 400", turns=1),
    "copilot/e401": Report(
        is_error=True,
        error="Authentication failed with provider at http://127.0.0.1:36429/e401/v1 (HTTP 401).\n  Check your COPILOT_PROVIDER_API_KEY, COPILOT_PROVIDER_API_KEY_COMMAND, or COPILOT_PROVIDER_BEARER_TOKEN.",
        turns=1,
        trouble=AUTH,
    ),
    "copilot/e500": Report(
        is_error=True,
        error="Failed to get response from the AI model; retried 5 times (total retry wait time: 14.41 seconds) Last error: 500 scripted failure 500",
        turns=1,
    ),
    "copilot/success": Report(text=FIXED, turns=2, tools={"bash": 1}, model="fake-model"),
    "copilot/term_in_tool": Report(turns=1, tools={"bash": 1}, model="fake-model"),
    "copilot/text_only": Report(text=NOTHING_TO_DO, turns=1, model="fake-model"),
    "gemini_cli/e401": Report(
        usage=Usage(input_tokens=0, cached_input_tokens=0, output_tokens=0, cost_usd=0.0),
        is_error=True,
        error='[API Error: {"error":{"code":401,"message":"scripted failure 401","status":"UNAUTHENTICATED"}}]',
        model="gemini-2.5-pro",
        trouble=AUTH,
        cost_by_table=DATED,
    ),
    "gemini_cli/quota_killed": Report(model="gemini-2.5-pro"),
    "gemini_cli/resume1": Report(
        text=NOTHING_TO_DO,
        usage=Usage(input_tokens=1000, cached_input_tokens=200, output_tokens=34, cost_usd=0.001615),
        model="gemini-2.5-pro",
        cost_by_table=DATED,
    ),
    "gemini_cli/success": Report(
        text=FIXED,
        usage=Usage(input_tokens=2000, cached_input_tokens=400, output_tokens=68, cost_usd=0.00323),
        tools={"run_shell_command": 1},
        model="gemini-2.5-pro",
        cost_by_table=DATED,
    ),
    "mini/no_answer": Report(),
    "mini/success": Report(
        usage=Usage(input_tokens=2000, cached_input_tokens=400, output_tokens=68),
        turns=2,
        model="openai/fake-model",
    ),
    "opencode/e400": Report(is_error=True, error="scripted failure 400"),
    "opencode/e401": Report(is_error=True, error="scripted failure 401", trouble=AUTH),
    "opencode/empty": Report(
        usage=Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_tokens=0,
            output_tokens=34,
            cost_usd=0.001068,
        ),
        turns=1,
    ),
    "opencode/flaky": Report(
        text=FIXED,
        usage=Usage(
            input_tokens=2000,
            cached_input_tokens=400,
            cache_write_tokens=0,
            output_tokens=68,
            cost_usd=0.002136,
        ),
        turns=2,
        tools={"bash": 1},
    ),
    "opencode/overflow": Report(is_error=True, error="prompt is too long: 250000 tokens > 200000 maximum"),
    "opencode/resume1": Report(
        text=NOTHING_TO_DO,
        usage=Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_tokens=0,
            output_tokens=34,
            cost_usd=0.001068,
        ),
        turns=1,
    ),
    "opencode/success": Report(
        text=FIXED,
        usage=Usage(
            input_tokens=2000,
            cached_input_tokens=400,
            cache_write_tokens=0,
            output_tokens=68,
            cost_usd=0.002136,
        ),
        turns=2,
        tools={"bash": 1},
    ),
    "opencode/term_in_tool": Report(),
    "opencode/text_only": Report(
        text=NOTHING_TO_DO,
        usage=Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_tokens=0,
            output_tokens=34,
            cost_usd=0.001068,
        ),
        turns=1,
    ),
    "pi/e400": Report(
        usage=Usage(
            input_tokens=0, cached_input_tokens=0, cache_write_tokens=0, output_tokens=0, cost_usd=0.0
        ),
        is_error=True,
        error="400 scripted failure 400",
        turns=1,
        model="fake-model",
    ),
    "pi/e401": Report(
        usage=Usage(
            input_tokens=0, cached_input_tokens=0, cache_write_tokens=0, output_tokens=0, cost_usd=0.0
        ),
        is_error=True,
        error="401 scripted failure 401",
        turns=1,
        model="fake-model",
        trouble=AUTH,
    ),
    "pi/e500": Report(
        usage=Usage(
            input_tokens=0, cached_input_tokens=0, cache_write_tokens=0, output_tokens=0, cost_usd=0.0
        ),
        is_error=True,
        error="500 scripted failure 500",
        turns=4,
        model="fake-model",
    ),
    "pi/success": Report(
        text=FIXED,
        usage=Usage(
            input_tokens=2000,
            cached_input_tokens=400,
            cache_write_tokens=0,
            output_tokens=68,
            cost_usd=0.002136,
        ),
        turns=2,
        tools={"bash": 1},
        model="fake-model",
    ),
    "pi/term_in_tool": Report(
        usage=Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_tokens=0,
            output_tokens=34,
            cost_usd=0.001068,
        ),
        turns=1,
        tools={"bash": 1},
        model="fake-model",
    ),
    "pi/text_only": Report(
        text=NOTHING_TO_DO,
        usage=Usage(
            input_tokens=1000,
            cached_input_tokens=200,
            cache_write_tokens=0,
            output_tokens=34,
            cost_usd=0.001068,
        ),
        turns=1,
        model="fake-model",
    ),
    "qwen/e400": Report(
        usage=Usage(input_tokens=0, cached_input_tokens=0, output_tokens=0),
        is_error=True,
        error="[API Error: 400 scripted failure 400]",
        turns=1,
        model="fake-model",
    ),
    "qwen/e401": Report(
        usage=Usage(input_tokens=0, cached_input_tokens=0, output_tokens=0),
        is_error=True,
        error="[API Error: 401 scripted failure 401]",
        turns=1,
        model="fake-model",
        trouble=AUTH,
    ),
    "qwen/success": Report(
        text=FIXED,
        usage=Usage(input_tokens=2000, cached_input_tokens=400, output_tokens=68),
        turns=2,
        tools={"run_shell_command": 1},
        model="fake-model",
    ),
    "qwen/text_only": Report(
        text=NOTHING_TO_DO,
        usage=Usage(input_tokens=2000, cached_input_tokens=400, output_tokens=68),
        turns=1,
        model="fake-model",
    ),
}


def _transcript(name: str) -> str:
    return (TRANSCRIPTS / f"{name}.stdout").read_text()


def _profile(name: str) -> Profile:
    return BUILTIN[name.partition("/")[0]]


def test_every_transcript_is_read() -> None:
    found = {f"{path.parent.name}/{path.stem}" for path in TRANSCRIPTS.glob("*/*.stdout")}
    assert {name for name in found if not name.startswith(f"{OWN_TEST}/")} == set(EXPECTED)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_captured_output_gives_its_report(name: str) -> None:
    report = _profile(name).parse(_transcript(name))
    if EXPECTED[name].text == ANY:
        assert report.text
        report = msgspec.structs.replace(report, text=ANY)
    has_session = not name.startswith(SESSIONLESS) and name not in SPEECHLESS
    assert (report.session_id is not None) is has_session
    assert msgspec.structs.replace(report, session_id=None) == EXPECTED[name]


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_noise_around_the_output_changes_nothing_of_the_report(name: str) -> None:
    report = _profile(name).parse(f"npm warn {{odd}}\n(node:17) Warning: [x]\n{_transcript(name)}\nbye\n")
    whole = _profile(name).parse(_transcript(name))
    assert msgspec.structs.replace(report, text=None) == msgspec.structs.replace(whole, text=None)
    assert (report.text is None) is (whole.text is None)


@pytest.mark.parametrize("name", sorted(n for n in EXPECTED if n.endswith("/success")))
def test_half_an_envelope_claims_neither_an_answer_nor_an_error(name: str) -> None:
    whole = _transcript(name)
    report = _profile(name).parse(whole[: len(whole) // 2])
    assert (report.text, report.is_error) == (None, False)


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
def test_nothing_printed_is_nothing_reported(harness_id: str) -> None:
    assert BUILTIN[harness_id].parse("") == Report()


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
@given(text=st.text(max_size=300))
def test_parse_is_total_over_text(harness_id: str, text: str) -> None:
    BUILTIN[harness_id].parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = (
    "item", "usage", "error", "part", "data", "message", "messages", "content", "stats", "result", "info", "text",
    "session_id", "is_error", "tokens", "models", "stopReason", "role", "turns", "status",
)  # fmt: skip
TYPES = (
    "result", "turn.failed", "turn.completed", "item.completed", "error", "step_finish", "text", "tool_use",
    "session.error", "assistant.message", "message_end", "message", "init", "session",
)  # fmt: skip


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
@given(value=JSON, keys=st.lists(st.sampled_from(KEYS), unique=True), kind=st.sampled_from(TYPES))
def test_parse_is_total_over_envelopes_of_any_shape(
    harness_id: str, value: object, keys: list[str], kind: str
) -> None:
    line = msgspec.json.encode({"type": kind, **dict.fromkeys(keys, value)}).decode()
    BUILTIN[harness_id].parse(f"{line}\n[{line}]\n{line}\n")


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
def test_megabytes_of_noise_are_read_in_bounded_time_and_space(harness_id: str) -> None:
    noise = '{"a":' + "[" * 2000 + "\n" + "{\n" * 1000 + "x" * 1_000_000 + "\n" + '{"type":"text"}\n' * 10_000
    report = BUILTIN[harness_id].parse(noise)
    assert len(report.text or "") <= 100_000


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
def test_the_prompt_is_no_argument_where_there_is_another_way(harness_id: str) -> None:
    profile = BUILTIN[harness_id]
    harness: Harness = profile
    invocation = harness.build(HarnessChoice(id=harness_id, command="/x/agent"), prompt="mend it")
    assert invocation.argv[0] == "/x/agent"
    is_argument = profile.prompt_by is PromptBy.ARGUMENT
    assert ("mend it" in invocation.argv) is is_argument
    assert invocation.stdin_text == (None if is_argument else "mend it")


def test_only_these_take_their_prompt_as_an_argument() -> None:
    assert {p.id for p in BUILTIN.values() if p.prompt_by is PromptBy.ARGUMENT} == {"claw", "mini"}


ARGV = {
    "aider": (
        "aider --message-file /dev/stdin --yes-always --no-stream --no-pretty --no-auto-commits --no-gitignore"
        " --no-analytics --no-check-update --no-show-model-warnings --no-show-release-notes --model M"
        " --reasoning-effort high"
    ),
    "antigravity": "antigravity run --prompt-file /dev/stdin --output json --yes --model M",
    "claw": "claw prompt mend",
    "codex": 'codex exec --json --skip-git-repo-check --sandbox workspace-write --model M -c model_reasoning_effort="high" -',
    "copilot": "copilot --allow-all-tools --output-format json --model M",
    "gemini_cli": "gemini -o stream-json --approval-mode yolo -m M",
    "mini": "mini -y --exit-immediately -o /dev/stdout -m M -t mend",
    "opencode": "opencode run --format json --model M --variant high",
    "pi": "pi -p --mode json --model M --thinking high",
    "qwen": "qwen -o json --approval-mode yolo -m M",
}


@pytest.mark.parametrize("harness_id", sorted(ARGV))
def test_the_command_line_is_exact(harness_id: str) -> None:
    choice = HarnessChoice(id=harness_id, model="M", effort="high")
    invocation = BUILTIN[harness_id].build(choice, prompt="mend")
    assert " ".join(invocation.argv) == ARGV[harness_id]


def test_codex_leaves_its_own_sandbox_only_by_name() -> None:
    choice = HarnessChoice(id="codex", permission_mode="bypass")
    argv = BUILTIN["codex"].build(choice, prompt="mend").argv
    assert "--dangerously-bypass-approvals-and-sandbox" in argv
    assert "--sandbox" not in argv


@pytest.mark.parametrize("harness_id", sorted(BUILTIN))
def test_a_profile_says_what_it_is(harness_id: str) -> None:
    profile = BUILTIN[harness_id]
    assert profile.id == harness_id
    assert set(profile.credentials) <= set(profile.env_names)
    assert set(profile.takes) <= {"model", "effort", "permission_mode", "allowed_tools"}
    assert profile.lacks or profile.tier.value == "full"
