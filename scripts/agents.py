"""Installs pinned versions of real coding-agent command lines for tests: `scripts/agents.py claude codex …`.

Each goes into a folder of its own under `.agents`, from the npm registry or PyPI by their ordinary clients, and is left
alone when that version is there already. One that cannot be had leaves its reason in `unavailable`; the tests that
would drive it are skipped with that reason.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
INSTALL_S = 540
"""The slowest takes some three minutes on two busy cores."""
REASON_CHARS = 300


class Pin(NamedTuple):
    """Where one agent comes from."""

    registry: str
    packages: tuple[str, ...]


PINNED = {
    "claude": Pin("npm", ("@anthropic-ai/claude-code@2.1.329",)),
    "codex": Pin("npm", ("@openai/codex@0.169.0",)),
    "opencode": Pin("npm", ("opencode-ai@1.18.33",)),
    "gemini_cli": Pin("npm", ("@google/gemini-cli@0.61.0",)),
    "copilot": Pin("npm", ("@github/copilot@1.0.102",)),
    "pi": Pin("npm", ("@earendil-works/pi-coding-agent@0.74.2",)),
    "qwen": Pin("npm", ("@qwen-code/qwen-code@0.15.10",)),
    # Without mcp every call of its model fails.
    "mini": Pin("pypi", ("mini-swe-agent==2.4.6", "mcp")),
    "aider": Pin("pypi", ("aider-chat==0.86.2",)),
}


def folder_of(agent: str) -> Path:
    """Where this agent is installed; `KAZI_AGENTS_DIR` moves all of them."""
    return Path(os.environ.get("KAZI_AGENTS_DIR") or ROOT / ".agents") / agent


def bin_of(agent: str) -> Path:
    """The folder of its executables."""
    return folder_of(agent) / ("node_modules/.bin" if PINNED[agent].registry == "npm" else "venv/bin")


def install(agent: str) -> str | None:
    """Have the pinned version; the reason where that cannot be."""
    pin, folder = PINNED[agent], folder_of(agent)
    done, unavailable = folder / "installed", folder / "unavailable"
    wanted = "\n".join(pin.packages)
    if done.exists() and done.read_text() == wanted:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    unavailable.unlink(missing_ok=True)
    reason = _run(_commands(pin, folder))
    if reason is None:
        done.write_text(wanted)
    else:
        unavailable.write_text(reason)
    return reason


def _commands(pin: Pin, folder: Path) -> list[list[str]]:
    if pin.registry == "npm":
        options = ["--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"]
        return [["npm", "install", *options, "--prefix", str(folder), *pin.packages]]
    venv = folder / "venv"
    return [
        [sys.executable, "-m", "venv", str(venv)],
        [str(venv / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check", *pin.packages],
    ]


def _run(commands: list[list[str]]) -> str | None:
    for command in commands:
        if shutil.which(command[0]) is None:
            return f"{command[0]} is not installed"
        try:
            run = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_S, check=False)
        except subprocess.TimeoutExpired:
            return f"{Path(command[0]).name} did not finish within {INSTALL_S} s"
        if run.returncode != 0:
            lines = [line for line in run.stderr.splitlines() if line.strip()]
            return f"{Path(command[0]).name} failed: {' '.join(lines[-3:])[:REASON_CHARS]}"
    return None


def main() -> int:
    """Install what is named; 0 also when the registry has none of it, for the tests then say so."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("agents", nargs="*", choices=[*PINNED, []], default=list(PINNED), metavar="AGENT")
    for agent in parser.parse_args().agents:
        reason = install(agent)
        print(f"{agent}: {' '.join(PINNED[agent].packages)}{f': UNAVAILABLE: {reason}' if reason else ''}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
