"""The agents this kazid can start, by the name goal-files use. A new one is a file beside this and one line here."""

from collections.abc import Mapping

from kazid.harnesses.claude import CLAUDE
from kazid.harnesses.profile import Profile

DEFAULT_ID = "claude"
"""Where neither flag, goal-file nor settings name one."""

BUILTIN: Mapping[str, Profile] = {profile.id: profile for profile in (CLAUDE,)}

assert DEFAULT_ID in BUILTIN
