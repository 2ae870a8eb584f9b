"""What is kept of a goal below refs/kazi/UID/ in the user's repository, and dropping what nobody needs any more.

States around attempts go once the change is where it belongs and some time has passed. What may be nowhere else stays:
what was saved of a removed tree, what an agent left or moved (`saved-*`, `strayed-*`, `moved/*`, what collided), and a
change that was held for a person, with the state that it began at.
"""

import re
from collections.abc import Iterable, Iterator

import msgspec

from kazid.adapters.system.git import git

DROPPED_AT_ONCE_MAX = 100
"""Each is a call of git; the next time goes on."""
_FORMAT = "%(refname) %(objectname) %(committerdate:unix)"
_ATTEMPT = re.compile(r"attempt-(\d+)-(?:before|after)")
_OTHERS = frozenset({"base", "latest", "delivered", "applied", "branch"})


class Ref(msgspec.Struct, frozen=True):
    """One of them: its name below the goal's folder, what it points at, and when that was made (wall seconds)."""

    name: str
    commit: str
    made_wall_s: float


def droppable(refs: Iterable[Ref], *, before_wall_s: float) -> Iterator[Ref]:
    """Those of a goal whose work is where it belongs that nobody needs. Pure."""
    known = list(refs)
    held = {ref.name.removeprefix("held-") for ref in known if ref.name.startswith("held-")}
    for ref in known:
        attempt = _ATTEMPT.fullmatch(ref.name)
        is_spare = ref.name in _OTHERS or (attempt is not None and attempt[1] not in held)
        if is_spare and ref.made_wall_s < before_wall_s:
            yield ref


async def forget(workspace: str, folder: str, *, before_wall_s: float) -> int:
    """Drop them below this folder of refs; how many went. Nothing where git cannot tell."""
    said = await git(("for-each-ref", f"--format={_FORMAT}", folder), cwd=workspace)
    if not said.is_ok:
        return 0
    refs = [ref for line in said.stdout.decode(errors="replace").splitlines() if (ref := _read(line, folder))]
    gone = 0
    for ref in list(droppable(refs, before_wall_s=before_wall_s))[:DROPPED_AT_ONCE_MAX]:
        gone += (await git(("update-ref", "-d", f"{folder}/{ref.name}", ref.commit), cwd=workspace)).is_ok
    return gone


def _read(line: str, folder: str) -> Ref | None:
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0].startswith(f"{folder}/") or not parts[2].isdigit():
        return None
    return Ref(parts[0].removeprefix(f"{folder}/"), parts[1], float(parts[2]))
