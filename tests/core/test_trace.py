"""What every attempt of an agent leaves: told from the journal alone, nothing held out in it, unknown is null."""

import msgspec
from msgspec.structs import replace

from kazid.core.change import Change
from kazid.core.event import ActEnded, DispatchPrepared, Said, Usage
from kazid.core.goal import HarnessChoice
from kazid.core.ids import AttemptId
from kazid.core.status import Cause
from kazid.core.trace import Trace, TraceUsage, traces_of
from kazid.core.verdict import failed
from tests.builders import FAIL, PASS, a_goal, a_predicate, a_remedy
from tests.played import Played

AGENT = HarnessChoice(id="claude", model="haiku")


def played(*, hidden: bool = False) -> Played:
    predicates = [a_predicate("tests"), a_predicate("style")]
    if hidden:
        predicates.append(replace(a_predicate("secret-case"), held_out=True))
    play = Played(a_goal(*predicates, harness=AGENT))
    play.look("style", PASS)
    if hidden:
        play.look("secret-case", failed("the hidden reason"))
    play.look("tests", failed("hunter2"))
    return play


def sent(play: Played) -> Played:
    play.act_intended()
    return play.record(
        DispatchPrepared(
            attempt_id=AttemptId("a1"), program="claude", version="2.1", prompt_sha256="ab", prompt_bytes=9
        )
    )


def ended(play: Played, **fields) -> Played:
    play.advance(5)
    return play.record(
        ActEnded(attempt_id=AttemptId("a1"), ending="exited", ended_s=play.now.boot_s, exit_code=0, **fields)
    )


def traces(play: Played) -> list[Trace]:
    return list(traces_of(play.records, owner="ada", goal_id="web"))


def test_an_attempt_is_told_whole() -> None:
    play = ended(
        sent(played()),
        duration_s=5.0,
        usage=Usage(input_tokens=10, cached_input_tokens=7, output_tokens=2),
        tokens_charged=13,
        cost_usd_charged=0.5,
        change=Change(files=1, lines=3, touched=["app.py"]),
        said=Said(model="haiku-4", tools={"Edit": 2}, turns=4),
    )
    play.look("tests", PASS)
    play.look("style", FAIL)
    (trace,) = traces(play)
    assert (trace.format, trace.version, trace.attempt, trace.episode) == ("kazi-trace", 1, 1, 1)
    assert (trace.harness, trace.model_asked, trace.model, trace.chosen_by) == (
        "claude",
        "haiku",
        "haiku-4",
        "[harness]",
    )
    assert (trace.program, trace.cli_version, trace.prompt_sha256, trace.prompt_bytes) == (
        "claude",
        "2.1",
        "ab",
        9,
    )
    assert (dict(trace.before), dict(trace.after)) == (
        {"tests": "fail", "style": "pass"},
        {"tests": "pass", "style": "fail"},
    )
    assert (trace.tokens.input, trace.tokens.cached_input, trace.tokens.output) == (10, 7, 2)
    assert trace.tokens.cache_write is None
    assert (trace.tokens_charged, trace.cost_usd, trace.tools, trace.turns) == (13, 0.5, {"Edit": 2}, 4)
    assert (trace.files, trace.lines, trace.touched) == (1, 3, ["app.py"])


def test_what_nobody_said_is_null_and_never_zero() -> None:
    (trace,) = traces(ended(sent(played())))
    said = msgspec.to_builtins(trace)
    absent = ("model", "turns", "denials", "cost_usd", "tokens_charged", "files", "lines", "cause")
    assert {name: said[name] for name in absent} == dict.fromkeys(absent)
    assert set(said["tokens"].values()) == {None}
    assert trace.after == {}, "nothing was looked at since"


def test_the_version_that_the_agent_says_wins() -> None:
    (trace,) = traces(ended(sent(played()), said=Said(version="3.0")))
    assert trace.cli_version == "3.0"


def test_an_attempt_under_way_has_a_trace_without_an_end() -> None:
    (trace,) = traces(sent(played()))
    assert (trace.ending, trace.after) == (None, {})


def test_what_is_held_out_and_what_checks_said_is_in_no_trace() -> None:
    play = ended(sent(played(hidden=True)), text="I saw hunter2", reason="hunter2")
    play.look("tests", failed("hunter2"))
    play.look("secret-case", failed("the hidden reason"))
    text = msgspec.json.encode(traces(play)).decode()
    for secret in ("secret-case", "hidden", "hunter2"):
        assert secret not in text
    assert traces(play)[0].withheld == 1


def test_what_is_seen_after_something_else_began_is_not_this_attempts_doing() -> None:
    play = ended(sent(played()))
    for name, verdict in (("tests", failed("again")), ("style", PASS)):
        play.look(name, verdict)
        play.advance(400)
        play.look(name, verdict)
    play.act_intended()
    first, second = traces(play)
    assert dict(first.after) == {"tests": "fail", "style": "pass"}
    assert (second.attempt, second.ending) == (2, None)


def test_remedies_leave_no_trace_of_an_agent() -> None:
    play = Played(a_goal(remedies=[a_remedy()]))
    play.looks(FAIL)
    play.acted()
    assert traces(play) == []


def test_every_fact_of_an_attempt_is_in_its_trace() -> None:
    play = ended(
        sent(played(hidden=True)),
        duration_s=5.12345,
        usage=Usage(input_tokens=10, cached_input_tokens=7, cache_write_tokens=3, output_tokens=2),
        tokens_charged=13,
        charge_estimated=True,
        cost_usd_charged=0.5,
        cost_estimated=True,
        cause=Cause.QUOTA,
        change=Change(files=1, lines=3, touched=["app.py"], outside=["x", "y"], commits=2),
        said=Said(model="haiku-4", tools={"Edit": 2}, turns=4, denials=1, cost_by_table="2026-01"),
    )
    (trace,) = traces(play)
    assert trace == Trace(
        owner="ada",
        goal_id="web",
        uid="u1",
        attempt=1,
        attempt_id="a1",
        episode=1,
        started_at=trace.started_at,
        harness="claude",
        model_asked="haiku",
        chosen_by="[harness]",
        predicates=["tests"],
        withheld=1,
        program="claude",
        cli_version="2.1",
        prompt_sha256="ab",
        prompt_bytes=9,
        before={"tests": "fail", "style": "pass"},
        ending="exited",
        exit_code=0,
        cause="quota",
        duration_s=5.123,
        model="haiku-4",
        tools={"Edit": 2},
        turns=4,
        denials=1,
        tokens=TraceUsage(input=10, cached_input=7, cache_write=3, output=2),
        tokens_charged=13,
        tokens_estimated=True,
        cost_usd=0.5,
        cost_estimated=True,
        cost_by_table="2026-01",
        files=1,
        lines=3,
        touched=["app.py"],
        outside=2,
        commits=2,
    )


def test_who_was_asked_for_how_and_when_is_told() -> None:
    play = Played(a_goal(a_predicate("tests"), harness=replace(AGENT, effort="high")), at=1.23456)
    (trace,) = traces(sent(play.look("tests", FAIL)))
    assert (trace.model_asked, trace.effort, trace.chosen_by) == ("haiku", "high", "[harness]")
    assert trace.started_at == 1_700_000_001.235
