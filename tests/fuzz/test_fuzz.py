"""Every parser on bytes that nobody would write: no crash, no hang, no false green; and no parser is left out."""

import ast
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kazid.core.verdict import Verdict
from tests.fuzz.targets import RED, TARGETS

PROVIDERS = Path(__file__).parents[2] / "kazid" / "providers"
FROM_OUTSIDE = ("text", "encoded", "output", "diff", "line")
"""What the first parameter is called of a function that reads what comes from outside."""
WORDS = tuple(
    dict.fromkeys(word for target in TARGETS.values() for seed in target.seeds for word in seed.split())
)
DATA = st.one_of(
    st.binary(max_size=120),
    st.lists(st.sampled_from([*WORDS, b"\n", b"{", b"]", b'"', b"1e999", b"\xff", b"9" * 400]), max_size=20).flatmap(
        lambda words: st.sampled_from((b"", b" ", b"\n")).map(lambda joint: joint.join(words))
    ),
)  # fmt: skip
HANG_S = 5.0


def parsers() -> Iterator[str]:
    """Every public function of the providers that reads text or bytes from outside, as `module.function`."""
    for path in sorted(PROVIDERS.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            first = node.args.args[:1] if isinstance(node, ast.FunctionDef) else []
            is_text = first and first[0].annotation and ast.unparse(first[0].annotation) in ("str", "bytes")
            if isinstance(node, ast.FunctionDef) and is_text and not node.name.startswith("_"):
                names = {argument.arg for argument in node.args.args}
                if first[0].arg in FROM_OUTSIDE or (path.parent.name == "formats" and "text" in names):
                    yield f"{path.stem}.{node.name}"


def test_every_parser_is_fuzzed() -> None:
    found = set(parsers())
    assert len(found) > 30
    assert found == {name for target in TARGETS.values() for name in target.covers}


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_no_bytes_break_it(name: str) -> None:
    target = TARGETS[name]
    for seed in (b"", b" ", *target.seeds):
        target.run(seed)

    @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(
        data=DATA, seed=st.sampled_from([b"", *target.seeds]), at=st.integers(0, 200), drop=st.integers(0, 8)
    )
    def holds(data: bytes, seed: bytes, at: int, drop: int) -> None:
        started_s = time.process_time()
        target.run(seed[:at] + data[: at + 1] + seed[at + drop :])
        target.run(data)
        assert time.process_time() - started_s < HANG_S

    holds()


@pytest.mark.parametrize("name", sorted(RED))
def test_no_cut_of_a_red_report_is_green(name: str) -> None:
    """A disk that was full, a pipe that broke, a log that was rotated: the head or the tail is gone."""
    run, red = TARGETS[name].run, RED[name]
    whole = run(red)
    assert isinstance(whole, Verdict)
    assert whole.status.value == "fail", whole
    for at in range(1, len(red)):
        for cut in (red[:at], red[:1] + red[at:]):
            verdict = run(cut)
            assert isinstance(verdict, Verdict)
            assert not verdict.is_green, cut
