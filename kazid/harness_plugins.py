"""Agents of other packages: what entry points of the group `kazid.harnesses` name, loaded once, at start.

An entry point names a `Profile`. One that cannot be loaded is one line in the log, and its name is unknown to
goal-files; the daemon goes on. What is built in always wins.
"""

from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import structlog

from kazid.harnesses.profile import Profile

log = structlog.get_logger(__name__)

ENTRY_POINTS = "kazid.harnesses"


def find_harnesses(builtin: Collection[str]) -> Mapping[str, Profile]:
    """Every installed agent that is fit to use; `builtin` are the names that are taken. Never raises."""
    return load_harnesses(entry_points(group=ENTRY_POINTS), builtin)


def load_harnesses(found: Iterable[EntryPoint], builtin: Collection[str]) -> Mapping[str, Profile]:
    """The profiles of these entry points, by name."""
    made: dict[str, Profile] = {}
    for point in sorted(found, key=lambda p: (p.name, p.value)):
        why: str | None
        try:
            profile: object = point.load()
        except (Exception, SystemExit) as error:  # noqa: BLE001 - plugin load: foreign code may raise anything
            why = f"{type(error).__name__}: {error}"
        else:
            why = _unfit(point, profile, builtin, made)
            if why is None and isinstance(profile, Profile):
                made[point.name] = profile
                log.info("plugin.loaded", harness=point.name, entry=point.value)
        if why is not None:
            log.error("plugin.refused", harness=point.name, entry=point.value, reason=why)
    return made


def _unfit(point: EntryPoint, profile: object, builtin: Collection[str], made: Collection[str]) -> str | None:
    if not isinstance(profile, Profile):
        return f"{point.value} is no kazid.harnesses.profile.Profile but a {type(profile).__name__}"
    if profile.id != point.name:
        return f"its id is {profile.id!r}, its entry point's name {point.name!r}"
    if point.name in builtin:
        return f"the harness {point.name!r} is built in"
    return f"two packages claim the harness {point.name!r}" if point.name in made else None
