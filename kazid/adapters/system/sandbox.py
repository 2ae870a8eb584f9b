"""The Sandbox port: bubblewrap where it was seen to work, landlock as the floor (`shim/confine.py`).

Neither needs root. Both are put on by the command line itself, inside of the shim, so that the shim sees, limits and
kills what is confined like anything else.
"""

import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import anyio.to_thread
import msgspec

from kazid.core.confinement import Capabilities, Confinement
from kazid.ports.commands import Command, CommandRunner, Ending
from kazid.shim import confine

PROBE_S = 10.0


class SystemSandbox:
    """Asked once, at the first need."""

    def __init__(self, commands: CommandRunner) -> None:
        self._commands = commands
        self._known: Capabilities | None = None

    async def capabilities(self) -> Capabilities:
        """See the port."""
        if self._known is None:
            path, reason = await self._probe()
            self._known = Capabilities(landlock_abi=confine.abi(), bubblewrap=path, bubblewrap_reason=reason)
        return self._known

    async def _probe(self) -> tuple[str | None, str]:
        """Run it once: a kernel or its policy may forbid what is installed."""
        path = await anyio.to_thread.run_sync(shutil.which, "bwrap")
        if path is None:
            return None, "it is not installed (apt-get install bubblewrap)"
        argv = (path, "--ro-bind", "/", "/", "--dev-bind", "/dev", "/dev", "--unshare-net", "true")
        ended = await self._commands.run(Command(argv=argv, cwd="/", deadline_s=PROBE_S))
        if ended.ending is Ending.EXITED and ended.exit_code == 0:
            return path, ""
        return None, f"it does not work here: {ended.stderr.text.strip()[:200] or ended.reason}"

    def wrap(self, argv: Sequence[str], bounds: Confinement, *, cwd: str) -> tuple[str, ...]:
        """See the port. Called only for what `capabilities` said can be enforced."""
        own = (sys.prefix, sys.base_prefix, os.path.dirname(confine.__file__))
        reads = _paths((*bounds.reads, *own, os.path.dirname(os.path.realpath(argv[0]))))
        writes = _paths(bounds.writes)
        path = None if self._known is None else self._known.bubblewrap
        if path is None or bounds.ports is not None:
            spec: dict[str, object] = {"reads": reads, "writes": writes}
            if bounds.ports is not None:
                spec["ports"] = list(bounds.ports)
            argv = (sys.executable, "-I", "-S", confine.__file__, msgspec.json.encode(spec).decode(), *argv)
        if path is None:
            assert not bounds.is_offline, "only a namespace takes the network away"
            return tuple(argv)
        binds = [word for place in reads for word in ("--ro-bind-try", place, place)]
        binds += ["--dev-bind-try", "/dev", "/dev", "--proc", "/proc"]
        binds += [w for place in writes if not place.startswith("/dev") for w in ("--bind-try", place, place)]
        if "/" in writes:
            binds = ["--bind", "/", "/", "--dev-bind", "/dev", "/dev"]
        offline = ("--unshare-net",) if bounds.is_offline else ()
        return (path, "--die-with-parent", *binds, *offline, "--chdir", cwd, "--", *argv)


def _paths(places: Sequence[str]) -> list[str]:
    """Absolute, and below the home of whoever runs it where they say so; each once."""
    home = str(Path.home())
    full = (home + p[1:] if p == "~" or p.startswith("~/") else p for p in places)
    return list(dict.fromkeys(p for p in full if p.startswith("/")))
