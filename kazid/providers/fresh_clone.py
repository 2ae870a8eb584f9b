"""`fresh_clone`: the commit, cloned into an empty folder with an empty HOME, does what its README says.

Named commands or the shell blocks of a README run in one pass, in one shell; every command that fails is a finding with
its line. What is not committed, not installed or only in somebody's own environment is a gap. The clone has no remote,
so that nothing it does reaches the workspace.
"""

import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from kazid.core.json import Json
from kazid.core.verdict import Direction, Finding, Status, Verdict, errored, failed
from kazid.ports.commands import OUTPUT_BYTES_MAX, Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.changes import git
from kazid.providers.evidence import command_evidence, exit_code_of, shortened
from kazid.providers.kinds.newcomer_kinds import LANGUAGES, PATH
from kazid.providers.options import allowed_s, read_options
from kazid.providers.ran import NoReport, path_below
from kazid.providers.readme_steps import GAPS_MAX, STEPS_MAX, Step, Told, script_of, steps_in, told_by
from kazid.shim.redaction import redact

README_BYTES_MAX = 2 * 1024 * 1024


class FreshCloneOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    readme: str = ""
    section: str = ""
    languages: Sequence[str] = LANGUAGES
    commands: Sequence[str] = ()
    ref: str = "HEAD"
    env: Mapping[str, str] = {}
    path: str = PATH
    timeout_ms: int | None = None


class Clone(msgspec.Struct, frozen=True, kw_only=True):
    """The folders of one look, made by `mkdtemp` and removed with all that is in them."""

    root: Path

    @property
    def folder(self) -> str:
        """The clone itself."""
        return str(self.root / "clone")

    @property
    def token(self) -> str:
        """What begins a line that the shell says to us: the folder's own chance name."""
        return f"kazi-{self.root.name}"

    def environment(self, options: FreshCloneOptions) -> dict[str, str]:
        """Nothing of anybody's: no settings, no caches, no history."""
        return {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "GIT_TERMINAL_PROMPT": "0",
            **options.env,
        }


class FreshClone:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Clone, run, judge, and remove the clone whatever happened."""
        read = read_options(options, FreshCloneOptions)
        if isinstance(read, Verdict):
            return read
        if any("\0" in text for text in (read.path, read.ref, *read.env, *read.env.values())):
            return errored("invalid_config", "no path, ref or variable has a NUL character")
        if bool(read.readme) == bool(read.commands):
            return errored("invalid_config", "readme or commands says what to run: one of the two")
        ends_s = anyio.current_time() + allowed_s(read.timeout_ms, look)
        try:
            made = await anyio.to_thread.run_sync(tempfile.mkdtemp, None, "kazi-fresh-", look.scratch)
        except OSError as error:
            return errored("clone_failed", f"{error}")
        root = Path(made)
        try:
            return await self._look(read, Clone(root=root), look, commands, ends_s=ends_s)
        except OSError as error:
            return errored("clone_failed", f"{error}")
        finally:
            _remove(root)

    async def _look(
        self, options: FreshCloneOptions, clone: Clone, look: Look, commands: CommandRunner, *, ends_s: float
    ) -> Verdict:
        place = await _git(("rev-parse", "--show-toplevel", "--show-prefix"), look, commands, ends_s=ends_s)
        if isinstance(place, Verdict):
            return place
        top, prefix = [*place.split("\n"), ""][:2]
        named = ("rev-parse", "--verify", "--quiet", f"{options.ref}^{{commit}}")
        commit = await _git(named, look, commands, ends_s=ends_s)
        if isinstance(commit, Verdict):
            return _no_commit(commit, options)
        commit = commit.strip()
        why = await self._clone(top, commit, clone, look, commands, ends_s=ends_s)
        if why is not None:
            return why
        folder = str(Path(clone.folder) / prefix)
        steps = await anyio.to_thread.run_sync(_steps, options, folder)
        if isinstance(steps, Verdict):
            return steps
        script = await anyio.to_thread.run_sync(_write, steps, clone)
        left_s = ends_s - anyio.current_time()
        if left_s <= 0:
            return errored("timeout", "no time was left after cloning")
        result = await commands.run(
            Command(
                argv=("bash", "--noprofile", "--norc", script),
                cwd=folder,
                deadline_s=left_s,
                path=options.path,
                env=clone.environment(options),
                merge_stderr=True,
                output_bytes_max=OUTPUT_BYTES_MAX,
            )
        )
        return interpret(result, options, steps, commit=commit, token=clone.token)

    async def _clone(
        self, top: str, commit: str, clone: Clone, look: Look, commands: CommandRunner, *, ends_s: float
    ) -> Verdict | None:
        """The commit in a folder of its own, or the ERROR that says why not."""
        for name in ("home", "tmp"):
            await anyio.to_thread.run_sync((clone.root / name).mkdir)
        inside = ("-C", clone.folder)
        for args in (
            (
                "clone",
                "--quiet",
                "--no-local",
                "--template=",
                "--no-checkout",
                "--",
                top,
                clone.folder,
            ),
            (*inside, "checkout", "--quiet", "--detach", commit),
            (*inside, "remote", "remove", "origin"),
        ):
            done = await _git(args, look, commands, ends_s=ends_s)
            if isinstance(done, Verdict):
                reason = "clone_failed" if done.reason == "git_failed" else done.reason
                return msgspec.structs.replace(done, reason=reason)
        return None


def _remove(root: Path) -> None:
    """Remove it behind everybody's back: what a build leaves may take a minute, and no verdict waits for that."""
    threading.Thread(target=shutil.rmtree, args=(root,), kwargs={"ignore_errors": True}, daemon=True).start()


async def _git(args: Sequence[str], look: Look, commands: CommandRunner, *, ends_s: float) -> str | Verdict:
    left_s = ends_s - anyio.current_time()
    if left_s <= 0:
        return errored("timeout", "no time was left for git")
    return await git(args, msgspec.structs.replace(look, deadline_s=left_s), commands)


def interpret(
    result: CommandResult, options: FreshCloneOptions, steps: Sequence[Step], *, commit: str, token: str
) -> Verdict:
    """PASS iff every step ran to its end and no command of it failed."""
    evidence = command_evidence(result, args=(), workspace="(a fresh clone)")
    said = evidence.get("stdout")
    if isinstance(said, str):
        kept = [line for line in said.split("\n") if not line.startswith(f"{token} ")]
        evidence["stdout"] = "\n".join(kept).strip()
    evidence |= {"commit": commit[:12], "steps": len(steps)}
    match result.ending:
        case Ending.NOT_STARTED:
            return errored(result.reason_code or "transient", result.reason, **evidence)
        case Ending.SIGNALED:
            return errored("signaled", f"the shell ended by signal {result.signal}", **evidence)
        case Ending.TIMED_OUT if result.stdout.truncated:
            return errored("timeout", "not all ran in time", **evidence)
        case Ending.EXITED if result.stdout.truncated:
            detail = f"{result.stdout.bytes_total} bytes of output are too many to read"
            return errored("output_truncated", detail, **evidence)
        case Ending.EXITED | Ending.TIMED_OUT:
            pass
    told = told_by(result.stdout.text, steps, token=token)
    evidence |= {"done": told.done, "gaps": told.gaps_total}
    if result.ending is Ending.TIMED_OUT:
        where = "" if told.at_line is None else f": line {told.at_line} did not come to its end"
        return errored("timeout", f"not all ran in time{where}", **evidence)
    findings = [
        Finding(message=redact(g.message), file=options.readme or None, line=g.line) for g in told.gaps
    ]
    if told.done < len(steps):
        findings = [*findings[: GAPS_MAX - 1], _ended(told, options, steps, exit_code_of(result))]
    verdict = Verdict(
        status=Status.FAIL if findings else Status.PASS,
        evidence=evidence,
        findings=findings,
        score=float(len(findings)),
        direction=Direction.LOWER_BETTER,
    )
    if verdict.is_green:
        return verdict
    first = findings[0]
    place = f"{options.readme or 'command'}:{first.line}"
    detail = f"{max(told.gaps_total, len(findings))} gaps; first: {place}: {first.message}"
    return msgspec.structs.replace(verdict, reason="gaps", detail=shortened(detail))


def _ended(told: Told, options: FreshCloneOptions, steps: Sequence[Step], code: int | None) -> Finding:
    line = told.at_line or steps[min(told.done, len(steps) - 1)].line
    rest = len(steps) - told.done - 1
    left = f"; {rest} steps after it did not run" if rest else ""
    return Finding(message=f"the shell ended here with {code}{left}", file=options.readme or None, line=line)


def _no_commit(said: Verdict, options: FreshCloneOptions) -> Verdict:
    if said.reason == "git_failed":
        return errored("ref_unresolved", f"git knows no commit {shortened(options.ref)}")
    return said


def _steps(options: FreshCloneOptions, folder: str) -> list[Step] | Verdict:
    """What is to be run, from the clone: what is not committed is not there."""
    if options.commands:
        steps = [Step(line=number, text=text) for number, text in enumerate(options.commands, start=1)]
    else:
        path = path_below(folder, options.readme)
        if isinstance(path, NoReport):
            return errored(path.reason, path.detail)
        try:
            with Path(path).open("rb") as file:
                text = file.read(README_BYTES_MAX).decode("utf-8", errors="replace")
        except FileNotFoundError:
            finding = Finding(message="the commit has no such file", file=options.readme)
            missing = failed(
                "readme_missing", f"the commit has no {shortened(options.readme)}", readme=options.readme
            )
            return msgspec.structs.replace(missing, findings=[finding])
        except (OSError, ValueError) as error:
            return errored("readme_unreadable", f"{shortened(options.readme)}: {error}")
        steps = steps_in(text, languages=[x.lower() for x in options.languages], section=options.section)
    if not steps:
        where = f" below {options.section!r}" if options.section else ""
        return errored("nothing_to_run", f"no shell block{where} in {shortened(options.readme)}")
    if len(steps) > STEPS_MAX:
        return errored("too_many_steps", f"{len(steps)} steps are more than {STEPS_MAX}")
    return steps


def _write(steps: Sequence[Step], clone: Clone) -> str:
    """The script's path; each step is a file of its own, padded so that the shell tells the README's lines."""
    files: list[str] = []
    for number, step in enumerate(steps):
        file = clone.root / f"step-{number}"
        file.write_text("\n" * (step.line - 1) + step.text + "\n", encoding="utf-8", errors="replace")
        files.append(str(file))
    script = clone.root / "script"
    script.write_text(script_of(files, steps, token=clone.token))
    return str(script)
