"""The Forge port over a REST API as GitHub, Gitea and Forgejo speak it. Calls block, each in a thread, and are bounded.

The token comes from a variable and goes into one header; it is in no error and no argument list.
"""

import http.client
import json
import os
import ssl
from collections.abc import Mapping
from urllib.parse import quote, urlencode, urlsplit

import anyio.to_thread

from kazid.core.delivery import Forge as ForgeSettings
from kazid.core.json import Json
from kazid.ports.forge import Checks, ForgeFailed, Pull

DEADLINE_S = 30.0
ANSWER_BYTES_MAX = 8 * 1024 * 1024
PAGE = 100
_BAD = frozenset(
    {"failure", "timed_out", "cancelled", "action_required", "startup_failure", "stale", "error"}
)


class RestForge:
    """One repository below an API's address."""

    def __init__(self, settings: ForgeSettings, *, token: str | None) -> None:
        self._base = urlsplit(settings.url)
        self._repo = settings.repo
        self._token = token

    async def find(self, *, branch: str, base: str) -> Pull | None:
        """See the port."""
        owner = self._repo.partition("/")[0]
        asked = {"state": "all", "head": f"{owner}:{branch}", "base": base, "per_page": PAGE}
        found = await self._call("GET", f"pulls?{urlencode(asked)}")
        pulls = (
            [_pull(p) for p in found if isinstance(p, dict) and _is_of(p, branch, base)]
            if isinstance(found, list)
            else []
        )
        pulls.sort(key=lambda p: (p.is_open, p.is_merged, p.number), reverse=True)
        return next((p for p in pulls if p.is_open or p.is_merged), None)

    async def open_pull(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """See the port."""
        there = await self.find(branch=branch, base=base)
        if there is not None and there.is_open:
            return there
        asked: Json = {"title": title, "body": body, "head": branch, "base": base}
        return _pull(_table(await self._call("POST", "pulls", asked)))

    async def checks(self, commit: str) -> Checks:
        """See the port: check runs, and the statuses that other tools set."""
        pending: list[str] = []
        failed: list[str] = []
        passed: list[str] = []
        runs = _table(await self._call("GET", f"commits/{commit}/check-runs?per_page={PAGE}", missing={}))
        for run in _rows(runs.get("check_runs")):
            name = str(run.get("name"))
            if run.get("status") != "completed":
                pending.append(name)
            else:
                (failed if run.get("conclusion") in _BAD else passed).append(name)
        said = _table(await self._call("GET", f"commits/{commit}/status?per_page={PAGE}", missing={}))
        for status in _rows(said.get("statuses")):
            name, state = str(status.get("context")), status.get("state")
            (pending if state == "pending" else failed if state in _BAD else passed).append(name)
        return Checks(pending=pending, failed=failed, passed=passed)

    async def merge(self, number: int, *, head: str) -> None:
        """See the port."""
        asked: Json = {"merge_method": "rebase", "sha": head}
        await self._call("PUT", f"pulls/{number}/merge", asked)

    async def _call(self, method: str, path: str, body: Json = None, *, missing: Json = None) -> Json:
        """What it answered; `missing` where there is no such thing and that is an answer, too."""
        status, data = await anyio.to_thread.run_sync(
            self._exchange, method, path, body, abandon_on_cancel=True
        )
        if status == 404 and missing is not None:
            return missing
        if 200 <= status < 300:
            try:
                parsed: Json = json.loads(data) if data else None
            except ValueError:
                raise ForgeFailed("forge_garbled", f"{method} {path}: no JSON") from None
            return parsed
        detail = f"{method} {path.partition('?')[0]}: status {status}: {_message(data)}"
        if status in (401, 403):
            raise ForgeFailed("forge_denied", detail)
        if method == "PUT" and status in (405, 409, 422):
            raise ForgeFailed("merge_refused", detail)
        raise ForgeFailed("forge_failed", detail, is_passing=status >= 500 or status == 429)

    def _exchange(self, method: str, path: str, body: Json) -> tuple[int, bytes]:
        host, port = self._base.hostname or "", self._base.port
        try:
            if self._base.scheme == "https":
                connection: http.client.HTTPConnection = http.client.HTTPSConnection(
                    host, port, timeout=DEADLINE_S, context=ssl.create_default_context()
                )
            else:
                connection = http.client.HTTPConnection(host, port, timeout=DEADLINE_S)
            headers: Mapping[str, str] = {
                "Accept": "application/vnd.github+json, application/json",
                "Content-Type": "application/json",
                "User-Agent": "kazid",
                **({"Authorization": f"Bearer {self._token}"} if self._token else {}),
            }
            url = f"{self._base.path}/repos/{quote(self._repo)}/{path}"
            sent = None if body is None else json.dumps(body).encode()
            try:
                connection.request(method, url, body=sent, headers=dict(headers))
                answer = connection.getresponse()
                return answer.status, answer.read(ANSWER_BYTES_MAX)
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ForgeFailed("forge_unreachable", f"{host}: {error}", is_passing=True) from None


def rest_forge(settings: ForgeSettings) -> RestForge:
    """The forge of these settings, with its token if it has one."""
    token = os.environ.get(settings.token_env) if settings.token_env else None
    if settings.token_env and not token:
        raise ForgeFailed("forge_token_missing", f"the daemon's environment has no {settings.token_env}")
    return RestForge(settings, token=token)


def _pull(found: Mapping[str, Json]) -> Pull:
    number, head = found.get("number"), found.get("head")
    if not isinstance(number, int):
        raise ForgeFailed("forge_garbled", "a pull request without a number")
    sha = head.get("sha") if isinstance(head, dict) else None
    return Pull(
        number=number,
        head=str(sha or ""),
        is_open=found.get("state") == "open",
        is_merged=bool(found.get("merged") or found.get("merged_at")),
        url=str(found.get("html_url") or ""),
    )


def _is_of(found: Mapping[str, Json], branch: str, base: str) -> bool:
    """Some servers do not filter."""
    head, onto = found.get("head"), found.get("base")
    return (
        isinstance(head, dict)
        and isinstance(onto, dict)
        and str(head.get("ref")) == branch
        and str(onto.get("ref")) == base
    )


def _table(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _rows(value: Json) -> list[Mapping[str, Json]]:
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def _message(data: bytes) -> str:
    try:
        said: Json = json.loads(data)
    except ValueError:
        return data[:200].decode(errors="replace")
    return str(_table(said).get("message"))[:300]
