"""`no_stubs` and `docs_updated` on real repositories: what counts as changed, and what git must not be told to do."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.json import Json
from kazid.core.verdict import Status
from kazid.providers.changes import AddedLine, added_lines
from kazid.providers.docs_updated import DocsUpdated, DocsUpdatedOptions
from kazid.providers.kinds.repository_kinds import DOCS_UPDATED, NO_STUBS
from kazid.providers.no_stubs import NoStubs, NoStubsOptions, find
from kazid.testing import ODD_VALUES, objections
from tests.providers.running import really

pytestmark = pytest.mark.anyio


class Repository:
    """A repository with one commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "-q", "-b", "main")
        self.write("src/a.py", "base\n")
        self.commit("first")

    def git(self, *args: str) -> str:
        identity = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "commit.gpgsign=false")
        made = subprocess.run(
            ["git", *identity, *args],
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(self.folder), "GIT_CONFIG_NOSYSTEM": "1"},
            check=True,
            capture_output=True,
            text=True,
        )
        return made.stdout.strip()

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


KINDS = [
    pytest.param(NoStubs(), NoStubsOptions, NO_STUBS, id="no_stubs"),
    pytest.param(DocsUpdated(), DocsUpdatedOptions, DOCS_UPDATED, id="docs_updated"),
]


@pytest.mark.parametrize(("provider", "options", "kind"), KINDS)
async def test_no_option_breaks_it(
    repository: Repository, provider: NoStubs, options: type[NoStubsOptions], kind: object
) -> None:
    for key in options.__struct_fields__:
        for odd in ODD_VALUES[:8]:
            await really(provider, {key: odd}, repository.folder)
    unknown = await really(provider, {"no_such_option": 1}, repository.folder)
    assert (unknown.status, unknown.reason) == (Status.ERROR, "invalid_config")
    assert objections(kind, {}) == []  # type: ignore[arg-type]


@pytest.mark.parametrize(("provider", "options", "kind"), KINDS)
@pytest.mark.parametrize(
    ("base", "reason"), [("no-such-ref", "base_unresolved"), ("--output=x", "invalid_config")]
)
async def test_a_base_that_is_none_is_an_error(
    repository: Repository, provider: NoStubs, options: object, kind: object, base: str, reason: str
) -> None:
    verdict = await really(provider, {"base": base}, repository.folder)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict
    assert not (repository.folder / "x").exists()


@pytest.mark.parametrize(("provider", "options", "kind"), KINDS)
async def test_a_folder_without_git_is_an_error(
    tmp_path: Path, provider: NoStubs, options: object, kind: object
) -> None:
    verdict = await really(provider, {}, tmp_path)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "not_a_git_repo"), verdict


# --- no_stubs -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "text", "hits"),
    [
        pytest.param("src/a.py", "base\nx = 1  # TODO later\n", 1, id="an-added-line"),
        pytest.param("src/a.py", "base\nmastodon\n", 0, id="a-word-begins-there"),
        pytest.param("src/a.py", "base\nstubbed = 1\n", 1, id="and-goes-on"),
        pytest.param("src/a.py", "base\nTodo stub\n", 1, id="one-hit-a-line"),
        pytest.param("src/new.py", "# FIXME\n", 1, id="a-file-git-does-not-know-yet"),
        pytest.param("tests/new.py", "mock\n", 0, id="a-test"),
        pytest.param("pkg/a_test.go", "mock\n", 0, id="a-go-test"),
        pytest.param("src/a.spec.ts", "mock\n", 0, id="a-js-test"),
        pytest.param("src/contest/a.py", "mock\n", 1, id="no-test"),
        pytest.param("gen/a.py", "todo\n", 0, id="excluded"),
        pytest.param('src/o"dd ü.py', "todo\n", 1, id="an-odd-name"),
        pytest.param("src/a.py", "base\n+++ b/tests/x\n@@ -1 +1 @@\ntodo\n", 1, id="a-line-like-a-header"),
    ],
)
async def test_what_was_added_is_looked_at(repository: Repository, name: str, text: str, hits: int) -> None:
    repository.write(name, text)
    for committed in (False, True):
        if committed:
            base = repository.git("rev-parse", "HEAD")
            repository.commit("more")
        verdict = await really(
            NoStubs(), {"exclude": ["gen/"], "base": base if committed else "HEAD"}, repository.folder
        )
        assert verdict.status is (Status.FAIL if hits else Status.PASS), verdict
        assert verdict.score == (hits or None)
        assert {finding.file for finding in verdict.findings} == ({name} if hits else set())


async def test_without_a_base_changes_count_from_where_head_left_origin_main(repository: Repository) -> None:
    repository.write("src/a.py", "base\ntodo already there\n")
    upstream = repository.commit("upstream")
    repository.git("update-ref", "refs/remotes/origin/main", upstream)
    repository.write("src/a.py", "base\ntodo already there\nfine\n")
    repository.commit("ours")
    assert (await really(NoStubs(), {}, repository.folder)).status is Status.PASS
    repository.git("update-ref", "-d", "refs/remotes/origin/main")
    verdict = await really(NoStubs(), {}, repository.folder)
    assert (verdict.status, verdict.findings[0].line) == (Status.FAIL, 2)


async def test_a_repository_without_a_commit_is_all_new(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    (tmp_path / "a.py").write_text("todo\n")
    verdict = await really(NoStubs(), {}, tmp_path)
    assert verdict.status is Status.FAIL, verdict


async def test_git_runs_nothing_of_the_repository(repository: Repository) -> None:
    program = repository.folder / "evil.sh"
    program.write_text(f"#!/bin/sh\ntouch {repository.folder}/ran\n")
    program.chmod(0o755)
    for setting in ("diff.external", "core.fsmonitor", "diff.e.textconv"):
        repository.git("config", setting, str(program))
    repository.write(".gitattributes", "*.py diff=e\n")
    repository.write("src/a.py", "base\nmore\n")
    (repository.folder / "ran").unlink(missing_ok=True)
    assert (await really(NoStubs(), {"base": "HEAD"}, repository.folder)).status is Status.PASS
    assert not (repository.folder / "ran").exists()


@given(st.text(alphabet='+-@ ab/1,\n"\\'))
def test_no_diff_breaks_the_reader(diff: str) -> None:
    lines = list(added_lines("+++ b/x\n@@ -1,3 +1,3 @@\n" + diff))
    find(lines, NoStubsOptions())


def test_lines_of_a_diff_have_their_places() -> None:
    diff = '--- a/x\n+++ "b/o\\"dd"\n@@ -1,2 +3,2 @@ f\n-old\n-old\n+one\n+two\n@@ -9 +10 @@\n-a\n+b\n'
    assert list(added_lines(diff)) == [
        AddedLine('o"dd', 3, "one"),
        AddedLine('o"dd', 4, "two"),
        AddedLine('o"dd', 10, "b"),
    ]


# --- docs_updated -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("files", "message", "status", "reason"),
    [
        pytest.param(("src/b.py",), "code", "fail", "missing_docs", id="code-only"),
        pytest.param(("src/b.py", "docs/b.md"), "both", "pass", "docs_present", id="code-and-docs"),
        pytest.param(("Makefile",), "none", "pass", "no_surface_change", id="no-surface"),
        pytest.param(
            ("src/b.py",), "fix\n\n[no-docs] internal", "pass", "no_docs_marker", id="a-reason-is-given"
        ),
        pytest.param(("src/docs/README.md",), "code", "fail", "missing_docs", id="docs-are-at-the-top"),
    ],
)
async def test_commits_that_change_the_surface_change_the_docs(
    repository: Repository, files: tuple[str, ...], message: str, status: str, reason: str
) -> None:
    base = repository.git("rev-parse", "HEAD")
    for name in files:
        repository.write(name, "x\n")
    repository.commit(message)
    verdict = await really(DocsUpdated(), {"base": base}, repository.folder)
    assert (verdict.status.value, verdict.evidence["reason"]) == (status, reason), verdict


async def test_docs_that_are_not_committed_do_not_count(repository: Repository) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.write("src/b.py", "x\n")
    repository.commit("code")
    repository.write("docs/b.md", "x\n")
    assert (await really(DocsUpdated(), {"base": base}, repository.folder)).status is Status.FAIL


async def test_the_patterns_are_the_authors(repository: Repository) -> None:
    base = repository.git("rev-parse", "HEAD")
    repository.write("Makefile", "x\n")
    repository.commit("make")
    options: Mapping[str, Json] = {"base": base, "surface_patterns": ["^Make"], "doc_patterns": ["^docs/"]}
    assert (await really(DocsUpdated(), options, repository.folder)).status is Status.FAIL
    bad = await really(DocsUpdated(), {"surface_patterns": ["("]}, repository.folder)
    assert (bad.status, bad.reason) == (Status.ERROR, "invalid_config")
