"""Every parser of what comes from outside, as a function of bytes that fails when the parser breaks a promise.

The promises: it raises nothing but what it says, its answer encodes and is bounded, and it is green about nothing that
shows nothing. `test_fuzz.py` runs each on hypothesis' bytes; `make fuzz` on atheris', guided by coverage.
"""

import base64
import tempfile
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import anyio
import httpx
import msgspec

from kazid.adapters.memory.commands import exited
from kazid.core.verdict import Verdict
from kazid.ports.commands import CommandResult
from kazid.providers import (
    browser,
    browser_options,
    browser_walk,
    certificate,
    changes,
    custom_script,
    cve,
    dns_records,
    evidence,
    gherkin,
    git_state,
    http_exchange,
    http_probe,
    line_matcher,
    log_time,
    metric,
    mutation,
    pass_when,
    picture,
    process,
    process_table,
    readme_steps,
    record_rules,
    record_source,
    static,
    systemd_unit,
)
from kazid.providers import property as property_kind
from kazid.providers.findings import read_report
from kazid.providers.formats import (
    cobertura,
    coverage_py,
    cucumber,
    journald,
    json_text,
    junit,
    lcov,
    plain_json,
    prometheus,
    public_names,
    report,
    sarif,
    tap,
    xml_text,
)
from kazid.providers.formats.coverage_report import Counts, CoverageReport
from kazid.providers.ran import Ran

Run = Callable[[bytes], object]
RED: Mapping[str, bytes] = {
    "script-junit": b"\x01<testsuites><testsuite><testcase name='a'/><testcase name='b'>"
    b"<failure message='x'/></testcase></testsuite></testsuites>",
    "script-tap": b"\x01TAP version 13\n1..2\nok 1 - a\nnot ok 2 - b\n",
    "script-cucumber": b'\x01[{"elements": [{"name": "S", "steps": [{"result": {"status": "failed"}}]}]}]',
    "static-sarif": b'\x01{"version": "2.1.0", "runs": [{"tool": {}, "results": [{"ruleId": "R", "message": '
    b'{"text": "x"}}]}]}',
    "static-mypy": b"\x01a.py:2: error: x  [y]\nFound 1 error in 1 file (checked 2 source files)\n",
    "static-tsc": b"\x02a.ts(1,2): error TS1: x\n",
    "static-dialyzer": b"\x02lib/a.ex:3:no_return Function f/0 has no local return\ndone (warnings were emitted)\n",
    "static-golangci-lint": b"\x01a.go:1:2: x (lint)\n1 issues:\n",
    "cve-govulncheck": b'\x01{"config": {}}{"finding": {"osv": "GO-1", "trace": [{"package": "p", "function": "F"}]}}',
    "cve-npm_audit": b'\x01{"vulnerabilities": {"a": {"severity": "high"}}, '
    b'"metadata": {"vulnerabilities": {"total": 1}}}',
    "mutation": b'\x00{"killed": 1, "survived": 9, "s": ["a"]}',
    "property": b"\x01Failed: After 3 test(s).\n  1 property, 1 failure\n",
    "gherkin-cucumber": b'\x01[{"elements": [{"name": "S", "steps": [{"result": {"status": "failed"}}]}]}]',
    "browser-runner": b'\x00{"status": "fail", "assertions": [{"type": "visible", "ok": false}]}',
}
"""By target: what a tool says that found something. No cut of it, at either end, is green; the first byte is its exit.

govulncheck's stream has no end of its own, and it exits 0 with findings, too: what cuts it shows in its exit code only.
"""

ANSWER_BYTES_MAX = 4 * 1024 * 1024
"""No answer about a few kilobytes is longer."""


class Target(msgspec.Struct, frozen=True):
    """One entrance, which parsers it goes through, and texts to begin with."""

    run: Run
    covers: tuple[str, ...]
    seeds: tuple[bytes, ...] = ()


def text_of(data: bytes) -> str:
    """As commands, files and answers are decoded."""
    return data.decode("utf-8", errors="replace")


def encoded(value: object) -> object:
    """The value, once it is known to encode within its bound."""
    assert len(msgspec.json.encode(value)) < ANSWER_BYTES_MAX
    return value


def _said(why: str) -> None:
    assert why, "it cannot be read, and nothing says why"


def _report(read: Callable[[str], report.Report]) -> Run:
    def run(data: bytes) -> object:
        found = read(text_of(data))
        encoded(found)
        assert len(found.findings) == min(found.total, report.FINDINGS_MAX)
        assert (found.reason is None) == (found.note is None)
        assert found.tests is None or not found.is_believed or found.tests > 0
        assert data.strip() or not found.is_believed, "nothing is no report"
        return found

    return run


def _coverage(read: Callable[[str], Any]) -> Run:
    def run(data: bytes) -> object:
        found = read(text_of(data))
        encoded(found)
        if isinstance(found, CoverageReport):
            percent = found.percent(Counts.BOTH)
            assert percent is not None
            assert 0 <= percent <= 100
        return found

    return run


def _raising(read: Callable[[str], object], *allowed: type[Exception]) -> Run:
    def run(data: bytes) -> object:
        try:
            return encoded(read(text_of(data)))
        except allowed as error:
            return _said(str(error))

    return run


def _verdict(judge: Callable[[CommandResult, str], object]) -> Run:
    """A kind's verdict on this output; the first byte is the exit code. What printed nothing is never green."""

    def run(data: bytes) -> object:
        text = text_of(data[1:])
        verdict = judge(exited(data[0] % 3 if data else 0, stdout=text), text)
        encoded(verdict)
        if isinstance(verdict, Verdict):
            assert verdict.is_green or (verdict.reason and verdict.detail is not None), verdict
            assert not verdict.is_green or text.strip(), "green about nothing"
        return verdict

    return run


def _ran(result: CommandResult, text: str) -> Ran:
    return Ran(result=result, report=text)


def _static(tool: str) -> Run:
    options = static.StaticOptions(cmd="x", format=static.Format(tool))
    return _verdict(
        lambda result, text: static.interpret(_ran(result, text), options, workspace="/w", stored=None)
    )


def _script(**options: Any) -> Run:
    read = msgspec.convert({"cmd": "x", **options}, custom_script.CustomScriptOptions)
    nothing = custom_script.Matches(count=0)
    return _verdict(
        lambda result, text: custom_script.interpret(
            _ran(result, text), read, workspace="/w", matches=nothing
        )
    )


def _cve(tool: str) -> Run:
    options = cve.CveOptions(tool=cve.Scanner(tool), count_path="$.metadata.vulnerabilities.total")
    return _verdict(
        lambda result, text: cve.interpret(_ran(result, text), options, workspace="/w", stored=None)
    )


def _metric(format_: str) -> Run:
    options = metric.MetricOptions(cmd="x", format=metric.MetricFormat(format_))
    return _verdict(lambda result, text: metric.interpret(_ran(result, text), options, workspace="/w"))


_MUTATION = mutation.MutationOptions(
    cmd="x", threshold=0.5, killed_path="$.killed", survived_path="$.survived", survivors_path="$.s"
)
_STEPS = (readme_steps.Step(line=3, text="make\nmake test"), readme_steps.Step(line=9, text="./run"))


def _records(written: str) -> Run:
    rows = "$" if written in ("csv", "jsonl") else "$.rows"

    def read(text: str) -> object:
        found = record_source.read_records(
            text, written=record_source.Format(written), rows=rows, delimiter=","
        )
        assert isinstance(found, record_source.Unreadable) or len(found) <= record_source.RECORDS_MAX
        return found

    return _raising(read)


def _condition(text: str) -> object:
    condition = record_rules.condition_of(text)
    return None if condition is None else condition.holds({"a": text, "b": 3, condition.column: text})


def _xml(text: str) -> object:
    class Ignored:
        def start(self, name: str, attributes: Mapping[str, str]) -> None: ...
        def end(self, name: str) -> None: ...
        def characters(self, text: str) -> None: ...

    return xml_text.read_xml(text, Ignored())


_PROBE = http_probe.HttpProbeOptions(url="http://h/", expect_body="ok")
_REQUEST = http_exchange.Request(method="GET", url=httpx.URL("http://h/"), body_contains=b"ok")


class _Peer:
    """Sends what it has, in two pieces."""

    def __init__(self, data: bytes) -> None:
        self.pieces = [data[: len(data) // 2], data[len(data) // 2 :], b""]

    async def send(self, data: bytes) -> None: ...

    async def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    def answering(self) -> None: ...


def _http(data: bytes) -> object:
    peer = _Peer(data)

    async def ask() -> http_exchange.Answer:
        return await http_exchange.Conversation().exchange(peer, _REQUEST, peer)

    try:
        answer = anyio.run(ask) if len(data) > PIECES_LONG else _driven(ask())
    except http_exchange.BadAnswer as error:
        return _said(str(error))
    verdict = http_probe.interpret(answer, _PROBE, _REQUEST)
    assert not verdict.is_green or (b"o" in data and b"k" in data)
    return encoded(verdict)


PIECES_LONG = 1000
"""From here on an answer may come in so many pieces that its reader rests, for which it needs a loop."""


def _driven(asked: Coroutine[Any, Any, http_exchange.Answer]) -> http_exchange.Answer:
    """The result of what never waits, without a loop: thousands a second."""
    try:
        asked.send(None)
    except StopIteration as ended:
        answer: http_exchange.Answer = ended.value
        return answer
    raise AssertionError("it waits for something")


def _picture(data: bytes) -> object:
    with tempfile.TemporaryDirectory() as folder:
        baseline = Path(folder, "b.png")
        baseline.write_bytes(data)
        try:
            return picture.compare_with_baseline(SMALL_PNG, workspace=folder, baseline="b.png", diff="d.png")
        except picture.PictureProblem as error:
            return _said(error.detail)


def _gherkin(written: str) -> Run:
    options = gherkin.GherkinOptions(
        feature="a.feature", scenario="S", verdict_format=gherkin.VerdictFormat(written), runner_cmd="x"
    )

    def judge(result: CommandResult, text: str) -> object:
        return gherkin.interpret(gherkin.reported(_ran(result, text), options, workspace="/w"), options)

    return _verdict(judge)


def _browser(result: CommandResult, _: str) -> object:
    options = browser_options.BrowserOptions(url="http://h/", cmd="x")
    return browser.interpret_runner(result, options, workspace="/w")


_UNIT = systemd_unit.SystemdUnitOptions(unit="a.service")
SMALL_PNG = base64.b64decode(
    b"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
)

TARGETS: Mapping[str, Target] = {
    "junit": Target(_report(junit.read_junit), ("junit.read_junit",), (RED["script-junit"][1:],)),
    "tap": Target(_report(tap.read_tap), ("tap.read_tap",), (RED["script-tap"][1:],)),
    "sarif": Target(_report(sarif.read_sarif), ("sarif.read_sarif",), (RED["static-sarif"][1:],)),
    "cucumber": Target(
        _report(cucumber.read_cucumber), ("cucumber.read_cucumber",), (RED["script-cucumber"][1:],)
    ),
    "scenarios": Target(_raising(cucumber.read_scenarios), ("cucumber.read_scenarios",)),
    "plain-json": Target(
        _report(plain_json.read_plain_json), ("plain_json.read_plain_json",), (b'[{"file": "a"}]',)
    ),
    **{
        f"findings-{known.value}": Target(
            _raising(lambda text, known=known: read_report(text, known.value)),  # type: ignore[misc]
            ("findings.read_report",),
        )
        for known in custom_script.EvidenceFormat
    },
    "coverage.py": Target(_coverage(coverage_py.read_coverage_py), ("coverage_py.read_coverage_py",)),
    "cobertura": Target(
        _coverage(cobertura.read_cobertura),
        ("cobertura.read_cobertura",),
        (b'<coverage><class filename="a"><line number="1" hits="1"/></class></coverage>',),
    ),
    "lcov": Target(
        _coverage(lcov.read_lcov), ("lcov.read_lcov",), (b"SF:a\nDA:1,1\nBRDA:1,0,0,-\nend_of_record\n",)
    ),
    "xml": Target(_raising(_xml), ("xml_text.read_xml",), (b"<a b='c'>&lt;</a>",)),
    "json": Target(_raising(json_text.parse_json, json_text.NotJson), ("json_text.parse_json",)),
    "json-stream": Target(
        _raising(
            lambda text: [json_text.parse_stream(text), list(json_text.documents_in(text))], json_text.NotJson
        ),
        ("json_text.parse_stream", "json_text.documents_in"),
    ),
    "journald": Target(
        _raising(lambda text: list(journald.read_entries(text)), json_text.NotJson),
        ("journald.read_entries",),
        (
            b'{"__CURSOR": "a", "__REALTIME_TIMESTAMP": "1700000000000000", "MESSAGE": [104, 105]}',
            b'{"__REALTIME_TIMESTAMP": "' + b"9" * 400 + b'"}',
            b'{"__REALTIME_TIMESTAMP": true}',
        ),
    ),
    "prometheus": Target(
        _raising(prometheus.read_vector, prometheus.BadAnswer, prometheus.NoData),
        ("prometheus.read_vector",),
        (
            b'{"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, "2"]}]}}',
        ),
    ),
    "names": Target(
        _raising(
            lambda text: [list(public_names.names_in(f"a.{end}", text)) for end in ("ex", "py", "ts", "go")]
        ),
        ("public_names.names_in",),
        (
            b"defmodule A do\n  def b(c), do: d\nend",
            b"def f(a):\n    pass",
            b"export const a = 1",
            b"func A() {}",
        ),
    ),
    "place": Target(_raising(report.place_in), ("report.place_in",), (b"at a.js:3:4",)),
    "diff": Target(
        _raising(lambda text: list(changes.added_lines(text))),
        ("changes.added_lines",),
        (b'diff --git a/a b/a\n--- a/a\n+++ "b/\\303\\244"\n@@ -1 +1,2 @@\n+x\n',),
    ),
    "git-status": Target(
        _raising(git_state.parse_status),
        ("git_state.parse_status",),
        (b"# branch.ab +1 -2\0# branch.oid a\0? x\0",),
    ),
    "log-time": Target(
        _raising(lambda text: log_time.time_of(text, now_s=1.8e9)),
        ("log_time.time_of",),
        (
            b"2026-11-21T10:00:00.5+01:00 x",
            b"Nov 21 10:00:00 h a: b",
            b"[21/Nov/2026:10:00:00 +0100]",
            b"1700000000",
        ),
    ),
    "pass-when": Target(_raising(pass_when.parse_pass_when), ("pass_when.parse_pass_when",), (b">= 1e3",)),
    "pid-file": Target(lambda data: encoded(process.pid_in(data)), ("process.pid_in",), (b"12\n",)),
    "proc-stat": Target(
        lambda data: process_table.parse_stat(
            data, uptime_s=1.0
        ),  # a name is as the kernel has it, and is shown cleaned
        ("process_table.parse_stat",),
        (b"1 (a) b) S " + b"1 " * 30,),
    ),
    "readme": Target(
        _raising(lambda text: readme_steps.steps_in(text, languages=["sh"], section="")),
        ("readme_steps.steps_in",),
        (b"# A\n```sh\n$ ls \\\n> a\n```\n",),
    ),
    "fresh-clone": Target(
        _raising(lambda text: readme_steps.told_by(text, _STEPS, token="T")),
        ("readme_steps.told_by",),
        (b"T step 0\nx\nT gap 0 4 1\nT done 0\nT step 1\nT done 1\n",),
    ),
    "condition": Target(
        _raising(_condition), ("record_rules.condition_of",), (b"a in b|c", b"a >= 2", b"a is empty")
    ),
    **{
        f"records-{written.value}": Target(
            _records(written.value),
            ("record_source.read_records",),
            (b"id,b\n1,2\n", b'{"rows": [{"id": 1}]}', b"rows:\n- id: 1\n  b: 2026-01-01\n"),
        )
        for written in record_source.Format
    },
    "systemctl": Target(
        _verdict(lambda result, _: systemd_unit.interpret(result, _UNIT)),
        ("systemd_unit.properties_in",),
        (b"\x00LoadState=loaded\nActiveState=active\nSubState=running\n",),
    ),
    "certificate": Target(
        lambda data: encoded(certificate.read_certificate(data)), ("certificate.read_certificate",)
    ),
    "dns-name": Target(
        _raising(
            lambda text: [dns_records.normal(text, kind) for kind in ("A", "AAAA", "CNAME", "TXT", "MX")]
        ),
        ("dns_records.normal",),
    ),
    "lines": Target(
        _raising(
            lambda text: [list(line_matcher.lines_of(text)), line_matcher.matching("a+b", text, lines_max=9)]
        ),
        ("line_matcher.lines_of",),
    ),
    "evidence": Target(
        _raising(lambda text: [evidence.excerpt(text), evidence.clean(text), evidence.shortened(text)]),
        ("evidence.excerpt", "evidence.clean", "evidence.shortened"),
    ),
    "snapshot": Target(_raising(browser_walk.shortened_lines), ("browser_walk.shortened_lines",)),
    "http": Target(
        _http, (), (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",)
    ),
    "picture": Target(_picture, (), (SMALL_PNG,)),
    # kinds as a whole: the first byte is the exit code
    **{
        f"static-{tool.value}": Target(
            _static(tool.value), ("text_lines.read_lines",) * (tool.value != "sarif")
        )
        for tool in static.Format
    },
    "script-junit": Target(_script(verdict="report", evidence_format="junit"), ()),
    "script-tap": Target(_script(verdict="report", evidence_format="tap"), ()),
    "script-cucumber": Target(_script(verdict="report", evidence_format="cucumber"), ()),
    "script-json": Target(_script(verdict="json", path="$.a", pass_when="== 0"), (), (b'\x00{"a": 0}',)),
    **{f"cve-{tool.value}": Target(_cve(tool.value), ()) for tool in cve.Scanner},
    **{f"metric-{known.value}": Target(_metric(known.value), ()) for known in metric.MetricFormat},
    "mutation": Target(
        _verdict(lambda result, text: mutation.interpret(_ran(result, text), _MUTATION, workspace="/w")), ()
    ),
    "property": Target(
        _verdict(
            lambda result, text: property_kind.interpret(
                _ran(result, text), property_kind.PropertyOptions(), workspace="/w"
            )
        ),
        (),
    ),
    "gherkin-cucumber": Target(_gherkin("cucumber_json"), ()),
    "gherkin-map": Target(_gherkin("scenario_map"), (), (b'\x00{"S": "passed"}',)),
    "browser-runner": Target(
        _verdict(_browser), (), (b'\x00{"status": "pass", "assertions": []}', b'\x00{"status": []}')
    ),
}
"""By name. Those without a parser of their own judge: no false green is theirs."""
