"""The agents as `kazictl harness list` shows them: what a dispatch of each would use, credentials by name only."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from kazid.harnesses.profile import Profile
from kazid.ports.harness import ListedHarness


def listed(profiles: Iterable[Profile], *, default: str) -> Sequence[ListedHarness]:
    """Every agent, in the order given, with the daemon's own environment."""
    return [described(profile, os.environ, is_default=profile.id == default) for profile in profiles]


def described(profile: Profile, environ: Mapping[str, str], *, is_default: bool) -> ListedHarness:
    """One agent as a person sees it."""
    return ListedHarness(
        id=profile.id,
        command=profile.command,
        version_args=tuple(profile.version_args),
        tier=profile.tier.value,
        lacks=tuple(profile.lacks),
        takes=tuple(profile.takes),
        prompt_by=profile.prompt_by.value,
        is_default=is_default,
        is_stub_tested=profile.is_stub_tested,
        credentials=tuple(profile.credentials),
        credentials_set=tuple(name for name in profile.credentials if environ.get(name)),
        config_home=_config_home(profile, environ),
    )


def _config_home(profile: Profile, environ: Mapping[str, str]) -> str | None:
    """The folder that its login lies in for a dispatch of this daemon; None when there is none yet."""
    named = [
        environ[name] for name in profile.config_homes if environ.get(name) and not name.startswith("XDG_")
    ]
    home = environ.get("HOME")
    usual = [] if home is None else [f"{home}/{folder}" for folder in profile.config_folders]
    return next((path for path in (*named, *usual) if Path(path).exists()), None)
