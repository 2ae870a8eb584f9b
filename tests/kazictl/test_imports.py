"""What a fast verb loads, to the module: `status`, `list`, `wait` must start in about the time of a bare interpreter.

A module that belongs there is added here, by hand, and with a measurement.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kazictl.conftest import ROOT, TIMEOUT_S
from tests.kazictl.fake_daemon import FakeDaemon, a_goal, a_list, a_summary, document

ALWAYS = {
    "_json",
    "_socket",
    "kazictl",
    "kazictl.__main__",
    "kazictl.arguments",
    "kazictl.cli",
    "kazictl.client",
    "kazictl.commands",
    "kazictl.connection",
    "kazictl.incoming",
    "kazictl.decode",
    "kazictl.discover",
    "kazictl.document",
    "kazictl.durations",
    "kazictl.failure",
    "kazictl.session",
    "kazictl.targets",
    "kazictl.terminal",
    "kazictl.verbs",
    "kazid",
    "kazid.wire",
    "kazid.wire.exit_codes",
    "kazid.wire.names",
    "kazid.wire.paths",
}
FOR_PEOPLE = {"kazictl.goal_view", "kazictl.render"}

PROBE = """
import sys
sys.path.insert(0, sys.argv.pop(1))
before = set(sys.modules)
from kazictl.__main__ import main
try:
    main()
finally:
    loaded = set(sys.modules) - before
    import json
    print(json.dumps(sorted(loaded)), file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("argv", "loaded"),
    [
        pytest.param(
            ["status", "web"], ALWAYS | FOR_PEOPLE | {"kazictl.commands.status", "kazictl.commands.list"}
        ),
        pytest.param(
            ["status", "web", "--json"], ALWAYS | {"kazictl.commands.status", "kazictl.commands.list"}
        ),
        pytest.param(["list"], ALWAYS | FOR_PEOPLE | {"kazictl.commands.list"}),
        pytest.param(["list", "--json"], ALWAYS | {"kazictl.commands.list"}),
        pytest.param(["wait", "web"], ALWAYS | FOR_PEOPLE | {"kazictl.commands.wait"}),
        pytest.param(["wait", "web", "--timeout", "1s", "--json"], ALWAYS | {"kazictl.commands.wait"}),
    ],
    ids=" ".join,
)
def test_a_fast_verb_loads_exactly_these_modules(
    daemon: FakeDaemon, folder: Path, argv: list[str], loaded: set[str]
) -> None:
    daemon.on("GET", "/v1/goals/@me/web", document(a_goal()))
    daemon.on("GET", "/v1/goals/@me/web/wait", document(a_goal()))
    daemon.on("GET", "/v1/goals", document(a_list(a_summary())))
    finished = subprocess.run(
        [sys.executable, "-I", "-c", PROBE, str(ROOT), *argv],
        env={"KAZI_SOCKET": daemon.path},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert finished.stdout
    assert set(json.loads(finished.stderr)) == loaded


def test_no_client_module_but_the_slow_ones_imports_what_is_slow() -> None:
    """`re` alone costs half an interpreter's start; whoever needs it imports it where it is used."""
    slow = ("argparse", "dataclasses", "enum", "pathlib", "re", "socket", "subprocess", "typing")
    guilty = [
        f"{path.name}: {line}"
        for path in (ROOT / "kazictl").rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(tuple(f"{word} {name}" for word in ("import", "from") for name in slow))
        and line.split()[1].split(".")[0] in slow
    ]
    assert guilty == []
