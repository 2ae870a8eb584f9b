"""`dns`: a name has the records that it should have, by this machine's resolver or by one name server; or has none.

`server` is asked about and not only of: when it does not answer, or refuses, that is red, as a dead service is. The
machine's own resolver that does not answer is an error: nothing was learnt about the name. /etc/hosts is not looked at.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import anyio
import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

if TYPE_CHECKING:
    from dns.asyncresolver import Resolver

RecordType = Literal["A", "AAAA", "CAA", "CNAME", "MX", "NS", "PTR", "SOA", "SRV", "TXT"]
TIMEOUT_MS = 5000
"""Of one look where none is authored, over all servers and attempts."""
RECORDS_SHOWN_MAX = 50
PORT_MAX = 65535


class DnsOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    name: str
    type: RecordType = "A"
    expect: Literal["present", "absent"] = "present"
    answers: Sequence[str] = ()
    match: Literal["all", "any", "exact"] = "all"
    server: str = ""
    server_port: int = 53
    ttl_s_max: int | None = None
    timeout_ms: int | None = None


class Records(msgspec.Struct, frozen=True, kw_only=True):
    """What the name has."""

    texts: tuple[str, ...]
    ttl_s: int
    canonical_name: str


class Missing(msgspec.Struct, frozen=True, kw_only=True):
    """A server said that there is none: no such name, or no record of this type."""

    reason: Literal["no_such_name", "no_record"]


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """No server said anything about the name."""

    reason: str
    detail: str


class Dns:
    """The provider. dnspython is imported when first needed: it takes a fifth of a second."""

    def __init__(self) -> None:
        self._loading = anyio.Lock()
        self._is_loaded = False

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask once."""
        read = read_options(options, DnsOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        timeout_ms = TIMEOUT_MS if read.timeout_ms is None else read.timeout_ms
        deadline_s = max(0.0, allowed_s(timeout_ms, look))
        said: Records | Missing | Silence | Verdict = Silence(reason="timeout", detail="no answer in time")
        with anyio.move_on_after(deadline_s):
            async with self._loading:
                if not self._is_loaded:
                    await anyio.to_thread.run_sync(_load, abandon_on_cancel=True)
                    self._is_loaded = True
            said = await ask(read, deadline_s=deadline_s)
        return said if isinstance(said, Verdict) else interpret(said, read)


def problem_of(options: DnsOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if not options.name:
        return "name must be a name of the DNS"
    if options.server and _address(options.server) is None:
        return "server must be the address of a name server"
    if not 0 < options.server_port <= PORT_MAX:
        return f"server_port must be a number from 1 to {PORT_MAX}"
    return None


async def ask(options: DnsOptions, *, deadline_s: float) -> Records | Missing | Silence | Verdict:
    """Return what the servers say; raises for nothing they do."""
    import dns.exception
    import dns.resolver

    try:
        resolver = await anyio.to_thread.run_sync(partial(_resolver, options), abandon_on_cancel=True)
        name = _reverse(options)
        answer = await resolver.resolve(name, options.type, lifetime=deadline_s, search=False)
    except dns.resolver.NXDOMAIN:
        return Missing(reason="no_such_name")
    except dns.resolver.NoAnswer:
        return Missing(reason="no_record")
    except dns.resolver.NoResolverConfiguration as error:
        return errored("no_resolver", f"this machine names no name server: {shortened(str(error))}")
    except dns.resolver.LifetimeTimeout:
        return Silence(reason="timeout", detail=f"no answer within {deadline_s:g} s")
    except dns.resolver.NoNameservers as error:
        return Silence(reason="dns_failed", detail=f"no server gave an answer: {shortened(str(error))}")
    except dns.exception.DNSException as error:
        return errored("invalid_config", f"cannot be asked: {shortened(str(error)) or type(error).__name__}")
    except (OSError, EOFError) as error:
        return Silence(reason="transient", detail=f"cannot be asked: {shortened(str(error))}")
    except (UnicodeError, ValueError) as error:
        return errored("invalid_config", f"no name of the DNS: {shortened(str(error))}")
    texts = sorted({_text(record, options.type) for record in answer})
    ttl_s = answer.rrset.ttl if answer.rrset is not None else 0
    return Records(texts=tuple(texts), ttl_s=ttl_s, canonical_name=str(answer.canonical_name))


def interpret(said: Records | Missing | Silence, options: DnsOptions) -> Verdict:
    """PASS iff the name has what it should; absent is what `expect` says."""
    name, server = shortened(options.name), shortened(options.server)
    evidence: dict[str, Json] = {
        "name": name,
        "type": options.type,
        "expect": options.expect,
        "server": f"{server} port {options.server_port}" if server else "this machine's resolver",
    }
    match said:
        case Silence():
            if options.server and options.expect == "present" and said.reason != "transient":
                words = f"{server} about {name}: {said.detail}"
                return Verdict(status=Status.FAIL, reason="unreachable", detail=words, evidence=evidence)
            return errored(said.reason, f"{options.type} of {name}: {said.detail}", **evidence)
        case Missing():
            what = (
                "no such name" if said.reason == "no_such_name" else f"the name has no {options.type} record"
            )
            evidence["found"] = what
            if options.expect == "absent":
                return Verdict(status=Status.PASS, evidence=evidence)
            return Verdict(
                status=Status.FAIL, reason=said.reason, detail=f"{name}: {what}", evidence=evidence
            )
        case Records():
            evidence |= {
                "found": [shortened(text) for text in said.texts[:RECORDS_SHOWN_MAX]],
                "ttl_s": said.ttl_s,
                "canonical_name": shortened(said.canonical_name),
            }
            failure = _failure(said, options, name=name)
            if failure is None:
                return Verdict(status=Status.PASS, evidence=evidence)
            return Verdict(status=Status.FAIL, reason=failure[0], detail=failure[1], evidence=evidence)


def _failure(said: Records, options: DnsOptions, *, name: str) -> tuple[str, str] | None:
    found = {normal(text, options.type) for text in said.texts}
    wanted = {normal(text, options.type) for text in options.answers}
    shown = shortened(", ".join(sorted(said.texts)))
    if options.expect == "absent":
        if not wanted:
            return "present", f"{name} has {options.type} {shown}, and may have none"
        if unwanted := found & wanted:
            return (
                "present",
                f"{name} has {options.type} {shortened(', '.join(sorted(unwanted)))}, and may not",
            )
        return None
    missing, more = sorted(wanted - found), sorted(found - wanted)
    is_right = {"all": not missing, "any": not wanted or bool(found & wanted), "exact": found == wanted}
    if wanted and not is_right[options.match]:
        what = f"without {', '.join(missing)}" if missing else f"with {', '.join(more)} besides"
        return "unexpected_answer", shortened(f"{name} has {options.type} {shown}, {what}")
    if options.ttl_s_max is not None and said.ttl_s > options.ttl_s_max:
        return "ttl_too_long", f"{name} may be kept for {said.ttl_s} s, at most {options.ttl_s_max} s allowed"
    return None


def normal(text: str, record_type: str) -> str:
    """A record so that two ways to write it compare equal: addresses by value, names without case and last dot."""
    if record_type == "TXT":
        return text
    if record_type in ("A", "AAAA") and (address := _address(text)) is not None:
        return address
    return " ".join(word.rstrip(".").lower() or "." for word in text.split())


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def _text(record: Any, record_type: str) -> str:
    if record_type == "TXT":
        return b"".join(record.strings).decode("utf-8", errors="replace")
    return str(record.to_text())


def _reverse(options: DnsOptions) -> str:
    """A PTR of an address is asked under the name that stands for it."""
    address = _address(options.name)
    if options.type == "PTR" and address is not None:
        return ipaddress.ip_address(address).reverse_pointer
    return options.name


def _load() -> None:
    import dns.asyncbackend

    dns.asyncbackend.set_default_backend("asyncio")


def _resolver(options: DnsOptions) -> "Resolver":
    import dns.asyncresolver

    if not options.server:
        return dns.asyncresolver.Resolver()
    resolver = dns.asyncresolver.Resolver(configure=False)
    resolver.nameservers = [str(ipaddress.ip_address(options.server))]
    resolver.port = options.server_port
    return resolver
