"""`dns`: against a name server of the test's own, on loopback."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.memory.commands import ScriptedCommandRunner
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.dns_records import Dns, DnsOptions, Missing, Records, Silence, interpret, normal
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio
COMMANDS = ScriptedCommandRunner()
SERVER = "127.0.0.1"
ZONE = {
    ("www.example.org.", "A"): ["192.0.2.1", "192.0.2.2"],
    ("www.example.org.", "AAAA"): ["2001:db8::1"],
    ("example.org.", "MX"): ["10 Mail.Example.org.", "20 mail2.example.org."],
    ("example.org.", "TXT"): ['"v=spf1 -all" " second"', '"a=b"'],
    ("1.2.0.192.in-addr.arpa.", "PTR"): ["www.example.org."],
    ("alias.example.org.", "CNAME"): ["www.example.org."],
}


class NameServer:
    """Answers from the zone; some names make it misbehave."""

    def __init__(self) -> None:
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sock.bind((SERVER, 0))
        self.port = int(self.sock.getsockname()[1])
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def serve(self) -> None:
        while True:
            wire, peer = self.sock.recvfrom(4096)
            if wire == b"end":
                return
            answer = self.answer(wire)
            if answer is not None:
                self.sock.sendto(answer, peer)

    def answer(self, wire: bytes) -> bytes | None:
        query = dns.message.from_wire(wire)
        question = query.question[0]
        name = str(question.name)
        kind = question.rdtype.name
        said = dns.message.make_response(query)
        said.flags |= dns.flags.RA
        match name.split(".")[0]:
            case "silent":
                return None
            case "garbage":
                return wire[:2] + b"\xff" * 20
            case "servfail":
                said.set_rcode(dns.rcode.SERVFAIL)
            case "refused":
                said.set_rcode(dns.rcode.REFUSED)
            case _ if (name, kind) in ZONE:
                said.answer.append(dns.rrset.from_text(name, 300, "IN", kind, *ZONE[name, kind]))
            case "alias":
                target = ZONE["alias.example.org.", "CNAME"][0]
                said.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", target))
                if (target, kind) in ZONE:
                    said.answer.append(dns.rrset.from_text(target, 60, "IN", kind, *ZONE[target, kind]))
            case _ if not any(name == known for known, _ in ZONE):
                said.set_rcode(dns.rcode.NXDOMAIN)
        return said.to_wire()

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"end", (SERVER, self.port))
        self.thread.join(5)
        self.sock.close()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    server = NameServer()
    yield server.port
    server.close()


async def look(port: int, *, deadline_s: float = 60.0, **options: Json) -> Verdict:
    asked: dict[str, Json] = {"server": SERVER, "server_port": port, **options}
    return await Dns().evaluate(asked, a_look(Path("/"), deadline_s=deadline_s), COMMANDS)


class TestContract(ProviderContract):
    keys = tuple(DnsOptions.__struct_fields__)
    kind = KINDS["dns"]

    @pytest.fixture(autouse=True)
    def _made(self, port: int) -> None:
        self.provider = Dns()
        self.commands = COMMANDS
        asked: dict[str, Json] = {"server": SERVER, "server_port": port}
        self.passing = {**asked, "name": "www.example.org"}
        self.failing = {**asked, "name": "none.example.org"}
        self.erring = {"name": "a..b", **asked}
        self.hanging = {**asked, "name": "silent.example.org"}


WWW = "www.example.org"


@pytest.mark.parametrize(
    ("options", "status", "reason"),
    [
        pytest.param({"name": WWW}, "pass", None, id="there-is-one"),
        pytest.param({"name": WWW, "answers": ["192.0.2.2"]}, "pass", None, id="this-among-them"),
        pytest.param(
            {"name": WWW, "answers": ["192.0.2.3"]}, "fail", "unexpected_answer", id="not-among-them"
        ),
        pytest.param(
            {"name": WWW, "answers": ["192.0.2.3", "192.0.2.1"], "match": "any"}, "pass", None, id="any"
        ),
        pytest.param(
            {"name": WWW, "answers": ["192.0.2.2", "192.0.2.1"], "match": "exact"}, "pass", None, id="exact"
        ),
        pytest.param(
            {"name": WWW, "answers": ["192.0.2.1"], "match": "exact"},
            "fail",
            "unexpected_answer",
            id="one-too-many",
        ),
        pytest.param(
            {"name": WWW, "type": "AAAA", "answers": ["2001:DB8:0::1"]}, "pass", None, id="by-value"
        ),
        pytest.param({"name": "none.example.org"}, "fail", "no_such_name", id="no-such-name"),
        pytest.param({"name": WWW, "type": "MX"}, "fail", "no_record", id="no-such-record"),
        pytest.param({"name": "none.example.org", "expect": "absent"}, "pass", None, id="absent"),
        pytest.param({"name": WWW, "type": "MX", "expect": "absent"}, "pass", None, id="absent-record"),
        pytest.param({"name": WWW, "expect": "absent"}, "fail", "present", id="there-and-should-not"),
        pytest.param(
            {"name": WWW, "expect": "absent", "answers": ["192.0.2.9"]},
            "pass",
            None,
            id="no-longer-the-old-one",
        ),
        pytest.param(
            {"name": WWW, "expect": "absent", "answers": ["192.0.2.1"]},
            "fail",
            "present",
            id="still-the-old-one",
        ),
        pytest.param(
            {"name": "example.org", "type": "MX", "answers": ["10 mail.example.ORG"]}, "pass", None, id="mail"
        ),
        pytest.param(
            {"name": "example.org", "type": "TXT", "answers": ["v=spf1 -all second"]},
            "pass",
            None,
            id="text-in-parts",
        ),
        pytest.param(
            {"name": "192.0.2.1", "type": "PTR", "answers": ["www.example.org"]}, "pass", None, id="reverse"
        ),
        pytest.param(
            {"name": "alias.example.org", "answers": ["192.0.2.1"]}, "pass", None, id="through-an-alias"
        ),
        pytest.param({"name": WWW, "ttl_s_max": 300}, "pass", None, id="ttl"),
        pytest.param({"name": WWW, "ttl_s_max": 299}, "fail", "ttl_too_long", id="ttl-too-long"),
        pytest.param({"name": "servfail.example.org"}, "fail", "unreachable", id="servfail"),
        pytest.param({"name": "refused.example.org"}, "fail", "unreachable", id="refused"),
        pytest.param({"name": "silent.example.org", "timeout_ms": 200}, "fail", "unreachable", id="silent"),
        pytest.param({"name": "garbage.example.org", "timeout_ms": 300}, "fail", "unreachable", id="garbage"),
        pytest.param(
            {"name": "silent.example.org", "timeout_ms": 200, "expect": "absent"},
            "error",
            "timeout",
            id="silence-proves-no-absence",
        ),
        pytest.param(
            {"name": "servfail.example.org", "expect": "absent"},
            "error",
            "dns_failed",
            id="neither-does-servfail",
        ),
        pytest.param({"name": "x" * 64 + ".example.org"}, "error", "invalid_config", id="a-label-too-long"),
        pytest.param(
            {"name": WWW, "server": "ns.example.org"}, "error", "invalid_config", id="a-server-by-name"
        ),
    ],
)
async def test_a_real_name_server(
    port: int, options: dict[str, Json], status: str, reason: str | None
) -> None:
    verdict = await look(port, **options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict
    assert verdict.is_green or verdict.detail


async def test_a_server_that_is_not_there_is_red() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind((SERVER, 0))
        verdict = await look(sock.getsockname()[1], name=WWW, timeout_ms=300)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unreachable"), verdict


@pytest.mark.parametrize(
    ("said", "options", "status"),
    [
        pytest.param(Silence(reason="timeout", detail="x"), {}, "error", id="our-resolver-is-silent"),
        pytest.param(Silence(reason="timeout", detail="x"), {"server": SERVER}, "fail", id="theirs-is"),
        pytest.param(
            Silence(reason="transient", detail="x"), {"server": SERVER}, "error", id="no-descriptors"
        ),
        pytest.param(Missing(reason="no_such_name"), {}, "fail", id="no-such-name"),
        pytest.param(
            Records(texts=(), ttl_s=0, canonical_name="x"), {"answers": ["y"]}, "fail", id="nothing"
        ),
    ],
)
def test_what_was_said_is_judged(said: Any, options: Any, status: str) -> None:
    assert interpret(said, DnsOptions(name="x", **options)).status.value == status


@given(st.text(max_size=60), st.sampled_from(["A", "MX", "TXT"]))
def test_any_text_compares_with_itself(text: str, kind: str) -> None:
    assert normal(normal(text, kind), kind) == normal(text, kind)
