"""Dropping refs below refs/kazi/UID/ in the user's repository; which of them nobody needs is the core's to say."""

from kazid.adapters.system.git import git
from kazid.core.kept_refs import Ref, droppable

DROPPED_AT_ONCE_MAX = 100
"""Each is a call of git; the next time goes on."""
_FORMAT = "%(refname) %(objectname) %(committerdate:unix)"


async def forget(workspace: str, folder: str, *, before_wall_s: float) -> int:
    """Drop them below this folder of refs; how many went. Nothing where git cannot tell."""
    said = await git(("for-each-ref", f"--format={_FORMAT}", folder), cwd=workspace)
    if not said.is_ok:
        return 0
    refs = [ref for line in said.stdout.decode(errors="replace").splitlines() if (ref := _read(line, folder))]
    gone = 0
    for ref in droppable(refs, before_wall_s=before_wall_s)[:DROPPED_AT_ONCE_MAX]:
        gone += (await git(("update-ref", "-d", f"{folder}/{ref.name}", ref.commit), cwd=workspace)).is_ok
    return gone


def _read(line: str, folder: str) -> Ref | None:
    parts = line.split(" ")
    if len(parts) != 3 or not parts[0].startswith(f"{folder}/") or not parts[2].isdigit():
        return None
    return Ref(parts[0].removeprefix(f"{folder}/"), parts[1], float(parts[2]))
