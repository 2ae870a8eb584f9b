"""`kazictl reconcile REF`: look again now. Only wakes: a stop, a suspension or a backoff stays what it is."""

from kazictl.session import Session
from kazictl.steering import steer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.document import Document

LOOKS_ON = frozenset({"observing", "acting", "waiting", "suspended", "holding"})


def run(session: Session) -> int:
    """Wake one goal, or each that -l selects."""
    return steer(session, "reconcile", done=_done)


def _done(document: "Document") -> str:
    """What it did: a goal that has ended is looked at no more."""
    is_looked_at = any(p.get("next_look_at") is not None for p in document.get("predicates") or ())
    if is_looked_at or document.get("status") in LOOKS_ON:
        return "woken"
    return "nothing is looked at, for it has ended"
