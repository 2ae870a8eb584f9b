"""Following a goal to its outcome, across a daemon that restarts.

The stream is a line of JSON for each thing that happens; the last is the outcome. A stream that ends without one was
cut off: reconnect, and drop what would be told twice. The goal goes on whatever happens here.
"""

from kazictl.client import Client, Reconnection
from kazictl.connection import ConnectionLost, Unreachable
from kazictl.decode import decode_object
from kazictl.document import is_object

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from kazictl.document import Document

IDLE_S = 60.0
"""The daemon sends a heartbeat every 15 s; four missed ones mean that it is stopped or overloaded."""


def follow_goal(
    client: Client,
    target: str,
    *,
    deadline_s: float | None,
    on_item: "Callable[[Document], None]",
    note: "Callable[[str], None]",
) -> "Document":
    """The goal's document at its outcome. `on_item` gets everything before it but heartbeats, `note` tells of a loss.

    Raises DeadlinePassed (monotonic `deadline_s`); Failure when the daemon stays away or refuses.
    """
    told: dict[str, Document] = {}
    reconnection = Reconnection(client, note=note)
    while True:
        try:
            for line in client.lines(target, idle_s=IDLE_S, deadline_s=deadline_s):
                if not line.strip():
                    continue
                item = decode_object(line)
                document = item.get("document")
                if item.get("event") == "outcome" and is_object(document):
                    return document
                if item.get("event") == "heartbeat":
                    reconnection.progressed()
                elif _is_news(item, told):
                    reconnection.progressed()
                    on_item(item)
        except (ConnectionLost, Unreachable):
            pass
        reconnection.again(deadline_s=deadline_s)


def _is_news(item: "Document", told: "dict[str, Document]") -> bool:
    """False for what is the same as the last of its kind but for its time: a new stream begins with what is known."""
    event = str(item.get("event"))
    content = {key: value for key, value in item.items() if key != "at"}
    if told.get(event) == content:
        return False
    told[event] = content
    return True
