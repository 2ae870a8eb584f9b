"""How far a goal may go by itself, as its file says: `[autonomy]`. Per predicate it is a key of the predicate."""

from kazid.core.level import Autonomy, Level, Risk
from kazid.goalfile.table import Table


def read_autonomy(table: Table) -> Autonomy:
    """The levels of the goal and of its risk classes; what is not written is `act`."""
    risks = {risk.value: Level(text) for risk in Risk if (text := table.text(risk.value)) is not None}
    return Autonomy(level=Level(table.text("level") or Level.ACT.value), risks=risks)
