"""What is really up in the simulated world, and was when: what looks and promises are held against."""

from kazid.adapters.memory.clock import MemoryClock

MS = 0.0011
"""Two times this near are one moment: a look is timed when its task next runs."""


class Truth:
    """What is up when: every change, so that a look can be held against the moment it was made."""

    def __init__(self, clock: MemoryClock) -> None:
        self._clock = clock
        self._changes: dict[str, list[tuple[float, bool]]] = {}

    def set(self, name: str, is_up: bool) -> None:
        self._changes.setdefault(name, []).append((self._clock.now().boot_s, is_up))

    def now(self, name: str) -> bool:
        changes = self._changes.get(name)
        return bool(changes) and changes[-1][1]

    def was(self, name: str, is_up: bool, *, at_s: float) -> bool:
        """Whether it was so at that moment; at the very moment of a change both were."""
        before = False
        for changed_s, value in self._changes.get(name, []):
            if changed_s > at_s + MS:
                break
            if changed_s >= at_s - MS and (before is is_up or value is is_up):
                return True
            before = value
        return before is is_up

    def was_ever_up(self, name: str, *, since_s: float, until_s: float) -> bool:
        """Whether there was a moment of that time at which it was up."""
        return self.was(name, True, at_s=since_s) or any(
            value and since_s - MS <= changed_s <= until_s + MS
            for changed_s, value in self._changes.get(name, [])
        )
