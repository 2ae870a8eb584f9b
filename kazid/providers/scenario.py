"""`scenario`: replays the pinned trace of one scenario on its surface.

A scenario that nobody pinned, whose words changed since, or whose pin is wrong is red: there is work to do, and what it
is stands in the reason. A red replay of code that moved since it was pinned is stale rather than broken.
"""

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path

import anyio.to_thread
import msgspec

from kazid.core import pin
from kazid.core.gherkin import FEATURE_CHARS_MAX, parse_features, slug
from kazid.core.json import Json
from kazid.core.verdict import Finding, Status, Verdict, errored
from kazid.ports.commands import CommandRunner
from kazid.ports.provider import Look, Provider
from kazid.providers.changes import git
from kazid.providers.evidence import shortened
from kazid.providers.formats.json_text import NotJson, parse_json
from kazid.providers.formats.report import object_of, text_of
from kazid.providers.options import OBSERVATION_KEYS, read_options
from kazid.providers.ran import NoReport, path_below

PINS = "docs/specs/pins"
PIN_BYTES_MAX = 1024 * 1024
STEPS_SHOWN_MAX = 100
ENTROPY_BYTES = 32
REPLAY_EVIDENCE = ("assertions", "url", "runs", "results", "steps")


class ScenarioOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys that are the scenario's own; all others are the surface's."""

    spec: str
    scenario: str
    surface: str = "browser"
    pin: str = ""
    repin: str = "auto"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The scenario as its feature file has it, and where its pin is."""

    name: str
    steps: Sequence[str]
    pin_path: str


class Scenario:
    """The provider. `surfaces` are the providers that can replay, by name."""

    def __init__(self, surfaces: Mapping[str, Provider]) -> None:
        self._surfaces = surfaces

    async def evaluate(self, options: Mapping[str, Json], look: Look, commands: CommandRunner) -> Verdict:
        """Read the scenario and its pin, and replay it once."""
        own_keys = ScenarioOptions.__struct_fields__
        read = read_options({k: v for k, v in options.items() if k in own_keys}, ScenarioOptions)
        if isinstance(read, Verdict):
            return read
        wanted = await anyio.to_thread.run_sync(_wanted, read, look.workspace)
        if isinstance(wanted, Verdict):
            return wanted
        surface = self._surfaces.get(read.surface)
        if surface is None:
            return errored("surface_unavailable", f"nothing here replays on {shortened(read.surface)!r}")
        text = await anyio.to_thread.run_sync(_text_below, look.workspace, wanted.pin_path, PIN_BYTES_MAX)
        pinned = judged_pin(text, wanted, read)
        if isinstance(pinned, Verdict):
            return pinned
        rest = {k: v for k, v in options.items() if k not in own_keys and k not in OBSERVATION_KEYS}
        inputs = _fresh(object_of(pinned.get("inputs")))
        trace = object_of(pin.filled_in(pinned.get("trace"), inputs))
        verdict = await surface.evaluate({**rest, **trace}, look, commands)
        if verdict.status is Status.FAIL:
            head = await git(("rev-parse", "HEAD"), look, commands)
            minted = text_of(object_of(pinned.get("minted")).get("commit"))
            if isinstance(head, str) and minted is not None and head.strip() != minted:
                return _drifted(verdict, wanted, read, minted=minted)
        told: dict[str, Json] = {**_named(wanted, read), "pin_state": "pinned", "inputs": dict(inputs)}
        return msgspec.structs.replace(verdict, evidence={**verdict.evidence, **told})


def judged_pin(
    text: str | NoReport, wanted: Wanted, options: ScenarioOptions
) -> Mapping[str, Json] | Verdict:
    """The pin, or the FAIL that says what is to be done with it."""
    if isinstance(text, NoReport):
        state = "unpinned" if text.reason == "missing" else "invalid"
        return _unusable(state, [text.detail], wanted, options)
    try:
        document = object_of(parse_json(text))
    except NotJson as error:
        return _unusable("invalid", [f"the pin is not JSON: {error}"], wanted, options)
    problems = pin.problems_of(document, wanted.steps)
    if document.get("surface") in pin.SURFACES and document.get("surface") != options.surface:
        problems.append(f"the pin is of {document.get('surface')}, the predicate asks for {options.surface}")
    sha = document.get("scenario_sha")
    if isinstance(sha, str) and sha != pin.scenario_sha(wanted.name, wanted.steps):
        state = "stale_manual" if options.repin == "manual" else "stale"
        return _unusable(state, ["spec_changed"], wanted, options)
    if not isinstance(sha, str):
        problems.append("scenario_sha is missing")
    return _unusable("invalid", problems, wanted, options) if problems else document


def _unusable(state: str, reasons: Sequence[str], wanted: Wanted, options: ScenarioOptions) -> Verdict:
    told: list[Json] = [shortened(reason) for reason in reasons]
    sentence = f"{wanted.name}: {state.replace('_', ' ')}: {'; '.join(map(str, told[:3]))}"
    return Verdict(
        status=Status.FAIL,
        reason=state,
        detail=sentence,
        evidence={
            **_named(wanted, options),
            "pin_state": state,
            "scenario_steps": [shortened(step) for step in wanted.steps[:STEPS_SHOWN_MAX]],
            "reasons": told,
        },
        findings=[Finding(message=shortened(sentence), file=options.spec, rule=state, level="error")],
    )


def _drifted(verdict: Verdict, wanted: Wanted, options: ScenarioOptions, *, minted: str) -> Verdict:
    kept = {key: verdict.evidence[key] for key in REPLAY_EVIDENCE if key in verdict.evidence}
    manual = options.repin == "manual"
    stale = _unusable("stale_manual" if manual else "stale", ["code_drift"], wanted, options)
    evidence: dict[str, Json] = {**stale.evidence, "minted_commit": minted, "replay_evidence": kept}
    detail = f"{stale.detail}; the replay: {verdict.detail}"
    return msgspec.structs.replace(
        stale,
        detail=detail,
        evidence=evidence,
        findings=[*stale.findings, *verdict.findings],
        score=verdict.score,
        direction=verdict.direction,
    )


def _named(wanted: Wanted, options: ScenarioOptions) -> dict[str, Json]:
    return {
        "scenario": shortened(wanted.name),
        "spec": options.spec,
        "surface": options.surface,
        "pin_path": wanted.pin_path,
    }


def _fresh(inputs: Mapping[str, Json]) -> dict[str, str]:
    """A new value for each input."""
    return {
        name: pin.generated(name, generator, secrets.token_hex(ENTROPY_BYTES))
        for name, generator in inputs.items()
        if isinstance(generator, str)
    }


def _wanted(options: ScenarioOptions, workspace: str) -> Wanted | Verdict:
    text = _text_below(workspace, options.spec, FEATURE_CHARS_MAX)
    if isinstance(text, NoReport):
        return errored("spec_not_found" if text.reason == "missing" else text.reason, text.detail)
    for feature in parse_features(text):
        for scenario in feature.scenarios:
            if scenario.name == options.scenario.strip():
                usual = f"{PINS}/{slug(feature.name)}__{slug(scenario.name)}.pin.json"
                return Wanted(name=scenario.name, steps=scenario.steps, pin_path=options.pin or usual)
    return errored("scenario_not_found", f"{options.spec} has no scenario {shortened(options.scenario)!r}")


def _text_below(workspace: str, name: str, bytes_max: int) -> str | NoReport:
    path = path_below(workspace, name)
    if isinstance(path, NoReport):
        return path
    try:
        if not Path(path).is_file():
            return NoReport("missing", f"no file {shortened(name)}")
        with Path(path).open("rb") as file:
            text = file.read(bytes_max + 1)
    except (OSError, ValueError) as error:
        return NoReport("unreadable", f"{shortened(name)}: {error}")
    if len(text) > bytes_max:
        return NoReport("too_large", f"{shortened(name)} has more than {bytes_max} bytes")
    return text.decode("utf-8", errors="replace")
