"""An agent whose last words are that it waits for what it left running in the background.

Whatever an agent starts ends with its attempt, so it waits for nothing, and the next attempt would park the same way.
Believed only where the attempt was paid for, ended by itself and changed nothing (`decide.py` asks for the latter), and
only where the text both says that it waits and names something in the background. Pure; source: the predecessor's
`parked_on_background`.
"""

import re

_WAITS = re.compile(
    r"\b(?:wait(?:ing|s)?\s+(?:for|on|until)|(?:standing|stand)\s+by"
    r"|(?:i'll|will)\s+(?:wait|be notified|check back|report back|resume|continue))\b",
    re.IGNORECASE,
)
_BACKGROUND = re.compile(
    r"\bbackground(?:ed)?\b|\bmonitor(?:ed)?\s+(?:job|task|process)"
    r"|\b(?:tests?|suite|build|job|task|command|process)\s+(?:is|are)\s+still\s+running\b",
    re.IGNORECASE,
)
LAST_WORDS_CHARS = 1000
"""What it ends with; what it said on the way may be over."""


def is_parked(text: str | None) -> bool:
    """Whether these are the last words of an agent that waits for something in the background."""
    if text is None:
        return False
    last = text[-LAST_WORDS_CHARS:]
    return _WAITS.search(last) is not None and _BACKGROUND.search(last) is not None
