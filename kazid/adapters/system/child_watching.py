"""How asyncio learns that a child ended: on 3.11 the default is a thread for each; pidfd takes a quarter off the loop's
CPU (reference/feasibility.md, section 2), and is what newer Pythons do by themselves.
"""

import asyncio
import sys


def use_pidfd_watcher() -> None:
    """Have children watched by pidfd; to be called before the loop runs."""
    if sys.version_info < (3, 12):
        policy = asyncio.get_event_loop_policy()  # pyright: ignore[reportDeprecated] - 3.11 has no other way
        policy.set_child_watcher(asyncio.PidfdChildWatcher())  # pyright: ignore[reportDeprecated]
