"""`scenario`: what a pin has to be, and what a replay of it comes to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core import pin
from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.builtin import BUILTIN
from kazid.providers.cli import Cli
from kazid.providers.scenario import Scenario
from tests.providers.running import really
from tests.providers.test_repository_kinds import Repository

pytestmark = pytest.mark.anyio

STEPS = ("Given a shop", "When the shopper greets", "Then the answer is polite", "And it is short")
FEATURE = "Feature: The Shop\n  Background:\n    Given x\n  @tag\n  Scenario:   Say  hello\n" + "".join(
    f"    {step}\n    # a comment\n" for step in STEPS
)
NAME = "Say  hello"
PIN_PATH = "docs/specs/pins/the-shop__say-hello.pin.json"
OPTIONS: dict[str, Json] = {"spec": "shop.feature", "scenario": NAME, "surface": "cli", "cmd": "sh"}


def a_pin(**others: Any) -> dict[str, Any]:
    run = {
        "args": ["-c", "echo hello {{who}}"],
        "assertions": [{"target": "stdout", "match": "contains", "expected": "hello {{who}}"}],
    }
    return {
        "pin_version": 1, "spec": "shop.feature", "scenario": NAME, "scenario_sha": pin.scenario_sha(NAME, STEPS),
        "surface": "cli", "inputs": {"who": "unique_slug"}, "trace": {"script": [run]},
        "map": [
            {"step": "the shopper greets", "steps": [0], "assertions": []},
            {"step": "Then  the answer is polite", "steps": [], "assertions": [0]},
            {"step": "it is short", "steps": [], "assertions": [0]},
        ],
        **others,
    }  # fmt: skip


async def replayed(
    folder: Path, pinned: object | None, *, options: Mapping[str, Json] | None = None
) -> Verdict:
    (folder / "shop.feature").write_text(FEATURE)
    path = folder / PIN_PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    if pinned is not None:
        path.write_text(pinned if isinstance(pinned, str) else json.dumps(pinned))
    return await really(Scenario({"cli": Cli()}), {**OPTIONS, **(options or {})}, folder)


async def test_a_pinned_scenario_is_replayed_with_fresh_values(tmp_path: Path) -> None:
    first, second = await replayed(tmp_path, a_pin()), await replayed(tmp_path, a_pin())
    assert first.status is Status.PASS, first
    assert (first.evidence["pin_state"], first.score) == ("pinned", 1)
    assert str(first.evidence["stdout"]).startswith("hello who-")
    assert first.evidence["inputs"] != second.evidence["inputs"]


@pytest.mark.parametrize(
    ("pinned", "options", "status", "reason"),
    [
        pytest.param(None, {}, "fail", "unpinned", id="no-pin"),
        pytest.param("nope", {}, "fail", "invalid", id="no-json"),
        pytest.param("[]", {}, "fail", "invalid", id="no-object"),
        pytest.param(a_pin(pin_version=2), {}, "fail", "invalid", id="another-version"),
        pytest.param(a_pin(inputs={}), {}, "fail", "invalid", id="a-placeholder-without-input"),
        pytest.param(a_pin(inputs={"who": "dice"}), {}, "fail", "invalid", id="an-unknown-generator"),
        pytest.param(a_pin(map=[]), {}, "fail", "invalid", id="steps-that-are-mapped-to-nothing"),
        pytest.param(a_pin(trace={"url": "x"}), {}, "fail", "invalid", id="a-key-of-another-surface"),
        pytest.param(a_pin(surface="browser"), {}, "fail", "invalid", id="another-surface"),
        pytest.param(a_pin(scenario_sha="0"), {}, "fail", "stale", id="the-words-changed"),
        pytest.param(a_pin(scenario_sha="0", pin_version=2), {}, "fail", "stale", id="which-wins"),
        pytest.param(a_pin(scenario_sha="0"), {"repin": "manual"}, "fail", "stale_manual", id="by-hand"),
        pytest.param(a_pin(), {"spec": "nope.feature"}, "error", "spec_not_found", id="no-spec"),
        pytest.param(a_pin(), {"spec": "../shop.feature"}, "error", "invalid_config", id="a-spec-outside"),
        pytest.param(a_pin(), {"scenario": "Other"}, "error", "scenario_not_found", id="no-scenario"),
        pytest.param(a_pin(), {"surface": "browser"}, "error", "surface_unavailable", id="no-surface"),
        pytest.param(a_pin(), {"no_such_option": 1}, "error", "invalid_config", id="an-unknown-option"),
        pytest.param(a_pin(), {"pin": "elsewhere.json"}, "fail", "unpinned", id="an-own-place"),
    ],
)
async def test_a_pin_is_replayed_or_it_is_said_what_is_to_be_done(
    tmp_path: Path, pinned: object, options: dict[str, Json], status: str, reason: str
) -> None:
    verdict = await replayed(tmp_path, pinned, options=options)
    assert (verdict.status.value, verdict.reason) == (status, reason), verdict


def test_all_that_is_wrong_with_a_pin_is_told_together() -> None:
    bad = a_pin(pin_version=7, inputs={}, map=[{"step": "the shopper greets", "steps": [9]}])
    told = "\n".join(pin.problems_of(bad, STEPS))
    for word in (
        "pin_version",
        "out of range",
        "'Then the answer is polite'",
        "'And it is short'",
        "{{who}}",
    ):
        assert word in told


async def test_a_red_replay_of_code_that_moved_is_stale_and_of_the_same_code_is_broken(
    tmp_path: Path,
) -> None:
    repository = Repository(tmp_path)
    head = repository.git("rev-parse", "HEAD")
    trace = {"script": [{"args": ["-c", "exit 1"], "assertions": [{"target": "exit_code", "expected": 0}]}]}
    broken = await replayed(tmp_path, a_pin(trace=trace, minted={"commit": head}))
    assert (broken.status, broken.reason) == (Status.FAIL, "assertion")
    drifted = await replayed(tmp_path, a_pin(trace=trace, minted={"commit": "0" * 40}))
    assert (drifted.status, drifted.reason) == (Status.FAIL, "stale")
    assert drifted.evidence["reasons"] == ["code_drift"]
    assert drifted.evidence["replay_evidence"]
    unknown = await replayed(tmp_path, a_pin(trace=trace))
    assert unknown.reason == "assertion"


def test_a_scenarios_hash_is_of_its_words_only() -> None:
    sha = pin.scenario_sha("Say hello", ["Given  a\tshop"])
    assert sha == pin.scenario_sha(" Say   hello ", ["Given a shop"])
    assert sha != pin.scenario_sha("Say hello", ["When a shop"])


@pytest.mark.parametrize(
    ("generator", "made"),
    [
        ("unique_slug", "n-abcdabcd"),
        ("random_email", "abcdabcdabcd@example.com"),
        ("random_string:6", "abcdab"),
    ],
)
def test_a_generator_makes_a_value(generator: str, made: str) -> None:
    assert pin.is_generator(generator)
    assert pin.generated("n", generator, "abcd" * 8) == made


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=8,
)


def test_a_placeholder_without_a_value_stays_as_it_is() -> None:
    trace: Json = {"url": "/{{who}}/{{what}}", "steps": ["{{what}}", 3, None]}
    assert pin.filled_in(trace, {"who": "ada"}) == {"url": "/ada/{{what}}", "steps": ["{{what}}", 3, None]}


@given(st.sampled_from(sorted(a_pin())), JSON)
def test_no_pin_breaks_its_reader(key: str, value: Json) -> None:
    pin.problems_of({**a_pin(), key: value}, STEPS)
    pin.problems_of(value, STEPS)
    pin.filled_in(value, {"who": "x"})


async def test_the_daemon_replays_on_the_surfaces_that_are_built(tmp_path: Path) -> None:
    (tmp_path / "shop.feature").write_text(FEATURE)
    verdict = await really(BUILTIN["scenario"](), OPTIONS, tmp_path)
    assert (verdict.status, verdict.reason) == (Status.FAIL, "unpinned")
