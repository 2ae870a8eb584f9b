"""Which goals a command means: a REF, or every goal that labels select.

REF is `id` for one's own goal and `owner/id` for another's; an id with a slash in it is written `@me/id`.
"""

from kazictl.arguments import usage_error
from kazictl.document import rows
from kazid.wire.names import API_PREFIX, OWNER_ME, encode_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from kazictl.client import Client, Reply
    from kazictl.document import Document


def split_reference(reference: str) -> tuple[str, str]:
    """(owner, id) of a REF. Raises Failure (exit 2) for one that names nothing."""
    owner, slash, goal_id = reference.partition("/")
    if not slash:
        return OWNER_ME, reference
    if not owner or not goal_id:
        raise usage_error(f"{reference!r} is not a REF", hint="write the goal's id, or OWNER/ID")
    return owner, goal_id


def untyped(reference: str) -> str:
    """The REF in a typed one: `goal:OWNER/ID`, or plain. Raises Failure (exit 2) for what is not built yet."""
    kind, colon, rest = reference.partition(":")
    if not colon:
        return reference
    if kind != "goal":
        raise usage_error(f"{reference!r}: only goals wait for approvals yet", hint="write goal:OWNER/ID")
    return rest


def goal_target(reference: str, suffix: str = "") -> str:
    """The path of a goal in the API, with `suffix` behind it (`/explain`, …)."""
    owner, goal_id = split_reference(reference)
    return _target(owner, goal_id) + suffix


def target_of(document: "Document", suffix: str = "") -> str:
    """The path of the goal that a document or a row is about."""
    return _target(str(document.get("owner") or OWNER_ME), str(document.get("goal_id"))) + suffix


def _target(owner: str, goal_id: str) -> str:
    who = owner if owner == OWNER_ME else encode_id(owner)
    return f"{API_PREFIX}/goals/{who}/{encode_id(goal_id)}"


def query(**values: object) -> str:
    """`?name=value&…` of what is not None, percent-encoded; `after_` and `for_` lose their underscore. May be empty."""
    pairs = [f"{name.rstrip('_')}={quote(str(value))}" for name, value in values.items() if value is not None]
    return "?" + "&".join(pairs) if pairs else ""


def quote(text: str) -> str:
    """The text as one value in a query."""
    return "".join(c if c.isascii() and (c.isalnum() or c in "-._~") else _percent(c) for c in text)


def _percent(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode())


def all_goals(client: "Client", labels: "list[str]") -> "tuple[list[Document], Reply]":
    """Every goal that carries all the labels, page by page; and the last page's reply."""
    goals: list[Document] = []
    selection = "".join(f"l={quote(label)}&" for label in labels)
    after = ""
    while True:
        question = (selection + (f"after={quote(after)}" if after else "")).rstrip("&")
        reply = client.get(f"{API_PREFIX}/goals" + (f"?{question}" if question else ""))
        goals += rows(reply.document, "goals")
        following = reply.document.get("next")
        if not isinstance(following, str) or not following or following == after:
            return goals, reply
        after = following
