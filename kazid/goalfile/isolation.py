"""Where agents of a goal work, as `[workspace]` says. A goal without an agent has nothing to isolate."""

from kazid.core.goal import Isolation
from kazid.goalfile.table import Table
from kazid.goalfile.vocabulary import WORKSPACE


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
