"""The Forge port by the `gh` command, as it is logged in. It is run in the work tree, so it finds the repository."""

import json
import os
import re

import anyio

from kazid.adapters.system.resolve import Refusal, resolve
from kazid.core.json import Json
from kazid.ports.forge import Checks, ForgeFailed, Pull
from kazid.shim.redaction import redact

DEADLINE_S = 60.0
_FIELDS = "number,headRefOid,state,url"
_PASSING = re.compile(r"timed? ?out|connect|could not resolve|502|503|504|rate limit", re.IGNORECASE)
_AUTH = re.compile(r"gh auth login|authentication|HTTP 401|HTTP 403", re.IGNORECASE)


class GhForge:
    """The repository of one work tree."""

    def __init__(self, program: str, *, tree: str) -> None:
        self._program = program
        self._tree = tree

    async def find(self, *, branch: str, base: str) -> Pull | None:
        """See the port."""
        for state in ("open", "merged"):
            said = await self._gh(
                "pr", "list", "--head", branch, "--base", base, "--state", state, "--json", _FIELDS
            )
            if isinstance(said, list) and said:
                return _pull(said[0])
        return None

    async def open_pull(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """See the port. What it prints is an address, so the request is asked for afterwards."""
        there = await self.find(branch=branch, base=base)
        if there is None or not there.is_open:
            await self._run(
                "pr",
                "create",
                "--head",
                branch,
                "--base",
                base,
                "--title",
                title,
                "--body-file",
                "-",
                stdin=body,
            )
            there = await self.find(branch=branch, base=base)
        if there is None:
            raise ForgeFailed(
                "forge_garbled", "gh opened a pull request and does not list it", is_passing=True
            )
        return there

    async def checks(self, commit: str) -> Checks:
        """See the port."""
        said = await self._gh("api", f"repos/{{owner}}/{{repo}}/commits/{commit}/check-runs?per_page=100")
        runs = said.get("check_runs") if isinstance(said, dict) else None
        rows = [r for r in runs if isinstance(r, dict)] if isinstance(runs, list) else []
        fine = ("success", "neutral", "skipped")
        return Checks(
            pending=[str(r.get("name")) for r in rows if r.get("status") != "completed"],
            failed=[
                str(r.get("name"))
                for r in rows
                if r.get("status") == "completed" and r.get("conclusion") not in fine
            ],
            passed=[str(r.get("name")) for r in rows if r.get("conclusion") in fine],
        )

    async def merge(self, number: int, *, head: str) -> None:
        """See the port."""
        await self._run("pr", "merge", str(number), "--rebase", "--match-head-commit", head)

    async def _gh(self, *args: str) -> Json:
        text = await self._run(*args)
        try:
            parsed: Json = json.loads(text)
        except ValueError:
            raise ForgeFailed("forge_garbled", f"gh {args[0]} {args[1]}: no JSON") from None
        return parsed

    async def _run(self, *args: str, stdin: str | None = None) -> str:
        what = f"gh {args[0]} {args[1]}"
        environment = {**os.environ, "GH_PROMPT_DISABLED": "1", "NO_COLOR": "1", "GH_NO_UPDATE_NOTIFIER": "1"}
        try:
            with anyio.fail_after(DEADLINE_S):
                done = await anyio.run_process(
                    [self._program, *args],
                    input=(stdin or "").encode(),  # never a terminal's, and over at once where there is none
                    cwd=self._tree,
                    env=environment,
                    check=False,
                )
        except TimeoutError:
            raise ForgeFailed(
                "forge_unreachable", f"{what}: no end in {DEADLINE_S:g} s", is_passing=True
            ) from None
        except OSError as error:
            raise ForgeFailed("no_forge", f"{what}: {error}") from None
        if done.returncode == 0:
            return done.stdout.decode(errors="replace")
        words = redact(done.stderr.decode(errors="replace").strip())[-400:]
        if _AUTH.search(words):
            raise ForgeFailed("forge_denied", f"{what}: {words}")
        reason = "merge_refused" if args[1] == "merge" else "forge_failed"
        raise ForgeFailed(reason, f"{what}: {words}", is_passing=_PASSING.search(words) is not None)


def gh_forge(tree: str) -> GhForge | None:
    """The forge by gh; None where there is no gh."""
    found = resolve("gh", cwd=tree, path=os.environ.get("PATH", ""))
    return None if isinstance(found, Refusal) else GhForge(found.executable, tree=tree)


def _pull(found: Json) -> Pull:
    if not isinstance(found, dict) or not isinstance(found.get("number"), int):
        raise ForgeFailed("forge_garbled", "a pull request without a number")
    number = found["number"]
    assert isinstance(number, int)
    return Pull(
        number=number,
        head=str(found.get("headRefOid") or ""),
        is_open=found.get("state") == "OPEN",
        is_merged=found.get("state") == "MERGED",
        url=str(found.get("url") or ""),
    )
