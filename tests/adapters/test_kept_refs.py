"""Which refs of a goal go once its work is where it belongs: states around attempts, and nothing that may be alone."""

import pytest

from kazid.adapters.system.kept_refs import forget
from kazid.core.kept_refs import Ref, droppable

LONG_AGO, NOW = 1000.0, 9000.0


@pytest.mark.parametrize(
    ("names", "gone"),
    [
        pytest.param(["attempt-1-before", "attempt-1-after", "attempt-12-after"], [0, 1, 2], id="attempts"),
        pytest.param(["base", "latest", "delivered", "applied", "branch"], [0, 1, 2, 3, 4], id="of-the-tree"),
        pytest.param(
            ["saved-0a1b", "strayed-0a1b", "moved/heads/main", "collided-1"], [], id="work-of-somebody"
        ),
        pytest.param(["attempt-1-after", "attempt-2-before", "attempt-2-after", "held-2"], [0], id="held"),
        pytest.param(["attempt-1", "attempt-x-after", "my/attempt-1-after"], [], id="names-like-it"),
    ],
)
def test_what_goes(names: list[str], gone: list[int]) -> None:
    refs = [Ref(name, "0" * 40, LONG_AGO) for name in names]
    assert [r.name for r in droppable(refs, before_wall_s=NOW)] == [names[n] for n in gone]


def test_what_is_younger_stays() -> None:
    refs = [Ref("attempt-1-after", "0" * 40, LONG_AGO), Ref("attempt-2-after", "1" * 40, NOW)]
    assert [r.name for r in droppable(refs, before_wall_s=NOW)] == ["attempt-1-after"]


@pytest.mark.anyio
@pytest.mark.parametrize("place", ["is/not/there", "."], ids=["no-folder", "no-repository"])
async def test_where_git_cannot_tell_nothing_goes(tmp_path, place: str) -> None:
    assert await forget(str(tmp_path / place), "refs/kazi/uid-1", before_wall_s=NOW) == 0
