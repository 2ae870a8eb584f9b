"""`custom_script`: the five rules, what comes before them, and that a silent or broken tool is never green."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest

from kazid.adapters.memory.commands import (
    ScriptedCommandRunner,
    exited,
    not_started,
    output,
    signaled,
    timed_out,
)
from kazid.adapters.system.commands import SystemCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import EVIDENCE_TEXT_CHARS_MAX, PERMANENT_REASONS, Status, Verdict
from kazid.ports.commands import OUTPUT_BYTES_MAX, CommandResult
from kazid.providers.custom_script import (
    MATCHED_LINES_MAX,
    CustomScript,
    CustomScriptOptions,
    Matches,
    command_for,
    interpret,
    matcher_for,
    matches_of,
)
from kazid.providers.line_matcher import matching
from kazid.providers.ran import Ran
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


class TestContract(ProviderContract):
    passing: Mapping[str, Json] = {"cmd": "sh", "args": ["-c", "echo fine"]}
    failing: Mapping[str, Json] = {"cmd": "sh", "args": ["-c", "seq 1 5000; echo broken >&2; exit 1"]}
    erring: Mapping[str, Json] = {"cmd": "no-such-binary"}
    hanging: Mapping[str, Json] = {"cmd": "sh", "args": ["-c", "echo start; sleep 300"]}
    keys = tuple(CustomScriptOptions.__struct_fields__)

    @pytest.fixture(autouse=True)
    def _made(self) -> None:
        self.provider = CustomScript()
        self.commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)


def judged(result: CommandResult, **options: Any) -> Verdict:
    read = msgspec.convert({"cmd": "check", **options}, CustomScriptOptions)
    matches = Matches(count=0)
    if matcher_for(result, read, a_look(Path("/w"))) is not None:
        found = matching(read.match_regex, result.stdout.text, lines_max=MATCHED_LINES_MAX)
        matches = msgspec.convert(found, Matches)
    ran = Ran(result=result, report=result.stdout.text)
    return interpret(ran, read, workspace="/w", matches=matches)


JSON_RULE = {"verdict": "json", "path": "$.a", "pass_when": "== 1"}
COUNT_RULE = {"verdict": "match_count", "match_regex": "^E", "pass_when": "<= 1"}
NO_RULE = {**JSON_RULE, "pass_when": "1"}
HUGE, BIG = (f'{{"a": {"9" * digits}}}' for digits in (5000, 4000))
NO_FOLDER = not_started("no such folder: /w", code="workspace_missing")
NO_PROCESS = not_started("could not start", code="transient")
CODE_RULE = {"verdict": "exit_code", "pass_codes": [3, 4], "fail_codes": [1]}


@pytest.mark.parametrize(
    ("options", "result", "expected"),
    [
        pytest.param({}, exited(0), "pass", id="exit-zero-passes"),
        pytest.param({}, exited(1), "fail exit_code", id="exit-one-fails"),
        pytest.param({}, exited(127), "fail exit_code", id="a-shell-that-did-not-find-it-fails"),
        pytest.param({}, signaled(9), "fail signaled", id="a-crashed-test-run-fails"),
        pytest.param({"error_codes": [137]}, signaled(9), "error error_exit", id="unless-the-author-says-error"),
        pytest.param({"error_codes": [7]}, exited(7), "error error_exit", id="error-code"),
        pytest.param({"error_codes": [0]}, exited(0), "error error_exit", id="error-codes-come-first"),
        pytest.param(CODE_RULE, exited(4), "pass", id="pass-code"),
        pytest.param(CODE_RULE, exited(1), "fail exit_code", id="fail-code"),
        pytest.param(CODE_RULE, exited(0), "fail exit_code", id="undeclared-code-fails"),
        pytest.param({**CODE_RULE, "error_codes": [3]}, exited(3), "error error_exit", id="error-beats-pass"),
        pytest.param(CODE_RULE, signaled(11), "fail signaled", id="crash-under-exit-code"),
        pytest.param({"verdict": "exit_code"}, exited(0), "error invalid_config", id="exit-code-without-codes"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": 1}\n'), "pass", id="json-number"),
        pytest.param(JSON_RULE, exited(9, stdout='{"a": 1}'), "pass", id="json-ignores-the-exit-code"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": 2}'), "fail pass_when", id="json-other-number"),
        pytest.param(JSON_RULE, exited(0, stdout=""), "error invalid_json_output", id="json-silence"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": 1} x'), "error invalid_json_output", id="json-and-more"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": NaN}'), "error not_a_number", id="json-nan"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": 1e999}'), "error not_a_number", id="json-infinity"),
        pytest.param(JSON_RULE, exited(0, stdout='{"a": "1"}'), "error not_a_number", id="json-string"),
        pytest.param(JSON_RULE, exited(0, stdout='{"b": 1}'), "error path_missing", id="json-missing"),
        pytest.param(JSON_RULE, exited(0, stdout="[" * 100_000), "error invalid_json_output", id="json-bomb"),
        pytest.param(JSON_RULE, exited(0, stdout=HUGE), "error invalid_json_output", id="json-huge-int"),
        pytest.param(JSON_RULE, exited(0, stdout=BIG), "error not_a_number", id="json-big-int"),
        pytest.param(JSON_RULE, signaled(9, stdout='{"a": 1}'), "error signaled", id="json-of-a-crashed-tool"),
        pytest.param({**JSON_RULE, "path": "a"}, exited(0, stdout="{}"), "error invalid_path", id="json-bad-path"),
        pytest.param(NO_RULE, exited(0, stdout='{"a": 1}'), "error invalid_config", id="json-bad-condition"),
        pytest.param(COUNT_RULE, exited(1, stdout="E1\nok\n\nE2\n"), "fail pass_when", id="too-many-matches"),
        pytest.param(COUNT_RULE, exited(0, stdout="E1\r\nok\r\n"), "pass", id="few-enough-matches"),
        pytest.param(COUNT_RULE, exited(0), "pass", id="exit-0-and-silence-is-no-match"),
        pytest.param(COUNT_RULE, exited(1, stderr="nothing found"), "pass", id="it-looked-and-said-so"),
        pytest.param(COUNT_RULE, exited(2), "error no_output", id="a-tool-that-died-silently-is-not-green"),
        pytest.param(COUNT_RULE, signaled(9), "error signaled", id="a-crashed-tool-is-not-green"),
        pytest.param({**COUNT_RULE, "match_regex": "("}, exited(0), "error invalid_match_regex", id="bad-regex"),
        pytest.param({**COUNT_RULE, "match_regex": ""}, exited(0), "error invalid_config", id="no-regex"),
        pytest.param({}, timed_out(stdout="so far"), "error timeout", id="timeout-is-no-verdict"),
        pytest.param({"error_codes": [0]}, timed_out(), "error timeout", id="timeout-comes-first"),
        pytest.param({}, not_started("not found: check"), "error cmd_unrunnable", id="missing-binary"),
        pytest.param({}, NO_FOLDER, "error workspace_missing", id="no-workspace"),
        pytest.param({}, NO_PROCESS, "error transient", id="out-of-descriptors"),
    ],
)  # fmt: skip
def test_a_result_means(options: Mapping[str, Any], result: CommandResult, expected: str) -> None:
    verdict = judged(result, **options)
    assert " ".join(filter(None, (verdict.status.value, verdict.reason))) == expected
    assert verdict.status is Status.PASS or verdict.detail
    msgspec.json.encode(verdict)


@pytest.mark.parametrize("rule", [JSON_RULE, COUNT_RULE])
def test_output_too_long_to_be_read_whole_is_no_number(rule: Mapping[str, Any]) -> None:
    result = msgspec.structs.replace(exited(0), stdout=output('{"a": 1}', truncated=True))
    verdict = judged(result, **rule)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "output_truncated")


@pytest.mark.parametrize(
    "reason",
    [
        "cmd_unrunnable", "missing_cmd", "invalid_cmd", "invalid_config", "invalid_path", "invalid_match_regex",
        "workspace_missing",
    ],
)  # fmt: skip
def test_what_looking_again_cannot_mend_is_permanent(reason: str) -> None:
    assert reason in PERMANENT_REASONS


@pytest.mark.parametrize(
    "reason", ["timeout", "transient", "error_exit", "signaled", "no_output", "output_truncated"]
)
def test_what_may_pass_by_itself_is_not_permanent(reason: str) -> None:
    assert reason not in PERMANENT_REASONS


def test_the_evidence_tells_what_ran_where_and_how_it_ended() -> None:
    verdict = judged(exited(1, stdout="out\n", stderr="err\n", executable="/w/check"), args=["-x"])
    assert verdict.evidence == {
        "cmd": "/w/check", "args": ["-x"], "workspace": "/w", "verdict": "exit_zero", "exit": 1,
        "stdout": "out\n", "stderr": "err\n",
    }  # fmt: skip


def test_a_signal_is_named_and_counts_as_in_a_shell() -> None:
    evidence = judged(signaled(9)).evidence
    assert (evidence["exit"], evidence["signal"]) == (137, 9)


def test_long_output_keeps_head_tail_and_the_lines_that_decide() -> None:
    lines = [f"line {n}" for n in range(5000)]
    lines[2500] = "AssertionError: 1 != 2"
    evidence = judged(exited(1, stdout="\n".join(lines))).evidence
    shown = evidence["stdout"]
    assert isinstance(shown, str)
    assert len(shown) <= EVIDENCE_TEXT_CHARS_MAX
    assert shown.startswith("line 0\n")
    assert shown.endswith("line 4999")
    assert "AssertionError: 1 != 2" in shown


def test_matched_lines_are_shown_up_to_twenty() -> None:
    verdict = judged(exited(0, stdout="\n".join(f"E{n}" for n in range(50))), **COUNT_RULE)
    assert verdict.evidence["observed"] == 50
    assert verdict.evidence["matched_lines"] == [f"E{n}" for n in range(20)]


def test_secrets_in_arguments_are_not_shown() -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    assert key not in str(judged(exited(1), args=[f"--key={key}"]).evidence)


def test_an_integer_beyond_every_machine_word_is_compared_and_shown() -> None:
    number = 123456789012345678901234567890
    verdict = judged(exited(0, stdout=f'{{"a": {number}}}'), verdict="json", path="$.a", pass_when="> 1")
    assert (verdict.status, verdict.evidence["observed"]) == (Status.PASS, number)


SARIF = '{"runs":[{"results":[{"ruleId":"R1","level":"error","message":{"text":"bad"}}]}]}'


def test_findings_come_from_the_whole_output_and_move_no_verdict() -> None:
    results = ",".join(f'{{"ruleId":"R{n}","message":{{"text":"{"x" * 100}"}}}}' for n in range(500))
    report = f'{{"runs":[{{"results":[{results}]}}]}}'
    verdict = judged(exited(0, stdout=report), evidence_format="sarif")
    assert verdict.status is Status.PASS
    assert verdict.evidence["findings_total"] == 500
    assert verdict.findings[0].rule == "R0"


@pytest.mark.parametrize("evidence_format", ["sarif", "junit", "json"])
def test_a_silent_tool_that_should_have_reported_is_noted(evidence_format: str) -> None:
    verdict = judged(exited(0), evidence_format=evidence_format)
    assert verdict.status is Status.PASS
    assert verdict.evidence["note"]


def test_findings_of_output_that_was_cut_are_said_to_be_incomplete() -> None:
    result = msgspec.structs.replace(exited(1), stdout=output(SARIF, truncated=True))
    verdict = judged(result, evidence_format="sarif")
    assert [finding.rule for finding in verdict.findings] == ["R1"]
    assert "too long to be read whole" in str(verdict.evidence["note"])


@pytest.mark.parametrize(
    ("timeout_ms", "deadline_s", "expected_s"),
    [
        pytest.param(300, 10.0, 0.3, id="the-authored-timeout-is-shorter"),
        pytest.param(60_000, 10.0, 9.5, id="the-observation-is-shorter"),
        pytest.param(None, 600.0, 599.5, id="none-authored"),
        pytest.param(None, 1.0, 0.95, id="a-short-one-leaves-its-share"),
    ],
)
def test_the_command_ends_before_the_observation_does(
    timeout_ms: int | None, deadline_s: float, expected_s: float, tmp_path: Path
) -> None:
    options = CustomScriptOptions(cmd="x", timeout_ms=timeout_ms)
    assert command_for(options, a_look(tmp_path, deadline_s=deadline_s)).deadline_s == pytest.approx(
        expected_s
    )


def test_only_output_that_is_parsed_is_kept_whole(tmp_path: Path) -> None:
    look = a_look(tmp_path)
    assert command_for(CustomScriptOptions(cmd="x"), look).output_bytes_max < OUTPUT_BYTES_MAX
    for options in ({"verdict": "json"}, {"verdict": "match_count"}, {"evidence_format": "junit"}):
        parsed = msgspec.convert({"cmd": "x", **options}, CustomScriptOptions)
        assert command_for(parsed, look).output_bytes_max == OUTPUT_BYTES_MAX


async def test_what_is_authored_is_what_runs(tmp_path: Path) -> None:
    runner = ScriptedCommandRunner({"check": exited(0)})
    options = {"cmd": "check", "args": ["--all"], "env": {"A": "b"}, "merge_stderr": True, "timeout_ms": 1500}
    verdict = await CustomScript().evaluate(options, a_look(tmp_path), runner)
    assert verdict.is_green
    (command,) = runner.commands
    assert (command.argv, command.cwd, command.env) == (("check", "--all"), str(tmp_path), {"A": "b"})
    assert (command.deadline_s, command.merge_stderr, command.path) == (1.5, True, a_look(tmp_path).path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [({}, "missing_cmd"), ({"cmd": 5}, "invalid_cmd"), ({"cmd": ""}, "invalid_cmd"), ({"cmd": ["x"]}, "invalid_cmd"),
     ({"cmd": "x", "verdict": "maybe"}, "invalid_config"), ({"cmd": "x", "pass_codes": ["0"]}, "invalid_config")],
)  # fmt: skip
async def test_a_predicate_that_says_nothing_runs_nothing(
    options: Mapping[str, Json], reason: str, tmp_path: Path
) -> None:
    runner = ScriptedCommandRunner()
    verdict = await CustomScript().evaluate(options, a_look(tmp_path), runner)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason)
    assert runner.commands == []


async def test_megabytes_of_json_are_read_whole(tmp_path: Path) -> None:
    runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    (tmp_path / "big.json").write_text('{"pad": "%s", "a": [1, 2, 3]}' % ("x" * 3_000_000))
    options = {"cmd": "cat", "args": ["big.json"], "verdict": "json", "path": "$.a", "pass_when": "== 3"}
    assert (await CustomScript().evaluate(options, a_look(tmp_path), runner)).is_green


async def test_a_workspace_that_vanished_is_an_error(tmp_path: Path) -> None:
    runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    verdict = await CustomScript().evaluate({"cmd": "true"}, a_look(tmp_path / "gone"), runner)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "workspace_missing")


COUNT = {"verdict": "match_count", "pass_when": ">= 1"}


async def test_lines_are_counted_in_a_process_of_its_own(tmp_path: Path) -> None:
    runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    printed = "printf 'caf\\303\\251\\r\\n\\nplain\\n\\377caf\\303\\251\\n'"
    options = {"cmd": "sh", "args": ["-c", printed], **COUNT, "match_regex": "é$"}
    verdict = await CustomScript().evaluate(options, a_look(tmp_path), runner)
    assert (verdict.status, verdict.evidence["observed"]) == (Status.PASS, 2)
    assert verdict.evidence["matched_lines"] == ["café", "�café"]


async def test_a_regex_that_takes_for_ever_is_an_error_in_time_and_holds_up_nobody(tmp_path: Path) -> None:
    runner = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    options = {"cmd": "echo", "args": ["a" * 60 + "!"], **COUNT, "match_regex": "(a+)+$", "timeout_ms": 500}
    ticks = 0
    async with anyio.create_task_group() as group:

        async def tick() -> None:
            nonlocal ticks
            while True:
                await anyio.sleep(0.05)
                ticks += 1

        group.start_soon(tick)
        with anyio.fail_after(10):
            verdict = await CustomScript().evaluate(options, a_look(tmp_path), runner)
        group.cancel_scope.cancel()
    assert (verdict.status, verdict.reason) == (Status.ERROR, "match_timeout")
    assert ticks >= 5, "the loop went on"


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        pytest.param(timed_out(), "match_timeout", id="for-ever"),
        pytest.param(signaled(9), "transient", id="killed"),
        pytest.param(exited(1, stderr="MemoryError"), "transient", id="failed"),
        pytest.param(NO_FOLDER, "workspace_missing", id="no-workspace"),
    ],
)
def test_lines_that_could_not_be_matched_are_never_a_count(result: CommandResult, reason: str) -> None:
    found = matches_of(result)
    assert isinstance(found, Verdict)
    assert (found.status, found.reason) == (Status.ERROR, reason)
    assert found.detail


TAP = {"verdict": "report", "evidence_format": "tap"}


@pytest.mark.parametrize(
    ("verdict", "status", "reason"),
    [
        pytest.param(judged(exited(0, stdout="1..1\nok 1\n"), **TAP), "pass", None, id="all-passed"),
        pytest.param(
            judged(exited(0, stdout="1..1\nnot ok 1\n"), **TAP), "fail", "findings", id="red-with-exit-0"
        ),
        pytest.param(
            judged(exited(1, stdout="1..1\nok 1\n"), **TAP), "error", "unexplained_exit", id="exit-1"
        ),
        pytest.param(judged(exited(0, stdout=""), **TAP), "error", "no_report", id="silence"),
        pytest.param(judged(exited(0, stdout="1..0\n"), **TAP), "error", "no_tests", id="no-test"),
        pytest.param(judged(signaled(9, stdout="1..1\nok 1\n"), **TAP), "error", "signaled", id="killed"),
        pytest.param(judged(exited(0), verdict="report"), "error", "invalid_config", id="of-no-format"),
    ],
)
def test_the_report_decides_where_it_is_asked_to(verdict: Verdict, status: str, reason: str | None) -> None:
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


@pytest.mark.parametrize(
    ("script", "status", "reason"),
    [
        pytest.param("echo '{\"a\": 1}' > r.json", "pass", None, id="written"),
        pytest.param("echo '{\"a\": 1}'", "error", "report_missing", id="printed"),
    ],
)
async def test_a_number_is_read_from_the_report_in_a_file(
    tmp_path: Path, script: str, status: str, reason: str | None
) -> None:
    options = {"cmd": "sh", "args": ["-c", script], **JSON_RULE, "report_path": "r.json"}
    commands = SystemCommandRunner(state_id=f"test-{os.getpid()}", environ=os.environ)
    verdict = await CustomScript().evaluate(options, a_look(tmp_path), commands)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
