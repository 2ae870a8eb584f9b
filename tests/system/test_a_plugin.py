"""docs/add-a-provider.md, done: its package is built, installed, tested and applied, exactly as it stands there."""

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import ROOT, RealDaemon

DOCUMENT = ROOT / "docs" / "add-a-provider.md"
BLOCK = re.compile(r"^```\w+ (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BROKEN = """
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
[project]
name = "kazi-broken"
version = "0.1"
[project.entry-points."kazid.providers"]
broken = "kazi_broken:PLUGIN"
http_probe = "kazi_leftover:PLUGIN"
[tool.hatch.build.targets.wheel]
include = ["kazi_broken.py"]
"""


def install(package: Path, site: Path) -> None:
    """Build the wheel and unpack it, which is what installing a pure one means."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", "dist"],
        cwd=package,
        check=True,
        capture_output=True,
        timeout=60,
    )
    for wheel in (package / "dist").iterdir():
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(site)


@pytest.fixture
def tutorial(base: Path) -> Path:
    folder = base / "leftover"
    folder.mkdir()
    for name, text in BLOCK.findall(DOCUMENT.read_text()):
        (folder / name).write_text(text)
    install(folder, base / "site")
    return folder


@pytest.fixture
def daemon(base: Path, tutorial: Path) -> Iterator[RealDaemon]:
    broken = base / "broken"
    broken.mkdir()
    (broken / "pyproject.toml").write_text(BROKEN)
    (broken / "kazi_broken.py").write_text("import sys\nsys.exit('this wants another machine')\n")
    install(broken, base / "site")
    daemon = RealDaemon(base, environment={"PYTHONPATH": str(base / "site")})
    yield daemon.start()
    daemon.end_everything()


def test_the_tutorials_own_tests_pass(tutorial: Path, base: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_leftover.py"],
        cwd=tutorial,
        env={**os.environ, "PYTHONPATH": str(base / "site"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert re.search(r"^3\d passed", run.stdout, re.MULTILINE), run.stdout


def test_an_installed_plugin_is_a_kind_like_any_other(daemon: RealDaemon, tutorial: Path) -> None:
    schema = daemon.json("schema", "leftover")
    assert schema["properties"]["max"]["default"] == 0
    assert "leftover" in daemon.json("schema")["$defs"]
    (tutorial / "NOTES").write_text("mend the gate\n")
    checked = daemon.apply(tutorial / "notes.goal.toml", "--check")
    said = {p["id"]: (p["verdict"], p["reason"]) for p in checked["predicates"]}
    assert said == {"no-notes-left": ("fail", "too_many"), "no-drafts-left": ("unknown", "not_applicable")}

    (tutorial / "NOTES").write_text("")
    applied = daemon.apply(tutorial / "notes.goal.toml")
    assert (applied["status"], applied["waived"], applied["exit_code"]) == ("holding", 1, 0)
    misspelt = tutorial / "misspelt.goal.toml"
    misspelt.write_text((tutorial / "notes.goal.toml").read_text().replace("absent_code", "absent_cod"))
    refused = daemon.kazictl("apply", str(misspelt))
    assert refused.returncode == 2
    assert (
        ':18: predicate[2].absent_cod: predicate "no-drafts-left": unknown key "absent_cod"' in refused.stderr
    )
    assert 'did you mean "absent_code"?' in refused.stderr


def test_a_plugin_that_does_not_load_costs_its_kind_and_nothing_else(
    daemon: RealDaemon, base: Path, tutorial: Path
) -> None:
    goal = base / "broken.goal.toml"
    goal.write_text('id = "b"\n[[predicate]]\nid = "p"\nprovider = "broken"\nanything = 1\n')
    refused = daemon.kazictl("apply", str(goal))
    assert refused.returncode == 2
    assert (
        "plugin kazi-broken 0.1 could not be loaded: SystemExit: this wants another machine" in refused.stderr
    )
    lines = [line for line in daemon.log.read_text().splitlines() if "plugin.refused" in line]
    assert len(lines) == 2, "one for each entry point"
    listed = [
        line.split() for line in daemon.kazictl("schema").stdout.splitlines() if "cannot be used here" in line
    ]
    assert [words[0] for words in listed] == ["broken"]
    assert any("http_probe" in line and "is built in" in line for line in lines)
    assert "url" in daemon.json("schema", "http_probe")["properties"], "what is built in stays"
    (tutorial / "NOTES").write_text("")
    assert daemon.apply(tutorial / "notes.goal.toml", "--check")["exit_code"] == 0
