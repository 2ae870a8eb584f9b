"""`kazictl replay FILE`: decide a recorded incident again, and show where the decisions differ.

Needs no daemon. The deciding is kazid's own (`python -m kazid.replay`), in a process of its own, so that this client
stays small.
"""

from kazictl.session import Session


def run(session: Session) -> int:
    """Run the replay with what was typed; its exit code."""
    import subprocess
    import sys

    arguments = session.arguments
    words = ["--json"] if session.wants_json else []
    words += ["--all"] if "all" in arguments.flags else []
    command = [sys.executable, "-P", "-m", "kazid.replay", *words, "--", arguments.words[0]]
    return subprocess.run(command, check=False).returncode
