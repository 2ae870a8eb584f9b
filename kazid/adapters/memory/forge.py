"""The Forge port in memory: pull requests of commits that a test names, and the checks it says they have."""

from collections.abc import Mapping

from kazid.ports.forge import Checks, ForgeFailed, Pull


class MemoryForge:
    """`heads` says where each branch is; a merge moves the base there."""

    def __init__(self, heads: Mapping[str, str]) -> None:
        self.heads = dict(heads)
        self.said: dict[str, Checks] = {}
        self._pulls: dict[int, tuple[str, str, Pull]] = {}

    async def find(self, *, branch: str, base: str) -> Pull | None:
        """See the port."""
        found = [p for b, onto, p in self._pulls.values() if (b, onto) == (branch, base)]
        found.sort(key=lambda p: (p.is_open, p.number), reverse=True)
        return found[0] if found else None

    async def open_pull(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """See the port."""
        there = await self.find(branch=branch, base=base)
        if there is not None and there.is_open:
            return there
        number = len(self._pulls) + 1
        pull = Pull(
            number=number, head=self.heads[branch], is_open=True, is_merged=False, url=f"memory:{title}"
        )
        self._pulls[number] = (branch, base, pull)
        return pull

    async def checks(self, commit: str) -> Checks:
        """See the port."""
        return self.said.get(commit, Checks())

    async def merge(self, number: int, *, head: str) -> None:
        """See the port."""
        branch, base, pull = self._pulls[number]
        if self.heads[branch] != head:
            raise ForgeFailed("merge_refused", f"{branch} is at {self.heads[branch]}, not at {head}")
        self.heads[base] = head
        merged = Pull(number=number, head=head, is_open=False, is_merged=True, url=pull.url)
        self._pulls[number] = (branch, base, merged)
