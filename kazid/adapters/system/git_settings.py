"""Hashes of what makes git run, rewrite or overlook something: config, hooks, attributes, excludes. Blocks.

They are found as git finds them, upwards from a folder and through the files of linked worktrees, by reading alone: a
git that is started to find them would already obey them. Sections in which git keeps track of branches are left out,
since everyday commands write them; a section with anything else in it counts whole.
"""

import hashlib
import os
import re
from collections.abc import Iterator

from kazid.adapters.system.file_hashes import ABSENT, file_hashes
from kazid.adapters.system.tree_content import Bounds

CONFIG_BYTES_MAX = 1 << 20

_PER_WORKTREE = "config.worktree"
_SECTION = re.compile(r"(?m)^(?=[ \t]*\[)")
_TRACKING = re.compile(r'\[branch "[^"\\\]\n]+"\]\n(?:[ \t]+(?:remote|merge|rebase) = [\w./-]+\n)*')


def git_settings(top: str, bounds: Bounds) -> dict[str, str]:
    """The hash of each by its name; empty outside repositories. Raises OSError, ValueError and OutOfBounds."""
    found = _git_folder(top)
    if found is None:
        return {}
    folder, common = found
    hashes = {
        "folder": hashlib.sha256(os.fsencode(folder)).hexdigest(),
        "config": _config_hash(os.path.join(common, "config")),
        _PER_WORKTREE: _config_hash(os.path.join(folder, _PER_WORKTREE)),
    }
    rest = file_hashes(common, ("hooks", "info/attributes", "info/exclude"), bounds)
    # Not absent but empty: a folder of samples that git never runs is as good as none.
    hashes |= {
        name: digest
        for name, digest in rest.items()
        if not name.endswith(".sample") and not (name == "hooks" and digest == ABSENT)
    }
    return hashes


def _git_folder(top: str) -> tuple[str, str] | None:
    """Git's folder for a tree, and the one that it shares with other trees."""
    for place in _upwards(os.path.realpath(top)):
        entry = os.path.join(place, ".git")
        if not os.path.lexists(entry):
            continue
        folder = entry
        if os.path.isfile(entry):
            pointer = _text(entry).removeprefix("gitdir:").strip()
            folder = os.path.join(place, pointer)
        shared = os.path.join(folder, "commondir")
        common = os.path.join(folder, _text(shared).strip()) if os.path.isfile(shared) else folder
        return os.path.realpath(folder), os.path.realpath(common)
    return None


def _upwards(path: str) -> Iterator[str]:
    yield path
    while (above := os.path.dirname(path)) != path:
        path = above
        yield path


def _config_hash(path: str) -> str:
    if not os.path.lexists(path):
        return ABSENT
    kept = "".join(part for part in _SECTION.split(_text(path)) if not _TRACKING.fullmatch(part))
    return hashlib.sha256(kept.encode("utf-8", "surrogateescape")).hexdigest()


def _text(path: str) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, encoding="utf-8", errors="surrogateescape") as file:
        text = file.read(CONFIG_BYTES_MAX + 1)
    if len(text) > CONFIG_BYTES_MAX:
        raise ValueError(path)
    return text
