"""`kazictl thaw`: goals may act again, but for those that are suspended by themselves."""

from kazictl.commands.freeze import change_fleet
from kazictl.session import Session


def run(session: Session) -> int:
    """End the freeze."""
    return change_fleet(session, "thaw", {"reason": session.arguments.texts.get("reason", "")}, done="thawed")
