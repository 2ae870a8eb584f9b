"""The last resort of a shutdown that hangs: the journal is crash-only, so ending hard loses nothing."""

import contextlib
import os
import sys
import threading


def force_end_after(delay_s: float, *, exit_code: int) -> None:
    """End this process by force, unless it has ended by then."""

    def end() -> None:
        with contextlib.suppress(OSError):
            print(f"kazid: shutdown took longer than {delay_s:g} s; ending now", file=sys.stderr)  # noqa: T201
        os._exit(exit_code)

    timer = threading.Timer(delay_s, end)
    timer.daemon = True
    timer.start()
