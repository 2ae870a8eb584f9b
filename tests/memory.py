"""How much memory this process came to need while something ran: the kernel's own high-water mark."""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

MIB = 1024 * 1024


@contextmanager
def bounded_memory(*, growth_max: int) -> Generator[None]:
    """Fails when resident memory rose by more than `growth_max` bytes at any moment within."""
    Path("/proc/self/clear_refs").write_text("5")
    before = _status("VmRSS")
    yield
    grown = _status("VmHWM") - before
    assert grown <= growth_max, f"{grown // MIB} MiB more than before; {growth_max // MIB} are allowed"


def _status(key: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(f"the kernel tells no {key}")
