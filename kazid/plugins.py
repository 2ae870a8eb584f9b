"""Predicate kinds of other packages, found by their entry points and loaded once, at start.

A plugin that cannot be loaded is one line in the log and a kind that is refused by name; the daemon goes on, and so do
all other kinds. What is built in always wins. A plugin runs in the daemon, as whom the daemon runs.
"""

import inspect
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points

import msgspec
import structlog

from kazid.core.json import Json
from kazid.core.verdict import Verdict, errored
from kazid.goalfile import vocabulary
from kazid.ports.catalog import KindSpec
from kazid.ports.commands import CommandRunner
from kazid.ports.plugin import ENTRY_POINTS, Plugin
from kazid.ports.provider import Look, Provider

log = structlog.get_logger(__name__)

KIND_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
SHARED_KEYS = frozenset({"timeout_ms", "samples", "feature", "scenario", "steps", "name", "role"})
"""Keys of every predicate that a kind may take as its own."""
OWN_KEYS = (vocabulary.PREDICATE.keys() | vocabulary.IMPORTED.keys()) - SHARED_KEYS


class Plugins(msgspec.Struct, frozen=True, kw_only=True):
    """What the plugins add to the built-in tables."""

    kinds: Mapping[str, KindSpec] = {}
    providers: Mapping[str, Provider] = {}
    network_kinds: frozenset[str] = frozenset()


class Unloaded:
    """Stands for the provider of a plugin that could not be loaded: stored goals of its kind cannot be looked at."""

    def __init__(self, why: str) -> None:
        self._why = why

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """ERROR with the reason, which is the operator's to mend."""
        return errored("no_provider", self._why)


class _Unfit(Exception):
    """What is wrong with a plugin, in words."""


def find_plugins(builtin: Collection[str]) -> Plugins:
    """Load every installed plugin; `builtin` are the names that are taken. Never raises."""
    return load_plugins(entry_points(group=ENTRY_POINTS), builtin)


def load_plugins(found: Iterable[EntryPoint], builtin: Collection[str]) -> Plugins:
    """The kinds of these entry points, the unusable ones with why they are."""
    points = sorted(found, key=lambda p: (p.name, _package(p)))
    claims = Counter(p.name for p in points)
    kinds: dict[str, KindSpec] = {}
    providers: dict[str, Provider] = {}
    network: set[str] = set()
    for point in points:
        if point.name in kinds:
            continue
        try:
            _check_claim(point, builtin, claims=claims[point.name])
            plugin = _plugin(point)
            provider = plugin.make()
            _check_provider(provider)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - plugin load: foreign code may raise anything
            why = str(error) if isinstance(error, _Unfit) else f"{type(error).__name__}: {error}"
            log.error(
                "plugin.refused", kind=point.name, package=_package(point), entry=point.value, reason=why
            )
            if point.name not in builtin and KIND_NAME.fullmatch(point.name):
                sentence = f"plugin {_package(point)} could not be loaded: {why}"
                kinds[point.name] = _unusable(point.name, sentence)
                providers[point.name] = Unloaded(sentence)
            continue
        kinds[point.name] = plugin.kind
        providers[point.name] = provider
        if plugin.is_network:
            network.add(point.name)
        log.info("plugin.loaded", kind=point.name, package=_package(point))
    return Plugins(kinds=kinds, providers=providers, network_kinds=frozenset(network))


def _check_claim(point: EntryPoint, builtin: Collection[str], *, claims: int) -> None:
    if KIND_NAME.fullmatch(point.name) is None:
        raise _Unfit(f"{point.name!r} is no name for a kind: lower case, digits and _, a letter first")
    if point.name in builtin:
        raise _Unfit(f"the kind {point.name!r} is built in")
    if claims > 1:
        raise _Unfit(f"{claims} packages claim the kind {point.name!r}")


def _plugin(point: EntryPoint) -> Plugin:
    plugin = point.load()
    if not isinstance(plugin, Plugin):
        raise _Unfit(f"{point.value} is no kazid.ports.plugin.Plugin but a {type(plugin).__name__}")
    kind = plugin.kind
    if kind.name != point.name:
        raise _Unfit(f"its kind is named {kind.name!r}, its entry point {point.name!r}")
    if not kind.built or kind.synthesized or kind.unusable is not None:
        raise _Unfit("its KindSpec must say built = True, and neither synthesized nor unusable")
    if not kind.verdicts:
        raise _Unfit("its KindSpec says no verdict rule (verdicts)")
    taken = sorted(OWN_KEYS & kind.keys.keys())
    if taken:
        raise _Unfit(f"its keys {', '.join(taken)} are keys of every predicate")
    return plugin


def _check_provider(provider: Provider) -> None:
    if not inspect.iscoroutinefunction(getattr(provider, "evaluate", None)):
        raise _Unfit(f"{type(provider).__name__}.evaluate is no async method")


def _unusable(name: str, why: str) -> KindSpec:
    return KindSpec(name=name, summary=why, live=False, built=False, keys={}, unusable=why)


def _package(point: EntryPoint) -> str:
    return point.value.partition(":")[0] if point.dist is None else f"{point.dist.name} {point.dist.version}"
