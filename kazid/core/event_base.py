"""What all events have in common. They are in `core/event.py`, and those about approvals in a file of their own."""

import msgspec


class BaseEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="type"):
    """Base of all events: frozen, written without defaults so that old readers of new journals see less noise."""
