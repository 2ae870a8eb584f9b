"""`git`: clean, on its branch, at a commit, behind and ahead, against real repositories."""

import contextlib
import os
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.git_state import Git, GitOptions, parse_status
from kazid.testing import ScriptedCommandRunner, exited, not_started, real_commands, timed_out
from tests.providers.provider_contract import ProviderContract, a_look

pytestmark = pytest.mark.anyio


def git(folder: Path, *args: str) -> str:
    env = {
        "PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@example.org",
    }  # fmt: skip
    return subprocess.run(
        ["git", *args], cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


def make_repository(folder: Path) -> Path:
    """A clone at v1 + 1 of an origin; folder/origin and folder/clone."""
    origin, clone = folder / "origin", folder / "clone"
    origin.mkdir()
    git(origin, "init", "-q", "-b", "main")
    (origin / "a").write_text("1\n")
    git(origin, "add", "a")
    git(origin, "commit", "-qm", "one")
    git(origin, "tag", "-a", "v1", "-m", "v1")
    git(folder, "clone", "-q", "origin", "clone")
    return clone


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return make_repository(tmp_path)


@pytest.fixture
def silent_port() -> Iterator[int]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(8)
        yield sock.getsockname()[1]


async def look(folder: Path, **options: Json) -> Verdict:
    return await Git().evaluate(options, a_look(folder), real_commands())


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"filter.theirs.clean": "sh -c 'touch RAN; cat'"}, id="filter"),
        pytest.param({"filter.theirs.process": "sh -c 'touch RAN'"}, id="filter-process"),
        pytest.param({"core.fsmonitor": "sh -c 'touch RAN'"}, id="fsmonitor"),
    ],
)
async def test_a_repository_within_it_makes_git_run_nothing(clone: Path, settings: dict[str, str]) -> None:
    nested, ran = clone / "nested", clone.parent / "ran"
    nested.mkdir()
    (nested / "f").write_text("x\n")
    (nested / ".gitattributes").write_text("* filter=theirs\n")
    for words in (("init", "-q"), ("add", "-A"), ("commit", "-qm", "nested")):
        git(nested, *words)
    git(clone, "add", "nested")
    git(clone, "commit", "-qm", "two")
    for name, value in settings.items():
        git(nested, "config", name, value.replace("RAN", str(ran)))
    (nested / "f").write_text("y\n")
    os.utime(nested / "f", (1_700_000_000, 1_700_000_000))
    assert (await look(clone, clean=True)).status is Status.PASS, "only its commit is asked for"
    assert not ran.exists()
    with contextlib.suppress(subprocess.CalledProcessError):  # a filter that does not speak ends it
        git(clone, "status")
    assert ran.exists(), "git itself runs it, so that this test is of something"
    for name in settings:
        git(nested, "config", "--unset", name)
    git(nested, "commit", "-qam", "three")
    assert (await look(clone, clean=True)).status is Status.FAIL, "it is at another commit"


class TestContract(ProviderContract):
    keys = tuple(GitOptions.__struct_fields__)
    kind = KINDS["git"]

    @pytest.fixture(autouse=True)
    def _made(self, tmp_path_factory: pytest.TempPathFactory, silent_port: int) -> None:
        self.provider = Git()
        self.commands = real_commands()
        path = str(make_repository(tmp_path_factory.mktemp("repositories")))
        self.passing = {"path": path, "clean": True}
        self.failing = {"path": path, "at": "no-such-ref"}
        self.erring = {"path": path, "behind_max": 0, "upstream": "no-such-ref"}
        self.hanging = {"path": path, "branch": "main", "ask_remote": f"git://127.0.0.1:{silent_port}/x"}


async def test_clean_means_that_nothing_differs(clone: Path) -> None:
    assert (await look(clone, clean=True)).is_green
    (clone / "new \udcff\n file").write_text("x")
    assert (await look(clone, clean=True)).reason == "dirty"
    assert (await look(clone, clean=True, untracked=False)).is_green
    (clone / "a").write_text("2\n")
    verdict = await look(clone, clean=True, untracked=False)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "dirty")
    assert "a" in (verdict.detail or "")


async def test_what_is_ignored_is_clean(clone: Path) -> None:
    (clone / ".git" / "info" / "exclude").write_text("*.log\n")
    (clone / "x.log").write_text("x")
    assert (await look(clone, clean=True)).is_green


async def test_at_takes_tags_branches_and_ids(clone: Path) -> None:
    head = git(clone, "rev-parse", "HEAD")
    for ref in ("v1", "main", "origin/main", head, head[:10], "HEAD"):
        assert (await look(clone, at=ref)).is_green, ref
    (clone / "a").write_text("2\n")
    git(clone, "commit", "-qam", "two")
    assert (await look(clone, at="v1")).reason == "elsewhere"
    assert (await look(clone, at="v2")).reason == "no_such_ref"
    assert (await look(clone, at="HEAD --all")).reason == "no_such_ref"


async def test_the_branch_is_told_and_a_detached_head_is_on_none(clone: Path) -> None:
    assert (await look(clone, branch="main")).is_green
    assert (await look(clone, branch="release")).reason == "wrong_branch"
    git(clone, "checkout", "-q", "--detach")
    verdict = await look(clone, branch="main")
    assert (verdict.reason, verdict.evidence["branch"]) == ("wrong_branch", None)


async def test_behind_and_ahead_are_counted_from_what_was_fetched(clone: Path, tmp_path: Path) -> None:
    for text in ("2", "3"):
        (tmp_path / "origin" / "a").write_text(text)
        git(tmp_path / "origin", "commit", "-qam", text)
    assert (await look(clone, behind_max=0)).is_green, "it knows nothing newer, and a look fetches nothing"
    asked = await look(clone, branch="main", ask_remote="origin")
    assert (asked.status, asked.reason) == (Status.FAIL, "behind")
    git(clone, "fetch", "-q")
    verdict = await look(clone, behind_max=1)
    assert (verdict.reason, verdict.score) == ("behind", 2.0)
    assert (await look(clone, behind_max=2)).is_green
    git(clone, "merge", "-q", "--ff-only", "origin/main")
    (clone / "a").write_text("4")
    git(clone, "commit", "-qam", "unpushed")
    assert (await look(clone, ahead_max=0)).reason == "ahead"
    assert (await look(clone, behind_max=0, ahead_max=1, upstream="origin/main")).is_green
    assert (await look(clone, branch="main", ask_remote="origin")).is_green


async def test_a_remote_without_the_branch_is_red_and_one_that_is_gone_an_error(clone: Path) -> None:
    assert (await look(clone, branch="none", ask_remote="origin")).reason == "no_remote_branch"
    verdict = await look(clone, branch="main", ask_remote="/no/such/remote")
    assert (verdict.status, verdict.reason) == (Status.ERROR, "git_failed")


async def test_no_repository_is_red(tmp_path: Path) -> None:
    for path in (".", "none"):
        verdict = await look(tmp_path, path=path, clean=True)
        assert (verdict.status, verdict.reason) == (Status.FAIL, "no_repository"), verdict


async def test_a_repository_without_a_commit_is_at_nothing(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    assert (await look(tmp_path, clean=True, branch="main")).is_green
    assert (await look(tmp_path, at="HEAD")).reason == "no_such_ref"


async def test_no_upstream_is_an_error(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    verdict = await look(tmp_path, behind_max=0)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "no_upstream")


async def test_a_look_runs_no_hook_and_writes_nothing(clone: Path, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    git(clone, "config", "core.fsmonitor", f"touch {marker}")
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    git(clone, "config", "core.hooksPath", str(hooks))
    for hook in ("post-index-change", "reference-transaction"):
        (hooks / hook).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (hooks / hook).chmod(0o755)
    (clone / "a").touch()
    index = (clone / ".git" / "index").read_bytes()
    assert (await look(clone, clean=True, branch="main", ask_remote="origin")).is_green
    assert not marker.exists()
    assert (clone / ".git" / "index").read_bytes() == index


@pytest.mark.skipif(os.getuid() != 0, reason="needs root, to give a repository to somebody else")
async def test_a_repository_of_somebody_else_is_an_error(clone: Path) -> None:
    os.chown(clone, 65534, 65534)
    os.chown(clone / ".git", 65534, 65534)
    verdict = await look(clone, clean=True)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "permission_denied")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(not_started("not found: git"), "cmd_unrunnable", id="no-git"),
        pytest.param(timed_out(), "timeout", id="hangs"),
        pytest.param(exited(1, stderr="fatal: index file corrupt"), "git_failed", id="corrupt"),
        pytest.param(exited(137), "git_failed", id="killed-without-a-word"),
    ],
)
async def test_a_git_that_does_not_answer_is_an_error(tmp_path: Path, answer: object, reason: str) -> None:
    commands = ScriptedCommandRunner({"git": answer})  # type: ignore[dict-item]
    verdict = await Git().evaluate({"clean": True}, a_look(tmp_path, deadline_s=0.1), commands)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason)


@given(
    st.text(max_size=200), st.lists(st.sampled_from(["1 .M ", "2 R. ", "u UU ", "? ", "# branch.oid ", "! "]))
)
def test_no_status_raises(text: str, starts: list[str]) -> None:
    parse_status("\0".join(start + text for start in starts))
    parse_status(text)
