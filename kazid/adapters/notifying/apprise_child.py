"""Sends one notification through Apprise: `{"url", "title", "body"}` on standard input, exit 0 when it was taken.

A process of its own: the library loads 170 services and may hang in any of them. Knows no kazid.
"""

import json
import sys
from importlib import import_module
from typing import Any


def main() -> int:
    """Send it; the process's exit code."""
    try:
        apprise: Any = import_module("apprise")
    except ImportError:
        print("apprise is not installed: pip install 'kazi[apprise]'", file=sys.stderr)  # noqa: T201
        return 2
    order = json.load(sys.stdin)
    sender = apprise.Apprise()
    if not sender.add(order["url"]):
        print("apprise knows no such address", file=sys.stderr)  # noqa: T201
        return 2
    return 0 if sender.notify(title=order["title"], body=order["body"]) else 1


if __name__ == "__main__":
    sys.exit(main())
