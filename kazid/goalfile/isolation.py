"""Where agents of a goal work, what they can reach and what attempts may use: `[workspace]`, `[sandbox]`, `[limits]`.

Without an agent there is neither of the first two.
"""

import re

from kazid.core.goal import Isolation, Limits, Sandbox
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import WORKSPACE

PORT_MAX = 65_535
BYTES = {"kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
MEMORY_BYTES_MIN = 64 * 2**20
"""Less starts no interpreter."""
_AMOUNT = re.compile(r"([0-9]{1,6}) ?([a-z]{2,3})", re.IGNORECASE)


def read_isolation(table: Table, *, has_agent: bool) -> Isolation:
    """The isolation of a goal; in place where no agent works."""
    if not has_agent:
        return Isolation()
    return Isolation(
        mode=table.text("mode") or str(WORKSPACE["mode"].default),
        setup=table.texts("setup"),
        setup_timeout_s=table.seconds("setup_timeout") or 600.0,
        dirty=table.text("dirty") or str(WORKSPACE["dirty"].default),
    )


def read_sandbox(table: Table, problems: Problems) -> Sandbox:
    """The bounds around a goal's agents."""
    ports: list[int] = []
    for index, text in enumerate(table.texts("allow_ports")):
        if text.isdecimal() and 0 < int(text) <= PORT_MAX:
            ports.append(int(text))
        else:
            problems.add((*table.path, "allow_ports", index), f"sandbox: {shown(text)} is no TCP port")
    for key in ("reads", "writes"):
        for index, path in enumerate(table.texts(key)):
            if not path.startswith(("/", "~/")):
                message = f"sandbox: {key}: {shown(path)} must be absolute, or begin with ~/"
                problems.add((*table.path, key, index), message)
    network = table.text("network") or "open"
    if network == "ports" and not table.texts("allow_ports"):
        problems.add(
            table.path, 'sandbox: network = "ports" names none in allow_ports', hint='say network = "off"'
        )
    return Sandbox(
        mode=table.text("mode") or "none",
        network=network,
        ports=tuple(ports),
        reads=table.texts("reads"),
        writes=table.texts("writes"),
    )


def read_limits(table: Table, problems: Problems) -> Limits:
    """What one attempt may use."""
    memory = table.text("memory")
    memory_bytes = None if memory is None else _bytes(memory)
    if memory is not None and (memory_bytes is None or memory_bytes < MEMORY_BYTES_MIN):
        message = f"limits.memory: {shown(memory)} is no amount of 64 MiB or more"
        problems.add((*table.path, "memory"), message, hint='write "512MiB" or "4GB"')
    return Limits(
        cpu=table.integer("cpu"),
        memory_bytes=memory_bytes,
        pids=table.integer("pids"),
        files=table.integer("files"),
    )


def _bytes(text: str) -> int | None:
    found = _AMOUNT.fullmatch(text.strip())
    unit = None if found is None else BYTES.get(found[2].lower())
    return None if found is None or unit is None else int(found[1]) * unit
