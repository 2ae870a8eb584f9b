"""`git`: a repository is clean, on its branch, at a commit, and as far behind or ahead of another as allowed.

Reads only: it never fetches, so "behind" is counted from what the repository knows, unless `ask_remote` asks the
remote for its branch (`git ls-remote`), which writes nothing either. Hooks, fsmonitor, external transports and prompts
are off, whatever the repository's own config says. Of another repository within it only the commit is asked for: its
state would be told by filters of its own config, which whoever works in the tree can write.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec

from kazid.core.git_words import ENVIRONMENT, git_words
from kazid.core.json import Json
from kazid.core.verdict import Direction, Status, Verdict, errored
from kazid.ports.commands import Command, CommandResult, CommandRunner, Ending
from kazid.ports.provider import Look
from kazid.providers.evidence import shortened
from kazid.providers.options import allowed_s, read_options

CHANGES_SHOWN_MAX = 20
OUTPUT_BYTES_MAX = 4 * 1024 * 1024

_STATUS = {"status.renames": "false", "status.showUntrackedFiles": "normal"}
_NOT_A_REPOSITORY = re.compile(r"not a git repository|cannot change to|No such file or directory")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


class GitOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of a goal-file, as authored."""

    path: str = "."
    clean: bool = False
    untracked: bool = True
    branch: str = ""
    at: str = ""
    upstream: str = "@{upstream}"
    behind_max: int | None = None
    ahead_max: int | None = None
    ask_remote: str = ""
    timeout_ms: int | None = None

    @property
    def asks_something(self) -> bool:
        """True when there is something that could be red."""
        is_counted = self.behind_max is not None or self.ahead_max is not None
        return bool(self.clean or self.branch or self.at or self.ask_remote or is_counted)


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What git said of the repository, as far as it was asked."""

    head: str
    branch: str
    changes: tuple[str, ...] = ()
    at: str | None = None
    ahead: int | None = None
    behind: int | None = None
    remote: str | None = None
    has_remote: bool | None = None
    """The remote's commit is in the history of HEAD."""


class Git:
    """The provider."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Ask git, one question after the other."""
        read = read_options(options, GitOptions)
        if isinstance(read, Verdict):
            return read
        if (problem := problem_of(read)) is not None:
            return errored("invalid_config", problem)
        folder = str(Path(look.workspace, read.path))
        ends_s = anyio.current_time() + allowed_s(read.timeout_ms, look)
        state = await _Asking(folder, look, commands, ends_s).state(read)
        evidence: dict[str, Json] = {"repository": shortened(folder)}
        if isinstance(state, Verdict):
            return msgspec.structs.replace(state, evidence=evidence)
        verdict = interpret(state, read)
        return msgspec.structs.replace(verdict, evidence={**evidence, **verdict.evidence})


def problem_of(options: GitOptions) -> str | None:
    """What is wrong with the options besides their shapes."""
    if not options.asks_something:
        return "one of clean, branch, at, behind_max, ahead_max and ask_remote has to be asked"
    for key, value in (
        ("path", options.path), ("at", options.at), ("upstream", options.upstream), ("ask_remote", options.ask_remote),
        ("branch", options.branch),
    ):  # fmt: skip
        if "\0" in value or (key != "path" and value.startswith("-")):
            return f"{key} is no name that git could know"
    if options.ask_remote and not options.branch:
        return "ask_remote needs branch: which branch of the remote HEAD has to contain"
    return None


class _Asking:
    """The questions of one look. Each answers with a value or the verdict that ends the look."""

    def __init__(self, folder: str, look: Look, commands: CommandRunner, ends_s: float) -> None:
        self._folder, self._look, self._commands, self._ends_s = folder, look, commands, ends_s

    async def state(self, options: GitOptions) -> State | Verdict:
        """Ask all that the options need."""
        untracked = "normal" if options.untracked else "no"
        asked = ("status", "--porcelain=v2", "--branch", "-z", f"--untracked-files={untracked}")
        said = await self._git(*asked, "--ignore-submodules=dirty")
        if isinstance(said, Verdict):
            return said
        state = parse_status(said.stdout.text)
        if options.at:
            said = await self._git(
                "rev-parse",
                "--verify",
                "--quiet",
                "--end-of-options",
                f"{options.at}^{{commit}}",
                codes=(0, 1, 128),
            )
            if isinstance(said, Verdict):
                return said
            state = msgspec.structs.replace(state, at=said.stdout.text.strip() if said.exit_code == 0 else "")
        if options.behind_max is not None or options.ahead_max is not None:
            said = await self._git(
                "rev-list",
                "--left-right",
                "--count",
                "--end-of-options",
                f"HEAD...{options.upstream}",
                "--",
                codes=(0, 128),
            )
            if isinstance(said, Verdict):
                return said
            numbers = said.stdout.text.split()
            if said.exit_code != 0 or len(numbers) != 2:
                words = shortened(
                    said.stderr.text.strip().splitlines()[0] if said.stderr.text.strip() else ""
                )
                return errored("no_upstream", f"{options.upstream} is nothing to count from: {words}")
            state = msgspec.structs.replace(state, ahead=int(numbers[0]), behind=int(numbers[1]))
        return await self._with_remote(state, options) if options.ask_remote else state

    async def _with_remote(self, state: State, options: GitOptions) -> State | Verdict:
        ref = f"refs/heads/{options.branch}"
        said = await self._git("ls-remote", "--", options.ask_remote, ref)
        if isinstance(said, Verdict):
            return said
        oid = said.stdout.text.split("\t")[0].strip()
        if _OID.fullmatch(oid) is None:
            return Verdict(
                status=Status.FAIL, reason="no_remote_branch",
                detail=f"{shortened(options.ask_remote)} has no branch {shortened(options.branch)}",
            )  # fmt: skip
        said = await self._git("merge-base", "--is-ancestor", oid, "HEAD", codes=(0, 1, 128))
        if isinstance(said, Verdict):
            return said
        return msgspec.structs.replace(state, remote=oid, has_remote=said.exit_code == 0)

    async def _git(self, *args: str, codes: tuple[int, ...] = (0,)) -> CommandResult | Verdict:
        result = await self._commands.run(
            Command(
                argv=("git", "-C", self._folder, *git_words(*args, also=_STATUS)),
                cwd="/",
                deadline_s=max(0.0, self._ends_s - anyio.current_time()),
                path=self._look.path,
                env=ENVIRONMENT,
                output_bytes_max=OUTPUT_BYTES_MAX,
            )
        )
        return answer_of(result, what=args[0], codes=codes)


def answer_of(result: CommandResult, *, what: str, codes: tuple[int, ...]) -> CommandResult | Verdict:
    """The result where git answered, or why it did not: no repository is FAIL, all else is ERROR."""
    if result.ending is Ending.NOT_STARTED:
        return errored(result.reason_code or "transient", result.reason)
    if result.ending is Ending.TIMED_OUT:
        return errored("timeout", f"git {what} did not end in time")
    words = shortened(
        (result.stderr.text.strip() or result.stdout.text.strip()).splitlines()[0]
        if (result.stderr.text.strip() or result.stdout.text.strip())
        else f"git {what} said nothing"
    )
    if what == "status" and result.exit_code == 128 and _NOT_A_REPOSITORY.search(words):
        return Verdict(status=Status.FAIL, reason="no_repository", detail=words)
    if "dubious ownership" in words or "Permission denied" in words:
        return errored("permission_denied", words)
    if result.ending is not Ending.EXITED or result.exit_code not in codes:
        return errored("git_failed", f"git {what}: {words}")
    if result.stdout.truncated:
        return errored("output_truncated", f"git {what} said more than {OUTPUT_BYTES_MAX} bytes")
    return result


def parse_status(text: str) -> State:
    """What `git status --porcelain=v2 --branch -z` says."""
    head = branch = ""
    changes: list[str] = []
    entries = iter(text.split("\0"))
    for entry in entries:
        match entry.split(" ", 1):
            case ["#", header]:
                name, _, value = header.partition(" ")
                head = value if name == "branch.oid" else head
                branch = value if name == "branch.head" else branch
            case ["1", rest]:
                changes.append(f"{rest[:2]} {rest.split(' ', 7)[-1]}")
            case ["2", rest]:
                changes.append(f"{rest[:2]} {rest.split(' ', 8)[-1]}")
                next(entries, None)  # where it was renamed from
            case ["u", rest]:
                changes.append(f"{rest[:2]} {rest.split(' ', 9)[-1]}")
            case ["?", rest]:
                changes.append(f"?? {rest}")
            case _:
                pass
    return State(head=head, branch=branch, changes=tuple(changes))


def interpret(state: State, options: GitOptions) -> Verdict:
    """PASS iff everything asked holds."""
    is_detached = state.branch == "(detached)"
    evidence: dict[str, Json] = {
        "head": state.head,
        "branch": None if is_detached else shortened(state.branch),
        "changed": len(state.changes),
        "changes": [shortened(change) for change in state.changes[:CHANGES_SHOWN_MAX]],
    }
    found: dict[str, str] = {}
    if options.clean and state.changes:
        shown = ", ".join(shortened(change, 80) for change in state.changes[:3])
        found["dirty"] = f"{len(state.changes)} paths differ from the commit: {shown}"
    if options.branch and not options.ask_remote and state.branch != options.branch:
        where = "no branch" if is_detached else f"branch {shortened(state.branch)}"
        found["wrong_branch"] = f"HEAD is on {where}, not on {shortened(options.branch)}"
    if options.at:
        evidence["at"] = state.at
        if not state.at:
            found["no_such_ref"] = f"{shortened(options.at)} is not in the repository"
        elif state.at != state.head:
            found["elsewhere"] = f"HEAD is {state.head[:12]}, and {shortened(options.at)} is {state.at[:12]}"
    score: float | None = None
    if state.behind is not None and state.ahead is not None:
        evidence |= {"upstream": shortened(options.upstream), "behind": state.behind, "ahead": state.ahead}
        score = float(state.behind)
        if options.behind_max is not None and state.behind > options.behind_max:
            found["behind"] = f"{state.behind} commits behind {shortened(options.upstream)}"
        if options.ahead_max is not None and state.ahead > options.ahead_max:
            found["ahead"] = f"{state.ahead} commits ahead of {shortened(options.upstream)}"
    if state.remote is not None:
        evidence |= {"remote": shortened(options.ask_remote), "remote_commit": state.remote}
        if not state.has_remote:
            name = f"{shortened(options.ask_remote)}'s {shortened(options.branch)}"
            found["behind"] = f"HEAD does not contain {state.remote[:12]}, which is {name} now"
    verdict = Verdict(status=Status.PASS, evidence=evidence)
    if found:
        detail = "; ".join(found.values())
        verdict = Verdict(status=Status.FAIL, reason=next(iter(found)), detail=detail, evidence=evidence)
    if score is None:
        return verdict
    return msgspec.structs.replace(verdict, score=score, direction=Direction.LOWER_BETTER)
