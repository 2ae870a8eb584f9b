"""Reading JSON documents without trusting their shape: a daemon may be older or newer than this client.

A field that is missing or of another type reads as empty, so that it is not shown, and never as an exception.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias, TypeGuard

    Document: TypeAlias = dict[str, Any]


def is_object(value: object) -> "TypeGuard[Document]":
    """True for a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> "TypeGuard[list[Any]]":
    """True for a JSON array."""
    return isinstance(value, list)


def is_number(value: object) -> "TypeGuard[float]":
    """True for a JSON number; a boolean is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def rows(document: "Document", key: str) -> "list[Document]":
    """The objects in an array of objects."""
    value = document.get(key)
    return [row for row in value if is_object(row)] if is_list(value) else []


def entries(document: "Document", key: str) -> "list[Any]":
    """The values of an array."""
    value = document.get(key)
    return value if is_list(value) else []


def members(document: "Document", key: str) -> "Document":
    """The object under a key."""
    value = document.get(key)
    return value if is_object(value) else {}


def number(document: "Document", key: str) -> float | None:
    """The number under a key."""
    value = document.get(key)
    return value if is_number(value) else None
