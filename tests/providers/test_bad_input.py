"""Every kind of bad input at every kind that can meet it: `error` or `fail`, with words, in time, in little memory.

What only one kind meets stands beside that kind, too; here is the whole list, kind by kind.
"""

import json
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import anyio
import pytest

from kazid.core.verdict import Status, Verdict
from kazid.ports.provider import Look
from kazid.providers.builtin import BUILTIN
from kazid.providers.catalog import KINDS
from kazid.testing import real_commands
from tests.memory import MIB, bounded_memory
from tests.providers.authority import HOUR_S, Authority
from tests.providers.loopback import Loopback, serving

pytestmark = pytest.mark.anyio

Options = dict[str, Any]
GIB = 1024 * MIB
GRACE_S = 20.0
"""Beyond the deadline: a second of CPU ends the process and reads 8 MiB of it; a busy machine makes ten of that."""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with serving() as loopback:
        yield loopback


async def bad(
    kind: str, options: Options, folder: Path, *, deadline_s: float = 8.0, mib: int = 200
) -> Verdict:
    """The verdict, which is none that anybody could take for good news."""
    look = Look(
        predicate_id="p",
        workspace=str(folder),
        deadline_s=deadline_s,
        path=f"{folder}:{os.environ['PATH']}",
        wall_s=1.8e9,
    )
    started_s = anyio.current_time()
    with bounded_memory(growth_max=mib * MIB):
        verdict = await BUILTIN[kind]().evaluate(options, look, real_commands())
    assert anyio.current_time() - started_s < deadline_s + GRACE_S
    assert verdict.status in (Status.ERROR, Status.FAIL), verdict
    assert verdict.reason, verdict
    assert verdict.detail, verdict
    assert len(json.dumps(verdict.evidence)) < 200_000
    return verdict


def saying(text: str) -> Options:
    return {"cmd": "cat", "args": [text]}


# --- what is parsed ---------------------------------------------------------------------------------------------------

PARSERS: Mapping[str, tuple[str, Options]] = {
    "script-json": ("custom_script", {**saying("r"), "verdict": "json", "path": "$.a", "pass_when": ">= 0"}),
    "script-junit": ("custom_script", {**saying("r"), "verdict": "report", "evidence_format": "junit"}),
    "script-tap": ("custom_script", {**saying("r"), "verdict": "report", "evidence_format": "tap"}),
    "script-sarif": ("custom_script", {**saying("r"), "verdict": "report", "evidence_format": "sarif"}),
    "script-cucumber": ("custom_script", {**saying("r"), "verdict": "report", "evidence_format": "cucumber"}),
    "static-sarif": ("static", {**saying("r"), "format": "sarif"}),
    "static-mypy": ("static", {**saying("r"), "format": "mypy"}),
    "cve": ("cve", {**saying("r"), "tool": "trivy", "count_path": "$.a"}),
    "cve-govulncheck": ("cve", {**saying("r"), "tool": "govulncheck"}),
    "mutation": ("mutation", {**saying("r"), "threshold": 0.5, "score_path": "$.a"}),
    "property": ("property", saying("r")),
    "ratchet": (
        "ratchet",
        {"metric": {**saying("r"), "path": "$.a"}, "direction": "lower_better", "baseline": 9e9},
    ),
    "coverage-lcov": ("coverage", {"target": 1, "patch": {**saying("r"), "format": "lcov"}}),
    "coverage-cobertura": ("coverage", {"target": 1, "patch": {**saying("r"), "format": "cobertura"}}),
    "coverage.py": ("coverage", {"target": 1, "patch": {**saying("r"), "format": "coverage_py"}}),
    "cli-json": (
        "cli",
        {**saying("r"), "assertions": [{"target": "stdout", "path": "$.a", "expected": 1}]},
    ),
    "browser-runner": ("browser", {**saying("r"), "url": "http://h/"}),
    "gherkin": (
        "gherkin",
        {"feature": "f", "scenario": "S", "runner_cmd": "cat", "runner_args": ["r"]},
    ),
    "records-json": ("records", {"file": "r", "format": "json", "key": "id"}),
    "records-yaml": ("records", {"file": "r", "format": "yaml", "key": "id"}),
    "records-csv": ("records", {"file": "r", "format": "csv", "key": "id"}),
}
BOMBS: Mapping[str, Callable[[int], bytes]] = {
    "deep": lambda times: b"[" * (20_000 * times),
    "wide": lambda times: b"[" + b"[]," * (40_000 * times) + b"1]",
    "a-number": lambda times: b'{"a": ' + b"9" * (20_000 * times) + b"}",
    "entities": lambda _: (
        b"<!DOCTYPE a [" + b"".join(b"<!ENTITY a%d '%s'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)) + b"]>"
        b"<a>&a9;</a>"
    ),
    "anchors": lambda _: b"a0: &a0 [x]\n" + b"".join(
        b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)
    ),
    "no-utf-8": lambda _: b'\xff\xfe\x00{"a": "\xc3"}\x80\n' * 100,
    "no-lines": lambda times: b"x" * (80_000 * times),
    "nothing": lambda _: b"",
}  # fmt: skip


@pytest.mark.parametrize(
    ("times", "mib"),
    [pytest.param(1, 100, id="small"), pytest.param(50, 400, id="large", marks=pytest.mark.long)],
)
@pytest.mark.parametrize("parser", sorted(PARSERS))
async def test_no_bomb_is_good_news_or_costs_much(tmp_path: Path, parser: str, times: int, mib: int) -> None:
    kind, options = PARSERS[parser]
    for bomb, made in BOMBS.items():
        (tmp_path / "r").write_bytes(made(times))
        if not (bomb == "nothing" and parser.startswith("records")):  # an empty register is told apart below
            await bad(kind, options, tmp_path, mib=mib)


async def test_an_empty_register_is_no_good_news(tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"")
    for written in ("json", "csv", "yaml"):
        await bad("records", {"file": "r", "format": written, "key": "id"}, tmp_path)


@pytest.mark.parametrize(
    "text", ["{}", '{"runs": []}', '{"runs": null}', '{"runs": [{}]}', '{"runs": {}}', "[]", "null"]
)
@pytest.mark.parametrize("parser", ["static-sarif", "script-sarif"])
async def test_a_sarif_without_runs_shows_nothing(tmp_path: Path, parser: str, text: str) -> None:
    (tmp_path / "r").write_text(text)
    kind, options = PARSERS[parser]
    assert (await bad(kind, options, tmp_path)).status is Status.ERROR


PIPED = frozenset({"cve", "cve-govulncheck", "cli-json", "browser-runner"})
"""Read as `script-json` and `property` are, from a pipe: the bound is the runner's."""
PIPED_S = 0.5
"""A program that is still writing its two gigabytes by then is ended; what it wrote is read to the bound meanwhile."""


@pytest.mark.parametrize("parser", sorted(PARSERS.keys() - PIPED))
async def test_a_report_of_two_gigabytes(tmp_path: Path, parser: str) -> None:
    """Sparse: it has the length and no blocks. From a file it is refused by its size, from a pipe read to the bound."""
    with (tmp_path / "big").open("wb") as big:
        big.truncate(2 * GIB)
    kind, options = PARSERS[parser]
    if kind == "records":
        options = {**options, "file": "big"}
    elif "report_path" in KINDS[kind].keys and parser not in ("script-json", "cli-json"):
        options = {**options, "cmd": "touch", "args": ["big"], "report_path": "big"}
        if kind == "gherkin":
            options = {
                **PARSERS[parser][1],
                "runner_cmd": "touch",
                "runner_args": ["big"],
                "report_path": "big",
            }
    elif "metric" in options or "patch" in options:
        key = "metric" if "metric" in options else "patch"
        options = {**options, key: {**options[key], "cmd": "touch", "args": ["big"], "report_path": "big"}}
    else:
        await bad(kind, {**options, "args": ["big"]}, tmp_path, deadline_s=PIPED_S)
        return
    await bad(kind, options, tmp_path, deadline_s=2)


# --- expressions ------------------------------------------------------------------------------------------------------

EXPLODES = "(a+)+$"
BAIT = "a" * 60 + "!"
EXPLODING: Mapping[str, tuple[str, Options]] = {
    "match-count": (
        "custom_script",
        {**saying("bait"), "verdict": "match_count", "match_regex": EXPLODES, "pass_when": ">= 0"},
    ),
    "assertion": ("cli", {**saying("bait"), "assertions": [{"target": "stdout", "matches": EXPLODES}]}),
    "panic": ("prod_log", {**saying("bait"), "panic_regex": EXPLODES}),
    "errors": ("prod_log", {**saying("bait"), "server_error_regex": EXPLODES}),
    "log-file": ("prod_log", {"files": ["bait"], "panic_regex": EXPLODES}),
}


ENDED_BY_CPU = "panic"
"""Long enough that its bound on CPU ends it; the others end with their look."""


@pytest.mark.parametrize("name", sorted(EXPLODING))
async def test_an_expression_that_explodes_ends_in_time(tmp_path: Path, name: str) -> None:
    (tmp_path / "bait").write_text(f"2027-01-15T07:59:59Z {BAIT}\n")
    kind, options = EXPLODING[name]
    options = {**options, "timeout_ms": 1500 if name == ENDED_BY_CPU else 400}
    assert (await bad(kind, options, tmp_path, deadline_s=2)).status is Status.ERROR


# --- programs ---------------------------------------------------------------------------------------------------------

COMMANDS: Mapping[str, Options] = {
    "custom_script": {}, "test_runner": {}, "property": {}, "prod_log": {}, "records": {"key": "id"},
    "cli": {"assertions": [{"target": "exit_code", "expected": 0}]}, "static": {"format": "mypy"},
    "mutation": {"threshold": 0.5, "score_path": "$.a"}, "cve": {"tool": "trivy", "count_path": "$.a"},
    "browser": {"url": "http://h/"},
}  # fmt: skip
OTHERWISE: Mapping[str, Callable[[str], Options]] = {
    "gherkin": lambda cmd: {"feature": "f", "scenario": "S", "runner_cmd": cmd},
    "ratchet": lambda cmd: {"metric": {"cmd": cmd}, "direction": "lower_better", "baseline": 9e9},
    "coverage": lambda cmd: {"target": 1, "patch": {"cmd": cmd}},
}
NO_COMMAND = frozenset({"scenario"})
"""`scenario` replays through `cli`; what it is pinned to runs nothing itself."""


def test_every_kind_that_runs_a_command_is_here() -> None:
    assert COMMANDS.keys() | NO_COMMAND == {
        k for k, kind in KINDS.items() if kind.built and "cmd" in kind.keys
    }


@pytest.mark.parametrize("cmd", ["/", ".", "./folder", "folder", "./text", "./not-ours"])
@pytest.mark.parametrize("kind", sorted(COMMANDS.keys() | OTHERWISE.keys()))
async def test_a_program_that_is_none(tmp_path: Path, kind: str, cmd: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no program\n")
    (tmp_path / "not-ours").write_bytes(b"\x7fELF\xff\xff not for this machine")
    (tmp_path / "not-ours").chmod(0o755)
    options = OTHERWISE[kind](cmd) if kind in OTHERWISE else {**COMMANDS[kind], "cmd": cmd}
    assert (await bad(kind, options, tmp_path)).reason == "cmd_unrunnable"


# --- servers ----------------------------------------------------------------------------------------------------------

ASKED: Mapping[str, Callable[[Loopback, str], tuple[str, Options]]] = {
    "http_probe": lambda server, path: ("http_probe", {"url": server.url(path), "expect_body": "good"}),
    "metrics": lambda server, path: (
        "metrics",
        {"query_url": server.url(path), "query": "up", "pass_when": ">= 0"},
    ),
    "records": lambda server, path: ("records", {"url": server.url(path), "format": "json", "key": "id"}),
    "records-csv": lambda server, path: ("records", {"url": server.url(path), "format": "csv", "key": "id"}),
    "tcp": lambda server, path: (
        "tcp",
        {
            "host": "127.0.0.1",
            "port": server.port,
            "send": f"GET {path} HTTP/1.0\r\n\r\n",
            "expect_text": "good",
        },
    ),
}


@pytest.mark.parametrize(
    "path",
    [
        "/slow-drip",
        "/redirect/loop",
        "/json-deep",
        "/json-wide",
        "/huge",
        "/endless",
        "/binary",
        "/gzip-bomb",
    ],
)
@pytest.mark.parametrize("who", sorted(ASKED))
async def test_a_server_that_means_harm(server: Loopback, tmp_path: Path, who: str, path: str) -> None:
    kind, options = ASKED[who](server, path)
    timeout_ms = 300 if path == "/slow-drip" else 1500  # the only one whose end is always the deadline
    await bad(kind, {**options, "timeout_ms": timeout_ms}, tmp_path, deadline_s=2)


class _Good(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"good")

    def log_message(self, *_: object) -> None:
        pass


async def test_a_certificate_that_expired_today(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue("expired-today", until_s=-HOUR_S, by=authority.ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, authority.key)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Good) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        port = server.server_address[1]
        url, ca = f"https://localhost:{port}/", str(authority.ca)
        for kind, options in (
            ("http_probe", {"url": url, "tls_ca": ca, "expect_status": 200}),
            ("metrics", {"query_url": url, "tls_ca": ca, "query": "up", "pass_when": ">= 0"}),
            ("tls_certificate", {"host": "localhost", "port": port, "ca_file": ca}),
            ("tls_certificate", {"file": str(certificate), "ca_file": ca}),
        ):
            verdict = await bad(kind, options, tmp_path)
            assert "expired" in (verdict.detail or ""), verdict
        server.shutdown()


# --- names and files that are no UTF-8 --------------------------------------------------------------------------------


async def test_names_and_contents_that_are_no_utf_8(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\xfe.log")
    (tmp_path / name).write_bytes(b"\xff\xfe panic: \x80\n")
    (tmp_path / "f.feature").write_bytes(b"Feature: \xff\n  Scenario: \xfe\n    Given \x80\n")
    (tmp_path / "pid").write_bytes(b"\xff\xfe")
    (tmp_path / "golden").write_bytes(b"\xff")
    (tmp_path / "db").write_bytes(b"\xff\xfe" * 100)
    (tmp_path / "cert").write_bytes(b"\xff\xfe-----BEGIN CERTIFICATE-----\n\xff\n-----END CERTIFICATE-----\n")
    for kind, options in (
        ("file", {"path": "pid", "contains": "x"}),
        ("file", {"path": name, "sha256": "0" * 64}),
        ("process", {"pid_file": "pid"}),
        ("cli", {"cmd": "printf", "args": [r"\377"], "assertions": [{"target": "stdout", "golden": "nope"}]}),
        ("cli", {"cmd": "true", "assertions": [{"target": "stdout", "golden": "golden"}]}),
        ("sql", {"database": "db", "query": "SELECT 1", "pass_when": "== 1"}),
        ("tls_certificate", {"file": "cert"}),
        ("scenario", {"spec": "f.feature", "scenario": "S", "surface": "cli", "cmd": "true"}),
        ("prod_log", {"cmd": "cat", "args": [name], "panic_regex": "panic"}),
        ("systemd_unit", {"unit": name}),
        ("dns", {"name": name}),
    ):
        verdict = await bad(kind, options, tmp_path)
        verdict.detail.encode() if verdict.detail else None
