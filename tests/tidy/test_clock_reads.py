"""Time and randomness enter through ports. Ruff bans them by name, but not in main and api.

Those two are exempt from ruff's TID251 because they may name asyncio, and an exemption is for the whole rule.
"""

import ast

from tests.tidy.tree import ROOT, dotted_name, named, syntax_of

EXEMPT_FROM_RUFF = (ROOT / "kazid" / "main.py", *(ROOT / "kazid" / "api").rglob("*.py"))

CLOCKS = {
    "time.time", "time.time_ns", "time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.sleep",
    "datetime.now", "datetime.datetime.now", "datetime.utcnow", "datetime.datetime.utcnow",
    "date.today", "datetime.date.today", "datetime.today", "datetime.datetime.today",
}  # fmt: skip
DICE = {
    f"random.{name}" for name in ("random", "uniform", "randint", "randrange", "choice", "shuffle", "seed")
}


def test_main_and_api_read_no_clock_and_throw_no_dice() -> None:
    reads = [
        f"{named(path)}:{node.lineno} {dotted_name(node.func)}"
        for path in EXEMPT_FROM_RUFF
        if path.exists()
        for node in ast.walk(syntax_of(path))
        if isinstance(node, ast.Call) and dotted_name(node.func) in CLOCKS | DICE
    ]
    assert reads == []
