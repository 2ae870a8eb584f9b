"""Trees of the daemon's own: the contract on both adapters, and what agents and repositories do to git's."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kazid.adapters.memory.repository import MemoryRepositories
from kazid.adapters.memory.workspace import MemoryWorkspaces
from kazid.adapters.memory.worktrees import MemoryWorktrees
from kazid.adapters.system.worktrees import SystemWorktrees
from kazid.core.ids import GoalUid
from kazid.core.status import Cause
from kazid.core.worktree import Worktree
from kazid.ports.worktree import Unmade, Wish

pytest.register_assert_rewrite("tests.contracts.worktree_contract")
from tests.contracts.worktree_contract import UID, WorktreeContract

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def git(*args: str, cwd: Path | str) -> str:
    done = subprocess.run(
        ("git", "-c", "user.name=t", "-c", "user.email=t@t", *args),
        cwd=cwd, check=True, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout.strip()


class TestMemoryWorktrees(WorktreeContract):
    workspace = "/w"

    @pytest.fixture
    def worktrees(self) -> MemoryWorktrees:
        self.folders = MemoryWorkspaces("/w", "/")
        self.folders.write("/w", "a", "one\n")
        made = MemoryWorktrees(self.folders, MemoryRepositories(self.folders))
        made.make_repository("/w")
        return made

    def read(self, folder: str, name: str) -> str | None:
        return self.folders.read(folder, name)

    def write(self, folder: str, name: str, text: str) -> None:
        self.folders.write(folder, name, text)

    def destroy(self, tree: Worktree) -> None:
        self.folders.remove(tree.path)


class TestSystemWorktrees(WorktreeContract):
    @pytest.fixture(autouse=True)
    def at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Waiting for the next second after each snapshot has a test of its own."""

        async def no_wait(top: str, names: object) -> None:
            pass

        monkeypatch.setattr("kazid.adapters.system.worktrees.later_second", no_wait)
        monkeypatch.setattr("kazid.adapters.system.delivery.later_second", no_wait)

    @pytest.fixture
    def worktrees(self, tmp_path: Path) -> SystemWorktrees:
        self.top = tmp_path / "repo"
        self.top.mkdir()
        self.workspace = str(self.top)
        git("init", "-q", "-b", "main", cwd=self.top)
        (self.top / "a").write_text("one\n")
        (self.top / ".gitignore").write_text("ignored\n")
        git("add", "-A", cwd=self.top)
        git("commit", "-q", "-m", "first", cwd=self.top)
        return SystemWorktrees(tmp_path / "state" / "worktrees")

    def read(self, folder: str, name: str) -> str | None:
        path = Path(folder, name)
        return path.read_text() if path.is_file() else None

    def write(self, folder: str, name: str, text: str) -> None:
        Path(folder, name).write_text(text)

    def destroy(self, tree: Worktree) -> None:
        shutil.rmtree(tree.path)

    async def test_nothing_of_the_users_is_changed_by_making_and_removing(
        self, worktrees: SystemWorktrees
    ) -> None:
        (self.top / "a").write_text("staged\n")
        git("add", "a", cwd=self.top)
        (self.top / "a").write_text("not staged\n")

        def facts() -> list[str]:
            asked = (
                ("status", "--porcelain"),
                ("diff",),
                ("diff", "--cached"),
                ("log", "--oneline", "--all", "--branches"),
            )
            return [git(*words, cwd=self.top) for words in asked[:3]] + [
                git("branch", "--format=%(refname)", cwd=self.top)
            ]

        before = facts()
        tree = await self.made(worktrees)
        self.write(tree.folder, "new", "x")
        await worktrees.snapshot(tree, uid=UID, name="s")
        await worktrees.remove(tree, uid=UID, has_landed=False)
        assert facts() == before

    @pytest.mark.parametrize(
        "deed",
        [
            pytest.param(lambda p: (p / ".git").unlink(), id="deletes-git"),
            pytest.param(lambda p: git("checkout", "-q", "--detach", cwd=p), id="detaches-head"),
            pytest.param(lambda p: git("checkout", "-q", "-b", "elsewhere", cwd=p), id="leaves-for-another-branch"),
            pytest.param(
                lambda p: (git("checkout", "-q", "--orphan", "o", cwd=p), git("commit", "-q", "-am", "x", cwd=p),
                           git("branch", "-q", "-f", "kazi/g", "o", cwd=p), git("checkout", "-q", "kazi/g", cwd=p)),
                id="rewrites-history",
            ),
        ],
    )  # fmt: skip
    async def test_a_repository_broken_by_an_agent_is_put_right_with_its_work_kept(
        self, worktrees: SystemWorktrees, deed
    ) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        assert before is not None
        self.write(tree.folder, "a", "work\n")
        deed(Path(tree.path))
        mended = await worktrees.mend(tree, uid=UID, before=before)
        assert mended.lost is None
        assert len(mended.deeds) == 1
        assert git("symbolic-ref", "--short", "HEAD", cwd=tree.path) == "kazi/g"
        assert git("merge-base", "--is-ancestor", tree.base, "HEAD", cwd=tree.path) == ""
        assert self.read(tree.folder, "a") == "work\n"
        assert git("diff", "--name-only", tree.base, cwd=tree.path) == "a"

    @pytest.mark.parametrize("operation", ["merge", "rebase", "cherry-pick"])
    async def test_what_an_agent_left_halfway_is_ended_with_its_files_as_they_are(
        self, worktrees: SystemWorktrees, operation: str
    ) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        assert before is not None
        (self.top / "a").write_text("theirs\n")
        git("commit", "-q", "-am", "theirs", cwd=self.top)
        self.write(tree.folder, "a", "work\n")
        git("commit", "-q", "-am", "work", cwd=tree.path)
        subprocess.run(("git", operation, "main"), cwd=tree.path, capture_output=True, check=False)
        self.write(tree.folder, "a", "both\n")
        mended = await worktrees.mend(tree, uid=UID, before=before)
        assert f"it left a {operation} unfinished" in mended.deeds
        assert git("symbolic-ref", "--short", "HEAD", cwd=tree.path) == "kazi/g"
        assert "unmerged" not in git("status", cwd=tree.path)
        assert self.read(tree.folder, "a") == "both\n"

    @pytest.mark.parametrize("deed", ["its branch", "all that git knows of it"])
    async def test_a_tree_that_git_does_not_know_any_more_is_saved_before_it_goes(
        self, worktrees: SystemWorktrees, deed: str
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "work\n")
        if deed == "its branch":
            git("update-ref", "-d", "refs/heads/kazi/g", cwd=tree.path)
        else:
            shutil.rmtree(git("rev-parse", "--absolute-git-dir", cwd=tree.path))
            Path(tree.path, ".git").unlink()
        await worktrees.sweep({})
        (ref,) = git("for-each-ref", "--format=%(refname)", "refs/kazi/*/saved-*", cwd=self.top).split()
        assert git("show", f"{ref}:a", cwd=self.top) == "work"

    async def test_a_tree_that_git_does_not_know_any_more_is_revived_with_what_lay_there(
        self, worktrees: SystemWorktrees
    ) -> None:
        tree = await self.made(worktrees)
        await worktrees.snapshot(tree, uid=UID, name="before")
        self.write(tree.folder, "a", "work\n")
        shutil.rmtree(git("rev-parse", "--absolute-git-dir", cwd=tree.path))
        Path(tree.path, ".git").unlink()
        assert await worktrees.revive(tree, uid=UID) is None
        assert self.read(tree.folder, "a") == "work\n"
        assert await worktrees.has(tree)

    async def test_commits_of_the_agents_own_are_counted_and_nothing_to_mend(
        self, worktrees: SystemWorktrees
    ) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        self.write(tree.folder, "a", "work\n")
        git("commit", "-q", "-am", "mine", cwd=tree.path)
        assert before is not None
        mended = await worktrees.mend(tree, uid=UID, before=before)
        assert (mended.deeds, list(mended.refs_moved)) == ([], [])
        after = await worktrees.snapshot(tree, uid=UID, name="after")
        assert after is not None
        difference = await worktrees.difference(tree, before, after)
        assert difference is not None
        assert (dict(difference.lines_by_file), difference.commits) == ({"a": 2}, 1)

    async def test_a_branch_of_the_users_that_an_agent_moved_is_named_and_kept(
        self, worktrees: SystemWorktrees
    ) -> None:
        git("branch", "precious", cwd=self.top)
        tip = git("rev-parse", "precious", cwd=self.top)
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        git("branch", "-q", "-D", "precious", cwd=tree.path)
        assert before is not None
        mended = await worktrees.mend(tree, uid=UID, before=before)
        assert list(mended.refs_moved) == ["precious"]
        assert git("rev-parse", f"refs/kazi/{UID}/moved/heads/precious", cwd=self.top) == tip

    async def test_a_bare_repository_is_refused_by_name(
        self, worktrees: SystemWorktrees, tmp_path: Path
    ) -> None:
        git("init", "-q", "--bare", "bare", cwd=tmp_path)
        unmade = await worktrees.make(self.wish(str(tmp_path / "bare")))
        assert isinstance(unmade, Unmade)
        assert "bare repository" in unmade.reason
        assert not unmade.is_in_place

    async def test_a_repository_that_is_damaged_is_not_taken_for_a_folder_like_any_other(
        self, worktrees: SystemWorktrees
    ) -> None:
        (Path(self.top) / ".git" / "HEAD").write_text("")
        for folder in (self.top, Path(self.workspace)):
            unmade = await worktrees.make(self.wish(str(folder)))
            assert isinstance(unmade, Unmade)
            assert "git does not take it for a repository: fatal:" in unmade.reason
            assert not unmade.is_in_place

    async def test_what_somebody_left_where_everybody_writes_damages_nothing_below_it(
        self, worktrees: SystemWorktrees, tmp_path: Path
    ) -> None:
        (tmp_path / "everybodys" / ".git").mkdir(parents=True)
        (tmp_path / "everybodys").chmod(0o1777)
        (tmp_path / "everybodys" / "mine").mkdir()
        unmade = await worktrees.make(self.wish(str(tmp_path / "everybodys" / "mine")))
        assert isinstance(unmade, Unmade)
        assert unmade.is_in_place

    async def test_submodules_are_refused_by_name(self, worktrees: SystemWorktrees, tmp_path: Path) -> None:
        git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(self.top), "sub", cwd=self.top)
        unmade = await worktrees.make(self.wish(self.workspace))
        assert isinstance(unmade, Unmade)
        assert "submodules" in unmade.reason

    async def test_a_snapshot_runs_nothing_of_a_repository_that_an_agent_made_in_its_tree(
        self, worktrees: SystemWorktrees, tmp_path: Path
    ) -> None:
        tree = await worktrees.make(self.wish(self.workspace))
        assert isinstance(tree, Worktree)
        nested, ran = Path(tree.path, "nested"), tmp_path / "ran"
        nested.mkdir()
        (nested / "f").write_text("x\n")
        (nested / ".gitattributes").write_text("* filter=theirs\n")
        for words in (("init", "-q"), ("add", "-A"), ("commit", "-q", "-m", "nested")):
            git(*words, cwd=nested)
        git("config", "filter.theirs.clean", f"sh -c 'touch {ran}; cat'", cwd=nested)
        git("add", "nested", cwd=tree.path)
        commits = set[str | None]()
        for name in ("one", "two"):
            os.utime(nested / "f", (1_700_000_000 + len(commits), 1_700_000_000))
            commits.add(await worktrees.snapshot(tree, uid=UID, name=name))
        assert None not in commits
        assert not ran.exists()
        for commit in commits:
            assert git("ls-tree", str(commit), "nested", cwd=self.top).startswith("160000 commit ")
        git("status", cwd=tree.path)
        assert ran.exists(), "git itself runs it, so that this test is of something"

    async def test_an_unfinished_merge_is_refused_by_name(self, worktrees: SystemWorktrees) -> None:
        for branch, text in (("other", "theirs\n"), ("main", "ours\n")):
            git("checkout", "-q", *(() if branch == "main" else ("-b",)), branch, cwd=self.top)
            (self.top / "a").write_text(text)
            git("commit", "-q", "-am", text, cwd=self.top)
        subprocess.run(("git", "merge", "-q", "other"), cwd=self.top, capture_output=True, check=False)
        unmade = await worktrees.make(self.wish(self.workspace))
        assert isinstance(unmade, Unmade)
        assert unmade.cause is Cause.WORKSPACE_DIRTY

    async def test_a_detached_head_is_a_base_like_any_other(self, worktrees: SystemWorktrees) -> None:
        git("checkout", "-q", "--detach", cwd=self.top)
        tree = await self.made(worktrees)
        assert tree.base_branch is None
        assert tree.base == git("rev-parse", "HEAD", cwd=self.top)

    async def test_a_goal_that_lands_is_refused_beside_work_that_is_not_committed(
        self, worktrees: SystemWorktrees
    ) -> None:
        (self.top / "goal.toml").write_text("id")
        allowed = self.wish(self.workspace, lands=True, allowed=[str(self.top / "goal.toml")])
        tree = await worktrees.make(allowed)
        assert isinstance(tree, Worktree)
        assert not tree.has_uncommitted
        (self.top / "a").write_text("mine\n")
        unmade = await worktrees.make(allowed)
        assert isinstance(unmade, Unmade)
        assert unmade.cause is Cause.WORKSPACE_DIRTY
        assert "a" in unmade.reason
        assert (self.top / "a").read_text() == "mine\n"

    @pytest.mark.parametrize("left", ["whole", "detached", "without its branch", "without its folder"])
    async def test_what_a_kill_left_after_a_delivery_is_taken_away_whole(
        self, worktrees: SystemWorktrees, left: str
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "two\n")
        git("commit", "-q", "-am", "the agent's own", cwd=tree.path)
        assert (await worktrees.deliver(tree, uid=UID)).refusal is None
        if left != "whole":
            git("checkout", "-q", "--detach", cwd=tree.path)
        if left == "without its branch":
            git("branch", "-q", "-D", "kazi/g", cwd=self.top)
        if left == "without its folder":
            shutil.rmtree(tree.path)
        assert list(await worktrees.sweep({})) == [tree.path]
        assert git("branch", "--format=%(refname:short)", cwd=self.top) == "main"
        assert len(git("worktree", "list", cwd=self.top).splitlines()) == 1
        assert list(Path(tree.path).parents[1].iterdir()) == []
        assert git("show", f"refs/kazi/{UID}/applied:a", cwd=self.top) == "two"

    async def test_a_branch_with_work_that_was_delivered_nowhere_outlives_a_sweep(
        self, worktrees: SystemWorktrees
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "two\n")
        git("commit", "-q", "-am", "the agent's own", cwd=tree.path)
        self.write(tree.folder, "a", "three\n")
        await worktrees.sweep({})
        assert git("show", "kazi/g:a", cwd=self.top) == "two"
        refs = git("for-each-ref", "--format=%(refname)", "refs/kazi/*/saved-*", cwd=self.top).split()
        assert [git("show", f"{ref}:a", cwd=self.top) for ref in refs] == ["three"]

    async def test_a_branch_that_was_there_before_goes_back_to_where_it_was(
        self, worktrees: SystemWorktrees
    ) -> None:
        git("branch", "theirs", cwd=self.top)
        was = git("rev-parse", "theirs", cwd=self.top)
        git("commit", "-q", "--allow-empty", "-m", "later", cwd=self.top)
        wish = Wish(uid=UID, workspace=self.workspace, branch="theirs", takes_uncommitted=False)
        tree = await worktrees.make(wish)
        assert isinstance(tree, Worktree)
        await worktrees.remove(tree, uid=UID, has_landed=True)
        assert git("rev-parse", "theirs", cwd=self.top) == was

    async def test_work_on_the_branch_is_never_overwritten(self, worktrees: SystemWorktrees) -> None:
        git("checkout", "-q", "-b", "kazi/g", cwd=self.top)
        git("commit", "-q", "--allow-empty", "-m", "theirs", cwd=self.top)
        theirs = git("rev-parse", "HEAD", cwd=self.top)
        git("checkout", "-q", "main", cwd=self.top)
        tree = await self.made(worktrees)
        assert tree.branch == "kazi/g-2"
        assert git("rev-parse", "kazi/g", cwd=self.top) == theirs

    async def test_a_workspace_below_the_top_is_found_in_the_tree(self, worktrees: SystemWorktrees) -> None:
        (self.top / "sub").mkdir()
        (self.top / "sub" / "x").write_text("x")
        tree = await worktrees.make(self.wish(str(self.top / "sub")))
        assert isinstance(tree, Worktree)
        assert tree.folder == f"{tree.path}/sub"
        assert self.read(tree.folder, "x") == "x"

    async def test_modes_links_and_deletions_are_delivered(self, worktrees: SystemWorktrees) -> None:
        tree = await self.made(worktrees)
        there = Path(tree.path)
        (there / "a").unlink()
        (there / "run").write_text("#!/bin/sh\n")
        (there / "run").chmod(0o755)
        (there / "link").symlink_to("run")
        (there / "deep" / "er").mkdir(parents=True)
        (there / "deep" / "er" / "f").write_bytes(b"\0\1")
        assert (await worktrees.deliver(tree, uid=UID)).refusal is None
        assert not (self.top / "a").exists()
        assert (self.top / "run").stat().st_mode & 0o111
        assert (self.top / "link").readlink() == Path("run")
        assert (self.top / "deep/er/f").read_bytes() == b"\0\1"

    async def test_edits_of_both_in_one_file_are_merged(self, worktrees: SystemWorktrees) -> None:
        lines = [f"{n}\n" for n in range(20)]
        (self.top / "a").write_text("".join(lines))
        tree = await self.made(worktrees)
        Path(tree.path, "a").write_text("".join(["agent\n", *lines[1:]]))
        (self.top / "a").write_text("".join([*lines[:19], "user\n"]))
        for _ in range(2):
            assert (await worktrees.deliver(tree, uid=UID)).refusal is None
            assert (self.top / "a").read_text() == "".join(["agent\n", *lines[1:19], "user\n"])

    async def test_a_delivery_never_writes_through_a_link(
        self, worktrees: SystemWorktrees, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        tree = await self.made(worktrees)
        Path(tree.path, "d").mkdir()
        Path(tree.path, "d", "f").write_text("x")
        (self.top / "d").symlink_to(tmp_path / "outside")
        assert (await worktrees.deliver(tree, uid=UID)).refusal is not None
        assert list((tmp_path / "outside").iterdir()) == []

    def wish(self, workspace: str, *, lands: bool = False, allowed: list[str] | None = None) -> Wish:
        return Wish(
            uid=GoalUid("uid-1"),
            workspace=workspace,
            branch="kazi/g",
            takes_uncommitted=not lands,
            refuses_uncommitted=lands,
            untracked_allowed=allowed or (),
        )


@pytest.mark.anyio
async def test_the_users_own_tree_is_read_for_what_an_agent_did_in_place_and_nothing_of_it_moves(
    tmp_path: Path,
) -> None:
    top = tmp_path / "repo"
    (top / "sub").mkdir(parents=True)
    git("init", "-q", "-b", "main", cwd=top)
    (top / "sub" / "a").write_text("one\n")
    git("add", "-A", cwd=top)
    git("commit", "-q", "-m", "first", cwd=top)
    worktrees = SystemWorktrees(tmp_path / "state" / "worktrees")
    assert await worktrees.here(str(tmp_path)) is None
    tree = await worktrees.here(str(top / "sub"))
    assert tree is not None
    assert (tree.path, tree.folder) == (str(top), str(top / "sub"))
    before = await worktrees.snapshot(tree, uid=UID, name="before")
    (top / "sub" / "a").write_text("two\n")
    (top / "sub" / "new").write_text("new\n")
    status = git("status", "--porcelain", cwd=top)
    after = await worktrees.snapshot(tree, uid=UID, name="after")
    assert before is not None
    assert after is not None
    difference = await worktrees.difference(tree, before, after)
    assert difference is not None
    assert dict(difference.lines_by_file) == {"sub/a": 2, "sub/new": 1}
    assert git("status", "--porcelain", cwd=top) == status
    with pytest.raises(AssertionError):
        await worktrees.restore(tree, before, files=None)


async def test_no_python_runs_what_a_file_was_before_it_was_mended_put_back_or_delivered(
    tmp_path: Path,
) -> None:
    """All of one size, and each step as early as it may come: a .pyc of the step before is never taken for it."""
    run = (sys.executable, "-c", "import value; print(value.it)")

    def looked(folder: str) -> str:
        cached = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}
        return subprocess.run(run, cwd=folder, env=cached, check=True, capture_output=True, text=True).stdout

    top = tmp_path / "repo"
    top.mkdir()
    git("init", "-q", "-b", "main", cwd=top)
    (top / ".gitignore").write_text("__pycache__\n")
    (top / "value.py").write_text("it = 1\n")
    worktrees = SystemWorktrees(tmp_path / "state" / "worktrees")
    tree = await worktrees.make(Wish(uid=UID, workspace=str(top), branch="kazi/g", takes_uncommitted=True))
    assert isinstance(tree, Worktree)
    assert (looked(str(top)), looked(tree.folder)) == ("1\n", "1\n")
    before = await worktrees.snapshot(tree, uid=UID, name="before")
    assert before is not None
    Path(tree.folder, "value.py").write_text("it = 2\n")
    assert looked(tree.folder) == "2\n", "written after a snapshot"
    assert await worktrees.restore(tree, before, files=None)
    assert looked(tree.folder) == "1\n", "put back"
    Path(tree.folder, "value.py").write_text("it = 4\n")
    (top / "value.py").write_text("it = 1\n")
    assert looked(str(top)) == "1\n"
    await worktrees.deliver(tree, uid=UID)
    assert looked(str(top)) == "4\n", "delivered"
