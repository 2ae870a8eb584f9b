"""What an agent can reach, as paths; and what a machine cannot enforce of it, in words."""

from typing import Any

import pytest
from msgspec.structs import replace

from kazid.core.confinement import (
    HOMES,
    INSTALLED,
    SCRATCH,
    Capabilities,
    confinement_of,
    folders_of,
    unenforceable,
)
from kazid.core.goal import Goal, Sandbox
from kazid.core.worktree import Worktree
from tests.builders import a_goal

FOLDERS = ("/t/web", "/src/.git/refs")


def a_confined(sandbox: Sandbox, **fields: Any) -> Goal:
    return a_goal(sandbox=sandbox, **{"workspace": "/src", "path": "/home/ada/bin:/usr/bin", **fields})


def test_a_goal_that_asks_for_nothing_is_not_confined():
    assert confinement_of(a_confined(Sandbox()), folders=FOLDERS) is None


def test_in_a_worktree_it_reads_all_and_writes_its_folders_scratch_and_what_agents_keep():
    bounds = confinement_of(
        a_confined(Sandbox(mode="worktree", writes=("/srv/out", "/t/web"))), folders=FOLDERS
    )
    assert bounds is not None
    assert bounds.reads == ("/",)
    assert bounds.writes == (*FOLDERS, *SCRATCH, *HOMES, "/srv/out")
    assert (bounds.is_offline, bounds.ports) == (False, None)


def test_strictly_it_reads_what_is_installed_what_is_allowed_and_its_path():
    asked = Sandbox(mode="strict", reads=("/srv/in", "/etc"))
    bounds = confinement_of(a_confined(asked, path="/home/ada/bin::/usr"), folders=FOLDERS)
    assert bounds is not None
    assert bounds.reads == (*INSTALLED, "/srv/in", "/home/ada/bin")
    assert bounds.writes == (*FOLDERS, *SCRATCH, *HOMES)


@pytest.mark.parametrize(
    ("workspace", "missing"),
    [
        pytest.param("/src", set[str](), id="elsewhere"),
        pytest.param("/tmp", {"/tmp"}, id="it-is-the-temporary-folder"),
        pytest.param("/tmp/job/src", {"/tmp"}, id="below-it"),
        pytest.param("/tmpfiles", set[str](), id="a-name-that-begins-alike"),
        pytest.param("/var/tmp/job", {"/var/tmp"}, id="below-the-other"),
        pytest.param(None, set[str](), id="no-workspace"),
    ],
)
def test_a_workspace_in_a_temporary_folder_is_still_the_users(workspace: str | None, missing: set[str]):
    goal = a_confined(Sandbox(mode="worktree"), workspace=workspace)
    bounds = confinement_of(goal, folders=FOLDERS)
    assert bounds is not None
    assert set(SCRATCH) - set(bounds.writes) == missing


@pytest.mark.parametrize(
    ("asked", "is_offline", "ports"),
    [
        pytest.param(Sandbox(network="off"), True, None, id="off"),
        pytest.param(Sandbox(network="off", ports=(80,)), True, None, id="off-with-ports"),
        pytest.param(Sandbox(network="ports", ports=(443, 80)), False, (443, 80), id="some-ports"),
        pytest.param(Sandbox(network="ports"), False, (), id="no-port-at-all"),
    ],
)
def test_a_bound_on_the_network_alone_leaves_files_open(
    asked: Sandbox, is_offline: bool, ports: tuple[int, ...] | None
):
    bounds = confinement_of(a_confined(asked), folders=FOLDERS)
    assert bounds is not None
    assert (bounds.reads, bounds.writes) == (("/",), ("/",))
    assert (bounds.is_offline, bounds.ports) == (is_offline, ports)


def test_an_agent_writes_its_tree_and_what_git_keeps_of_it_but_neither_hooks_nor_config():
    tree = Worktree(path="/t/web", folder="/t/web/app", repository="/src", branch="kazi/web", base="b0")
    git = ("/src/.git/objects", "/src/.git/refs", "/src/.git/logs", "/src/.git/worktrees")
    assert folders_of("/t/web/app", tree) == ("/t/web", *git)
    assert folders_of("/src/app", None) == ("/src/app",)


BARE = Capabilities(landlock_abi=0, bubblewrap=None)


@pytest.mark.parametrize(
    ("asked", "can", "said"),
    [
        pytest.param(
            Sandbox(mode="worktree"),
            BARE,
            '[sandbox] mode = "worktree" needs bubblewrap or landlock, and this machine has neither',
            id="no-way-to-keep-to-paths",
        ),
        pytest.param(Sandbox(mode="strict"), replace(BARE, landlock_abi=3), None, id="landlock-of-paths"),
        pytest.param(
            Sandbox(mode="strict"),
            replace(BARE, landlock_abi=2),
            '[sandbox] mode = "strict" needs bubblewrap or landlock, and this machine has neither',
            id="a-landlock-too-old-for-paths",
        ),
        pytest.param(Sandbox(mode="strict"), replace(BARE, bubblewrap="/b"), None, id="bubblewrap"),
        pytest.param(
            Sandbox(network="off"),
            replace(BARE, landlock_abi=7),
            '[sandbox] network = "off" needs bubblewrap: it is not installed',
            id="landlock-cannot-go-offline",
        ),
        pytest.param(
            Sandbox(network="off"),
            replace(BARE, bubblewrap_reason="user namespaces are off"),
            '[sandbox] network = "off" needs bubblewrap: user namespaces are off',
            id="bubblewrap-does-not-work",
        ),
        pytest.param(
            Sandbox(network="off"), replace(BARE, bubblewrap="/b"), None, id="bubblewrap-goes-offline"
        ),
        pytest.param(
            Sandbox(network="ports"),
            replace(BARE, bubblewrap="/b", landlock_abi=3),
            "[sandbox] ports need landlock 4, and this kernel has 3",
            id="a-landlock-too-old-for-ports",
        ),
        pytest.param(Sandbox(network="ports"), replace(BARE, landlock_abi=4), None, id="landlock-of-ports"),
        pytest.param(Sandbox(), BARE, None, id="nothing-is-asked"),
    ],
)
def test_what_cannot_be_enforced_is_a_sentence(asked: Sandbox, can: Capabilities, said: str | None):
    assert unenforceable(a_confined(asked), can) == said
