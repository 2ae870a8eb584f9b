"""What every adapter for trees of the daemon's own promises: the sentences of `ports/worktree.py`."""

from kazid.core.ids import GoalUid
from kazid.core.worktree import Worktree
from kazid.ports.worktree import Unmade, Wish, Worktrees

UID = GoalUid("uid-1")


class WorktreeContract:
    """Inherit, and provide the fixtures `worktrees` and `anyio_backend`. `workspace` is a repository with `a` in it."""

    workspace: str

    def read(self, folder: str, name: str) -> str | None:
        raise NotImplementedError

    def write(self, folder: str, name: str, text: str) -> None:
        raise NotImplementedError

    def destroy(self, tree: Worktree) -> None:
        """Take the tree away as an agent would."""
        raise NotImplementedError

    async def made(self, worktrees: Worktrees, **wish: bool) -> Worktree:
        wished = {"takes_uncommitted": True, **wish}
        tree = await worktrees.make(Wish(uid=UID, workspace=self.workspace, branch="kazi/g", **wished))
        assert isinstance(tree, Worktree), tree
        return tree

    async def test_a_tree_holds_what_the_workspace_holds_and_asked_again_the_same(
        self, worktrees: Worktrees
    ) -> None:
        self.write(self.workspace, "b", "not committed\n")
        for _ in range(2):
            tree = await self.made(worktrees)
            assert (self.read(tree.folder, "a"), self.read(tree.folder, "b")) == ("one\n", "not committed\n")
            assert tree.has_uncommitted
            assert await worktrees.has(tree)

    async def test_a_folder_that_is_no_repository_is_worked_in_as_it_is(self, worktrees: Worktrees) -> None:
        unmade = await worktrees.make(Wish(uid=UID, workspace="/", branch="kazi/g", takes_uncommitted=True))
        assert isinstance(unmade, Unmade)
        assert unmade.is_in_place

    async def test_work_in_a_tree_does_not_show_in_the_workspace_until_it_is_delivered(
        self, worktrees: Worktrees
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "two\n")
        self.write(tree.folder, "new", "new\n")
        assert (self.read(self.workspace, "a"), self.read(self.workspace, "new")) == ("one\n", None)
        for _ in range(2):  # again is harmless
            delivered = await worktrees.deliver(tree, uid=UID)
            assert (delivered.refusal, list(delivered.files)) == (None, ["a", "new"])
            assert (self.read(self.workspace, "a"), self.read(self.workspace, "new")) == ("two\n", "new\n")

    async def test_nothing_of_a_change_is_delivered_over_work_that_differs_from_both_ends(
        self, worktrees: Worktrees
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "two\n")
        self.write(tree.folder, "new", "new\n")
        self.write(self.workspace, "a", "mine\n")
        delivered = await worktrees.deliver(tree, uid=UID)
        assert delivered.refusal is not None
        assert "a" in delivered.refusal
        assert (self.read(self.workspace, "a"), self.read(self.workspace, "new")) == ("mine\n", None)

    async def test_a_change_in_the_users_own_tree_is_taken_back_whole_or_not_at_all(
        self, worktrees: Worktrees
    ) -> None:
        self.write(self.workspace, "a", "not committed\n")
        tree = await worktrees.here(self.workspace)
        assert tree is not None
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        self.write(self.workspace, "a", "two\n")
        self.write(self.workspace, "new", "new\n")
        after = await worktrees.snapshot(tree, uid=UID, name="after")
        assert before is not None
        assert after is not None
        self.write(self.workspace, "a", "mine\n")
        refusal = await worktrees.take_back(tree, before, after, files=["a", "new"])
        assert refusal is not None
        assert "a" in refusal
        assert (self.read(self.workspace, "a"), self.read(self.workspace, "new")) == ("mine\n", "new\n")
        self.write(self.workspace, "a", "two\n")
        for _ in range(2):  # again is harmless
            assert await worktrees.take_back(tree, before, after, files=["a", "new"]) is None
            assert (self.read(self.workspace, "a"), self.read(self.workspace, "new")) == (
                "not committed\n",
                None,
            )

    async def test_a_patch_is_what_differs_and_is_the_same_bytes_each_time(
        self, worktrees: Worktrees
    ) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        self.write(tree.folder, "a", "two\nthree\n")
        after = await worktrees.snapshot(tree, uid=UID, name="after")
        assert before is not None
        assert after is not None
        patch = await worktrees.patch(tree, before, after)
        assert patch is not None
        assert b"+++ b/a" in patch
        assert b"+two\n" in patch
        self.write(tree.folder, "a", "later\n")
        assert await worktrees.patch(tree, before, after) == patch
        assert await worktrees.patch(tree, before, before) == b""

    async def test_the_difference_of_two_snapshots_is_files_and_lines(self, worktrees: Worktrees) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        self.write(tree.folder, "a", "two\nthree\n")
        after = await worktrees.snapshot(tree, uid=UID, name="after")
        assert before is not None
        assert after is not None
        difference = await worktrees.difference(tree, before, after)
        assert difference is not None
        assert dict(difference.lines_by_file) == {"a": 3}
        assert await worktrees.kept(tree, uid=UID, name="after") == after
        self.write(tree.folder, "a", "later\n")
        assert await worktrees.snapshot(tree, uid=UID, name="after", is_new=False) == after

    async def test_only_the_named_files_are_restored(self, worktrees: Worktrees) -> None:
        tree = await self.made(worktrees)
        before = await worktrees.snapshot(tree, uid=UID, name="before")
        assert before is not None
        self.write(tree.folder, "a", "two\n")
        self.write(tree.folder, "new", "new\n")
        assert await worktrees.restore(tree, before, files=["new"])
        assert (self.read(tree.folder, "a"), self.read(tree.folder, "new")) == ("two\n", None)
        assert await worktrees.restore(tree, before, files=None)
        assert self.read(tree.folder, "a") == "one\n"

    async def test_a_tree_that_is_gone_is_revived_with_what_was_last_saved(
        self, worktrees: Worktrees
    ) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "a", "two\n")
        await worktrees.snapshot(tree, uid=UID, name="after")
        self.destroy(tree)
        assert not await worktrees.has(tree)
        assert await worktrees.revive(tree, uid=UID) is None
        assert self.read(tree.folder, "a") == "two\n"

    async def test_what_is_removed_is_saved_first(self, worktrees: Worktrees) -> None:
        tree = await self.made(worktrees)
        self.write(tree.folder, "new", "work\n")
        saved = await worktrees.remove(tree, uid=UID, has_landed=False)
        assert saved is not None
        assert await worktrees.kept(tree, uid=UID, name=saved.rpartition("/")[2]) is not None
        assert not await worktrees.has(tree)

    async def test_a_sweep_leaves_the_trees_of_living_goals_alone(self, worktrees: Worktrees) -> None:
        tree = await self.made(worktrees)
        assert list(await worktrees.sweep({UID: tree})) == []
        assert await worktrees.has(tree)
        assert list(await worktrees.sweep({})) == [tree.path]
        assert not await worktrees.has(tree)

    async def test_forget_drops_nothing_that_may_be_nowhere_else(self, worktrees: Worktrees) -> None:
        tree = await self.made(worktrees)
        names = (
            "attempt-1-before",
            "attempt-1-after",
            "attempt-2-before",
            "attempt-2-after",
            "held-2",
            "saved-1",
        )
        for number, name in enumerate(names):
            self.write(tree.folder, "a", f"{number}\n")
            await worktrees.snapshot(tree, uid=UID, name=name)
        assert await worktrees.forget(self.workspace, uid=UID, before_wall_s=1e12) >= 2
        there = [n for n in names if await worktrees.kept(tree, uid=UID, name=n) is not None]
        assert there == ["attempt-2-before", "attempt-2-after", "held-2", "saved-1"]
        assert await worktrees.forget(self.workspace, uid=UID, before_wall_s=1e12) == 0
