"""Which folder a goal works in, and where the files it names are looked for (SEMANTICS §6).

Only names: nothing here asks whether a folder exists. The workspace is the flag's, relative to the caller's folder;
else `[scope] workspace`, relative to the goal-file's; else, for a goal that needs one, the goal-file's own folder.
"""

import posixpath

import msgspec

from kazid.goalfile.positions import Path
from kazid.goalfile.problems import Problems

WORKSPACE_FLAG = "--workspace"


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """`given` is what somebody asked for, `folder` the goal-file's; absolute or None."""

    given: str | None
    folder: str | None

    def workspace(self, *, is_needed: bool) -> str | None:
        """The goal's workspace; None when it has none."""
        return self.given or (self.folder if is_needed else None)

    def candidates(self, name: str) -> tuple[str, ...]:
        """Absolute names a relative one may mean, in order: in the workspace, then beside the goal-file."""
        folders = [f for f in (self.given, self.folder) if f is not None]
        return tuple(dict.fromkeys(_joined(f, name) for f in folders)) or (
            (name,) if name.startswith("/") else ()
        )


def resolve_places(
    *,
    flag: str | None,
    caller_cwd: str | None,
    authored: str | None,
    authored_path: Path,
    goal_file: str | None,
    problems: Problems,
) -> Places:
    """The places of one goal-file. A relative name without a folder to start from is a problem."""
    folder = None if goal_file is None else posixpath.dirname(goal_file)
    given: str | None = None
    if flag:
        if caller_cwd is None and not flag.startswith("/"):
            problems.add_option(
                WORKSPACE_FLAG, f"{WORKSPACE_FLAG} {flag} is relative, and the caller's folder is not known"
            )
        given = _joined(caller_cwd or "/", flag)
    elif authored:
        if folder is None and not authored.startswith("/"):
            problems.add(
                authored_path,
                f"scope.workspace {authored} is relative, and the goal-file came without a path",
            )
        given = _joined(folder or "/", authored)
    return Places(given=given, folder=folder)


def _joined(folder: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(folder, name))
