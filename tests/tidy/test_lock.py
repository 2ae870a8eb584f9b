"""requirements.lock is the only lock: hashed, complete, and without an address."""

import re
import tomllib

from tests.tidy.tree import ROOT, committable_files, named

REQUIREMENT = re.compile(r"^([a-z0-9][a-z0-9._-]*)==", re.MULTILINE)


def _normalised(requirement: str) -> str:
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def _locked_entries() -> list[str]:
    """Return one text per requirement: its pin, its marker and its hashes."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return re.split(r"\n(?=\S)", text.strip())


def test_every_locked_requirement_is_pinned_and_hashed() -> None:
    assert [
        entry for entry in _locked_entries() if not REQUIREMENT.match(entry) or "--hash=sha256:" not in entry
    ] == []


def test_the_lock_holds_every_dependency_the_project_declares() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*declared["build-system"]["requires"], *declared["project"]["dependencies"]]
    for extra in declared["project"]["optional-dependencies"].values():
        wanted += extra
    locked = {_normalised(entry) for entry in _locked_entries()}
    assert {_normalised(requirement) for requirement in wanted} - locked == set()


def test_there_is_no_second_lock() -> None:
    assert [named(path) for path in committable_files() if path.name in {"uv.lock", "pylock.toml"}] == []
