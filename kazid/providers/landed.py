"""`landed` and `deployed`: the goal's work is where `[integration]` says, and it is what serves.

Both ask the repository through the program that lands, in a process of its own, so that there is one account of what
landed means. What serves is read from reality: a header or a JSON value of an answer, or what a command prints; a
commit that is older than the work never passes for it, however healthy it is.
"""

import re
import sys
from collections.abc import Mapping
from os import environ

import anyio
import httpx
import msgspec

from kazid.core.delivery import Forge, Integration, Looked, Plan, Version, begun_of
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict, errored
from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.http_exchange import Answer, Request
from kazid.providers.http_failure import NoAnswer
from kazid.providers.http_fetch import Fetcher
from kazid.providers.http_trust import TrustStores
from kazid.providers.json_path import PathProblem, value_at
from kazid.providers.options import read_options
from kazid.shim.redaction import redact

PROGRAM = (sys.executable, "-I", "-m", "kazid.adapters.system.landing", "look")
_COMMIT = re.compile(r"[0-9a-fA-F]{7,64}")
_LIVE_S = 0.6
"""Of a look at what serves, the share that reading it may take; the rest is for the repository."""


class LandedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `[integration]` made of itself."""

    mode: str
    branch: str
    base: str | None = None
    paths: tuple[str, ...] = ()
    forge: Forge = Forge()


class DeployedOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `[deploy]` made of itself."""

    version: Version
    mode: str = ""
    branch: str = ""
    base: str | None = None
    vars: Mapping[str, str] = {}


class Landed:
    """The provider of `landed`."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Look at the repository, its remote and its forge, as far as the mode says."""
        read = read_options(options, LandedOptions)
        if isinstance(read, Verdict):
            return read
        integration = Integration(
            mode=read.mode, branch=read.branch, base=read.base, paths=read.paths, forge=read.forge
        )
        found = await _asked(_plan(look, integration), look, commands, deadline_s=look.deadline_s)
        return found if isinstance(found, Verdict) else interpret(found)


class Deployed:
    """The provider of `deployed`."""

    def __init__(self, fetcher: Fetcher | None = None) -> None:
        self._fetcher = fetcher or Fetcher(trust=TrustStores())

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read which commit serves, then ask whether it has the goal's work."""
        read = read_options(options, DeployedOptions)
        if isinstance(read, Verdict):
            return read
        ends_s = anyio.current_time() + look.deadline_s
        serving = await self._serving(read, look, commands, deadline_s=look.deadline_s * _LIVE_S)
        if isinstance(serving, Verdict):
            return serving
        integration = Integration(mode=read.mode, branch=read.branch, base=read.base) if read.mode else None
        plan = msgspec.structs.replace(_plan(look, integration), serving=serving)
        left_s = max(0.0, ends_s - anyio.current_time())
        found = await _asked(plan, look, commands, deadline_s=left_s)
        return found if isinstance(found, Verdict) else interpret_serving(serving, found)

    async def _serving(
        self, read: DeployedOptions, look: Look, commands: CommandRunner, *, deadline_s: float
    ) -> str | Verdict:
        said = (
            await _printed(read, look, commands, deadline_s=deadline_s)
            if read.version.cmd
            else await self._answered(read.version, deadline_s=deadline_s)
        )
        if isinstance(said, Verdict):
            return said
        word = said.strip().strip('"')
        if _COMMIT.fullmatch(word) is None:
            detail = f"what serves names no commit: {shortened(redact(word)) or '(nothing)'}"
            return Verdict(status=Status.FAIL, reason="no_version", detail=detail)
        return word.lower()

    async def _answered(self, version: Version, *, deadline_s: float) -> str | Verdict:
        try:
            request = Request(method="GET", url=httpx.URL(version.url), headers={})
        except (httpx.InvalidURL, ValueError) as error:
            return errored("invalid_config", f"cannot be asked: {shortened(str(error))}")
        answer = await self._fetcher.fetch(request, deadline_s=deadline_s)
        if isinstance(answer, NoAnswer):
            if answer.is_unreachable:
                return Verdict(status=Status.FAIL, reason="unreachable", detail=redact(answer.detail))
            return errored(answer.reason, redact(answer.detail))
        return version_in(answer, version)


def version_in(answer: Answer, version: Version) -> str | Verdict:
    """The commit that an answer names, or why it names none."""
    if not 200 <= answer.status_code < 300:
        return Verdict(status=Status.FAIL, reason="unexpected_status", detail=f"status {answer.status_code}")
    if version.header:
        if (named := answer.header(version.header)) is not None:
            return named
        return Verdict(status=Status.FAIL, reason="no_version", detail=f"no header {version.header}")
    try:
        found = value_at(parse_json(answer.body.decode(errors="replace")), version.jsonpath)
    except NotJson as error:
        return Verdict(status=Status.FAIL, reason="no_version", detail=f"no JSON: {shortened(str(error))}")
    if isinstance(found, PathProblem) or not isinstance(found, str):
        return Verdict(status=Status.FAIL, reason="no_version", detail=f"nothing at {version.jsonpath}")
    return found


async def _printed(
    read: DeployedOptions, look: Look, commands: CommandRunner, *, deadline_s: float
) -> str | Verdict:
    result = await commands.run(
        Command(
            argv=(read.version.cmd, *read.version.args),
            cwd=look.workspace,
            deadline_s=deadline_s,
            path=look.path,
            env=read.vars,
        )
    )
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "version_cmd did not end in time")
    if result.exit_code != 0:
        words = shortened(result.stderr.text.strip()) or f"exit {result.exit_code}"
        return Verdict(status=Status.FAIL, reason="no_version", detail=f"version_cmd: {words}")
    return result.stdout.text


def _plan(look: Look, integration: Integration | None) -> Plan:
    begun = begun_of(look.carry)
    return Plan(
        goal="",
        tree=look.workspace,
        scratch="",
        integration=integration,
        since=begun.since,
        began_in=begun.top,
        foreign=begun.foreign,
    )


async def _asked(plan: Plan, look: Look, commands: CommandRunner, *, deadline_s: float) -> Looked | Verdict:
    token = "" if plan.integration is None else plan.integration.forge.token_env
    result = await commands.run(
        Command(
            argv=PROGRAM,
            cwd=look.workspace,
            deadline_s=deadline_s,
            path=look.path,
            env={token: environ[token]} if token and token in environ else {},
            stdin_text=msgspec.json.encode(plan).decode(),
        )
    )
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", "the repository or its remote did not answer in time")
    try:
        return msgspec.json.decode(result.stdout.text, type=Looked)
    except msgspec.DecodeError:
        words = shortened(result.stderr.text.strip()[-400:]) or f"exit {result.exit_code}"
        return errored("look_failed", words)


def interpret(found: Looked) -> Verdict:
    """PASS iff all of the work is where it is to be."""
    status = {"pass": Status.PASS, "fail": Status.FAIL}.get(found.status, Status.ERROR)
    return Verdict(
        status=status,
        reason=found.reason or None,
        detail=redact(found.detail) or None,
        evidence=found.evidence,
        carry=found.carry or None,
    )


def interpret_serving(serving: str, found: Looked) -> Verdict:
    """PASS iff what serves is the landed commit, or one that has it in its history."""
    evidence: dict[str, Json] = {"serving": serving[:12], "landed": found.commit[:12] or None}
    if found.serves:
        return Verdict(status=Status.PASS, evidence=evidence)
    if found.status == "error":
        return errored(found.reason, redact(found.detail), **evidence)
    if found.serves is None:
        detail = f"{serving[:12]} serves, which this repository does not know"
        return Verdict(status=Status.FAIL, reason="unknown_version", detail=detail, evidence=evidence)
    detail = f"{serving[:12]} serves, and it does not have the landed work"
    return Verdict(status=Status.FAIL, reason="old_version", detail=detail, evidence=evidence)
