"""The real kazid but for two things: an `http_probe` that answers at once, and goals whose phases are spread already.

A daemon that has run for hours looks at its goals at moments spread over the interval; one that has just started does
not. So the second look's successor comes after a random share of the interval, and the steady state is there as soon as
the first looks are over. Everything else is `kazid.main`, with journal, API, pulse and log. Run by `bench/idle.py`.
"""

import cProfile
import os
import sys
from collections.abc import Mapping

import kazid.main
from kazid.core import cadence, jitter
from kazid.core.json import Json
from kazid.core.verdict import Verdict, passed
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look

LOOKS_AFTER_START = 2
"""A start takes this many looks at each goal: green counts when it was seen twice."""
PROFILE = "KAZI_BENCH_PROFILE"


class Instant:
    """A provider without a wait; its evidence is as big as that of a small reply."""

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        return passed(url=options["url"], method="GET", http_status=200, body="ok")


def spread_as_after_hours(interval_s: float, *parts: object) -> float:
    """The real spread but for the first whole interval, of which it takes a random share."""
    if parts[-1] == LOOKS_AFTER_START:
        return interval_s * jitter.fraction("phase", *parts)
    return jitter.spread_interval_s(interval_s, *parts)


def main() -> int:
    providers = kazid.main.builtin_providers
    kazid.main.builtin_providers = lambda: {**providers(), "http_probe": Instant()}
    cadence.spread_interval_s = spread_as_after_hours
    file = os.environ.get(PROFILE)
    if file is None:
        return kazid.main.run(sys.argv[1:])
    profile = cProfile.Profile()
    try:
        return profile.runcall(kazid.main.run, sys.argv[1:])
    finally:
        profile.dump_stats(file)


if __name__ == "__main__":
    sys.exit(main())
