"""`tls_certificate`: what a server shows, or a file holds, is valid long enough, trusted and for the right name.

All three are told at once, each for itself: an expired certificate of the wrong name says both. Days are counted by
this machine's wall clock; where that is plainly wrong (before 2025) or behind the certificate's own beginning, the
verdict says so. A server that does not answer, or speaks no TLS, is red; a name that cannot be looked up is an error.
"""

import datetime as dt
import os
import ssl
import stat
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look
from kazid.providers.blocking import THREADS_MAX, Stop, in_thread
from kazid.providers.certificate import Certificate, Unreadable, is_for, read_certificate
from kazid.providers.connect import NAME_LOOKUPS_MAX, Outcome, Target
from kazid.providers.evidence import clean, shortened
from kazid.providers.http_trust import trust_store
from kazid.providers.options import allowed_s, read_options
from kazid.providers.tls_handshake import NoCertificate, Shown, fetch_certificate

PORT_MAX = 65535
DAY_S = 86_400.0
CLOCK_S_MIN = 1_735_689_600.0
"""2025-01-01: an earlier clock has never been set, and counts no days."""
TIMEOUT_MS = 10_000
FILE_BYTES_MAX = 1024 * 1024
NAMES_SHOWN_MAX = 20
NAME_BYTES_MAX = 255
SELF_SIGNED = (18, 19)
"""OpenSSL's verify codes for a certificate, or a root, that vouches for itself and is in no store."""
EXPIRED, NOT_YET_VALID = 10, 9


class TlsCertificateOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    host: str = ""
    port: int = 443
    file: str = ""
    server_name: str = ""
    starttls: Literal["", "smtp", "imap", "pop3", "postgres"] = ""
    days_left_min: float = 14
    chain: Literal["verify", "ignore"] = "verify"
    name: Literal["verify", "ignore"] = "verify"
    ca_file: str = ""
    sha256: str = ""
    timeout_ms: int | None = None


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate and where it was seen. `chain_words` is what OpenSSL says against the chain."""

    certificate: Certificate
    where: str
    protocol: str = ""
    chain_code: int = 0
    chain_words: str = ""


class TlsCertificate:
    """The provider. One trust store for all looks."""

    def __init__(self) -> None:
        self._lookups = anyio.CapacityLimiter(NAME_LOOKUPS_MAX)
        self._threads = anyio.CapacityLimiter(THREADS_MAX)
        self._trust: ssl.SSLContext | None = None

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look at what is shown, once, or twice where its chain does not verify."""
        read = read_options(options, TlsCertificateOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        timeout_ms = TIMEOUT_MS if read.timeout_ms is None else read.timeout_ms
        ends_s = anyio.current_time() + max(0.0, allowed_s(timeout_ms, look))
        encoded = await (self._in_file if read.file else self._shown)(read, look, ends_s)
        if isinstance(encoded, Verdict):
            return encoded
        # cryptography takes a tenth of a second to import, which a thread spends.
        work = partial(_read, encoded.der)
        certificate = await in_thread(work, deadline_s=ends_s - anyio.current_time(), limiter=self._threads)
        if certificate is None:
            return errored("timeout", "the certificate was not read in time")
        if isinstance(certificate, Unreadable):
            return errored("unreadable_certificate", f"{encoded.address}: {shortened(certificate.detail)}")
        seen = Seen(
            certificate=certificate, where=encoded.address, protocol=encoded.protocol,
            chain_code=encoded.chain_code, chain_words=encoded.chain_words,
        )  # fmt: skip
        return interpret(seen, read, wall_s=look.wall_s)

    async def _shown(self, options: TlsCertificateOptions, look: Look, ends_s: float) -> Shown | Verdict:
        context: ssl.SSLContext | None = None
        if options.chain == "verify":
            ca_file = str(Path(look.workspace, options.ca_file)) if options.ca_file else ""
            made: ssl.SSLContext | Verdict | None = None if ca_file else self._trust
            if made is None:
                left_s = ends_s - anyio.current_time()
                made = await in_thread(partial(_trusting, ca_file), deadline_s=left_s, limiter=self._threads)
            if made is None:
                return errored("timeout", "the trust store was not read in time")
            if isinstance(made, Verdict):
                return made
            if not ca_file:
                self._trust = made
            context = made
        target = Target(host=options.host, port=options.port)
        shown = await fetch_certificate(
            target, server_name=options.server_name or options.host, starttls=options.starttls, context=context,
            ends_s=ends_s, lookups=self._lookups,
        )  # fmt: skip
        return shown if isinstance(shown, Shown) else _none(shown, target)

    async def _in_file(self, options: TlsCertificateOptions, look: Look, ends_s: float) -> Shown | Verdict:
        path = str(Path(look.workspace, options.file))
        work = partial(_file, path)
        found = await in_thread(work, deadline_s=ends_s - anyio.current_time(), limiter=self._threads)
        return found or errored("timeout", f"{shortened(path)} was not read in time")


def problem_of(options: TlsCertificateOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if bool(options.host) == bool(options.file):
        return "one of host and file has to say whose certificate"
    if not _is_sendable(options.server_name or options.host or "x"):
        return "server_name, or host, is no name that a client could send"
    if not 0 < options.port <= PORT_MAX:
        return f"port must be a number from 1 to {PORT_MAX}"
    if options.sha256 and len(options.sha256.replace(":", "")) != 64:
        return "sha256 must be a fingerprint of 64 hexadecimal digits"
    return None


def _is_sendable(name: str) -> bool:
    """OpenSSL takes no other name, and refusing it halfway would leave a socket open."""
    try:
        return 0 < len(name.encode("idna")) <= NAME_BYTES_MAX and "\0" not in name and name[0] != "."
    except UnicodeError:
        return False


def interpret(seen: Seen, options: TlsCertificateOptions, *, wall_s: float) -> Verdict:
    """PASS iff it is valid for days enough, trusted, and for the name; the score is the days left."""
    certificate = seen.certificate
    days_left = (certificate.not_after_s - wall_s) / DAY_S
    host = options.server_name or options.host
    evidence: dict[str, Json] = {
        "where": shortened(seen.where),
        "subject": shortened(certificate.subject),
        "issuer": shortened(certificate.issuer),
        "names": [shortened(name) for name in certificate.names[:NAMES_SHOWN_MAX]],
        "not_before": _date(certificate.not_before_s),
        "not_after": _date(certificate.not_after_s),
        "days_left": round(days_left, 2),
        "checked_at": _date(wall_s),
        "serial": certificate.serial,
        "sha256": certificate.sha256,
    }
    if seen.protocol:
        evidence["protocol"] = seen.protocol
    if not options.file:
        evidence["chain"] = seen.chain_words or ("trusted" if options.chain == "verify" else "not looked at")
    if wall_s < CLOCK_S_MIN:
        words = f"this machine's clock says {_date(wall_s)}, so no days can be counted"
        return errored("clock_wrong", words, **evidence)
    found = _time_failure(certificate, options, days_left=days_left, wall_s=wall_s)
    if seen.chain_code in SELF_SIGNED:
        found["self_signed"] = f"it is self-signed or of an unknown root ({seen.chain_words})"
    elif seen.chain_code and not (seen.chain_code in (EXPIRED, NOT_YET_VALID) and found):
        of_chain = "a certificate of its chain: " if seen.chain_code in (EXPIRED, NOT_YET_VALID) else ""
        found["untrusted"] = f"its chain is not trusted ({of_chain}{seen.chain_words})"
    if options.name == "verify" and host and not is_for(certificate.names, host):
        names = ", ".join(certificate.names[:5]) or f"no name at all (subject {certificate.subject})"
        found["wrong_name"] = f"it is for {shortened(names)}, not for {shortened(host)}"
    if options.sha256 and options.sha256.replace(":", "").lower() != certificate.sha256:
        found["another_certificate"] = f"its fingerprint is {certificate.sha256}"
    verdict = Verdict(
        status=Status.PASS, evidence=evidence, score=round(days_left, 2), direction=Direction.HIGHER_BETTER
    )
    if not found:
        return verdict
    detail = f"{shortened(seen.where)}: {'; '.join(found.values())}"
    return msgspec.structs.replace(
        verdict, status=Status.FAIL, reason=next(iter(found)), detail=clean(detail)
    )


def _time_failure(
    certificate: Certificate, options: TlsCertificateOptions, *, days_left: float, wall_s: float
) -> dict[str, str]:
    if days_left < 0:
        ago = f"{-days_left * 24:.1f} hours" if days_left > -2 else f"{-days_left:.0f} days"
        return {"expired": f"it expired {ago} ago, on {_date(certificate.not_after_s)}"}
    if certificate.not_before_s > wall_s:
        hours = (certificate.not_before_s - wall_s) / 3600
        begins = (
            f"it begins on {_date(certificate.not_before_s)}, in {hours:.1f} hours by this machine's clock"
        )
        return {"not_yet_valid": f"{begins}, which may be behind"}
    if days_left < options.days_left_min:
        least = f"at least {options.days_left_min:g} expected"
        return {"expires_soon": f"{days_left:.1f} days left until {_date(certificate.not_after_s)}, {least}"}
    return {}


def _none(shown: NoCertificate, target: Target) -> Verdict:
    evidence: dict[str, Json] = {"where": shortened(target.name)}
    words = shortened(clean(shown.detail))
    if shown.outcome in (Outcome.REFUSED, Outcome.SILENT):
        reason = "no_tls" if "TLS" in shown.detail else "unreachable"
        return Verdict(status=Status.FAIL, reason=reason, detail=words, evidence=evidence)
    return errored(shown.outcome.value, words, **evidence)


def _date(wall_s: float) -> str:
    try:
        return dt.datetime.fromtimestamp(wall_s, tz=dt.UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{wall_s:.0f} s"


def _read(der: bytes, stop: Stop) -> Certificate | Unreadable:
    return read_certificate(der)


def _trusting(ca_file: str, stop: Stop) -> ssl.SSLContext | Verdict:
    """A context that verifies the chain; names are compared apart from it."""
    try:
        context = ssl.create_default_context(cafile=ca_file) if ca_file else trust_store()
    except (OSError, ValueError) as error:
        return errored("no_trust_store", f"{shortened(ca_file) or 'the trust store'} cannot be read: {error}")
    context.check_hostname = False
    return context


def _file(path: str, stop: Stop) -> Shown | Verdict:
    name = shortened(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return errored("invalid_path", f"{name} is no regular file")
            der = file.read(FILE_BYTES_MAX)
    except (FileNotFoundError, NotADirectoryError):
        return Verdict(
            status=Status.FAIL, reason="absent", detail=f"{name} does not exist", evidence={"where": name}
        )
    except PermissionError as error:
        return errored("permission_denied", f"{name}: {error.strerror}")
    except (OSError, ValueError) as error:
        return errored("invalid_path", f"{name}: {shortened(str(error))}")
    return Shown(der=der, protocol="", address=path)
