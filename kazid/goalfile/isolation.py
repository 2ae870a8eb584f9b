"""Where agents of a goal work and what they can reach: `[workspace]` and `[sandbox]`. Without an agent, neither."""

from kazid.core.goal import Isolation, Sandbox
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import WORKSPACE

PORT_MAX = 65_535


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
