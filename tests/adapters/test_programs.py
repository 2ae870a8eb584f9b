"""Which version lies behind a program's name, told from files alone: the program is never run."""

import json
import os

import pytest

from kazid.adapters.system.programs import SystemPrograms
from kazid.ports.programs import Installed

pytestmark = pytest.mark.anyio


def program(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\ntouch ran\n")
    path.chmod(0o755)
    return path


async def installed(name, tmp_path, *folders):
    path = os.pathsep.join(map(str, folders))
    return await SystemPrograms().installed(name, cwd=str(tmp_path), path=path)


async def test_an_npm_package_says_its_version_through_the_link_in_bin(tmp_path):
    package = tmp_path / "node_modules" / "@corp" / "agent"
    real = program(package / "dist" / "cli.js")
    (package / "package.json").write_text(json.dumps({"name": "@corp/agent", "version": "2.1.3"}))
    bin_folder = tmp_path / "node_modules" / ".bin"
    bin_folder.mkdir()
    (bin_folder / "agent").symlink_to(os.path.relpath(real, bin_folder))
    found = await installed("agent", tmp_path, bin_folder)
    assert found == Installed(path=str(bin_folder / "agent"), version="2.1.3")
    assert not (tmp_path / "ran").exists()


async def test_a_python_distribution_says_the_version_of_its_console_script(tmp_path):
    program(tmp_path / "venv" / "bin" / "mini")
    library = tmp_path / "venv" / "lib" / "python3.11" / "site-packages"
    for name, scripts in (("mini_swe-2.4.6", "mini = mini:main"), ("other-1.0", "minimal = other:main")):
        (library / f"{name}.dist-info").mkdir(parents=True)
        (library / f"{name}.dist-info" / "entry_points.txt").write_text(f"[console_scripts]\n{scripts}\n")
    assert (await installed("mini", tmp_path, tmp_path / "venv" / "bin")).version == "2.4.6"


@pytest.mark.parametrize(
    "manifest", ["", "[]", "{", '{"name": "x"}', '{"name": "x", "version": 7}', '{"version": "1"}']
)
async def test_what_no_package_says_is_not_told(tmp_path, manifest):
    folder = tmp_path / "a" / "b" / "c" / "d" / "e" / "f"
    program(folder / "agent")
    (folder / "package.json").write_text(manifest)
    found = await installed("agent", tmp_path, folder)
    assert (found.path, found.version) == (str(folder / "agent"), None)


async def test_what_is_not_there_is_nothing(tmp_path):
    assert await installed("agent", tmp_path, tmp_path / "nowhere") == Installed()


async def test_without_a_path_it_is_looked_for_on_the_daemons_own(tmp_path, monkeypatch):
    found = program(tmp_path / "bin" / "agent")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert (await installed("agent", tmp_path)).path == str(found)
