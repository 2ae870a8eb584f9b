"""`[[harness]]` of `kazid.toml`: agents of one's own, each a command line and the places of what it reports.

Turns the settings into profiles, or into all problems at once. An agent that speaks as a built-in one does (a wrapper,
a fork) names it as its `base` and says only what differs. Pure.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from msgspec.structs import replace

from kazid.core.errors import StartRefused
from kazid.core.event import Usage
from kazid.core.goal import HarnessChoice
from kazid.core.json import Json
from kazid.goalfile.problems import did_you_mean, listed
from kazid.harnesses.profile import PROMPT_FILE, Profile, PromptBy, Tier
from kazid.harnesses.reading import (
    ERROR_CHARS_MAX,
    TEXT_CHARS_MAX,
    amount,
    at,
    count,
    known,
    last_value,
    objects_from_the_end,
    text,
)
from kazid.ports.harness import Report
from kazid.settings import DeclaredHarness

COUNTS = ("input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "turns")
WORDS = ("text", "session_id", "error", "model")
PLACES = (*WORDS, *COUNTS, "cost_usd")
"""Keys of `[harness.report]`: each the path of a value in the output, its keys joined by dots."""

LINES_READ = 2000
"""Of the end of a `jsonl` output, in which the last value of each place is looked for."""

_MODEL, _EFFORT, _PROMPT_FILE = "{model}", "{effort}", "{prompt_file}"


def named_harnesses(
    declared: Sequence[DeclaredHarness], profiles: Mapping[str, Profile]
) -> dict[str, Profile]:
    """The agents these settings declare, by their names. Raises StartRefused with every problem."""
    made: dict[str, Profile] = {}
    problems: list[str] = []
    for number, one in enumerate(declared, start=1):
        found = list(_problems(one, profiles, taken=made.keys()))
        problems += [f'[[harness]] {number} "{one.id}": {problem}' for problem in found]
        if not found:
            made[one.id] = _on(one, profiles[one.base]) if one.base is not None else _profile(one)
    if problems:
        raise StartRefused(f"settings: {'; '.join(problems)}")
    return made


def _on(one: DeclaredHarness, base: Profile) -> Profile:
    """The base with another name and program, its arguments followed by these."""
    return replace(
        base,
        id=one.id,
        command=one.command,
        arguments=_after(one.args, base.arguments),
        env={**base.env, **one.env},
        env_names=tuple(dict.fromkeys((*base.env_names, *one.env_names, *one.credentials))),
        credentials=(*base.credentials, *one.credentials),
        config_homes=(*base.config_homes, *one.config_homes),
    )


def _after(
    args: Sequence[str], arguments: Callable[[HarnessChoice], Sequence[str]]
) -> Callable[[HarnessChoice], Sequence[str]]:
    def both(choice: HarnessChoice) -> Sequence[str]:
        return (*args, *arguments(choice))

    return both


def _profile(one: DeclaredHarness) -> Profile:
    is_complete = {"text", "input_tokens", "output_tokens", "cost_usd"} <= one.report.keys()
    return Profile(
        id=one.id,
        command=one.command,
        arguments=_arguments(one),
        read=_reader(one),
        env=one.env,
        env_names=tuple(dict.fromkeys((*one.env_names, *one.credentials))),
        credentials=tuple(one.credentials),
        config_homes=tuple(one.config_homes),
        prompt_by=PromptBy(one.prompt),
        tier=Tier.FULL if is_complete else (Tier.PARTIAL if one.report else Tier.BEST_EFFORT),
        lacks=tuple(place for place in PLACES if place not in one.report and place != "turns"),
        takes=tuple(k for k, args in (("model", one.model_args), ("effort", one.effort_args)) if args),
        version_args=tuple(one.version_args),
    )


def _arguments(one: DeclaredHarness) -> Callable[[HarnessChoice], Sequence[str]]:
    def arguments(choice: HarnessChoice) -> Sequence[str]:
        flags = [a.replace(_PROMPT_FILE, PROMPT_FILE) for a in one.args]
        if choice.model is not None:
            flags += [a.replace(_MODEL, choice.model) for a in one.model_args]
        if choice.effort is not None:
            flags += [a.replace(_EFFORT, choice.effort) for a in one.effort_args]
        return tuple(flags)

    return arguments


def _reader(one: DeclaredHarness) -> Callable[[str], Report]:
    if one.output == "text":
        return lambda stdout: Report(text=stdout.strip()[-TEXT_CHARS_MAX:] or None)
    paths = {place: tuple(path.split(".")) for place, path in one.report.items()}
    return lambda stdout: _report(_found(stdout, paths, is_lines=one.output == "jsonl"))


def _found(stdout: str, paths: Mapping[str, Sequence[str]], *, is_lines: bool) -> Mapping[str, Json]:
    """The last value of each place."""
    found: dict[str, Json] = {}
    sources = objects_from_the_end(stdout) if is_lines else iter((last_value(stdout, "{"),))
    for number, source in enumerate(sources):
        if number >= LINES_READ or len(found) == len(paths):
            break
        for place, path in paths.items():
            value = at(source, *path)
            if place not in found and value is not None:
                found[place] = value
    return found


def _report(found: Mapping[str, Json]) -> Report:
    error = text(found.get("error"))
    counts = {place: count(found.get(place)) for place in COUNTS}
    return Report(
        text=None if error is not None else text(found.get("text")),
        session_id=text(found.get("session_id")),
        usage=known(
            Usage(
                input_tokens=counts["input_tokens"],
                cached_input_tokens=counts["cached_input_tokens"],
                cache_write_tokens=counts["cache_write_tokens"],
                output_tokens=counts["output_tokens"],
                cost_usd=amount(found.get("cost_usd")),
            )
        ),
        is_error=error is not None,
        error=None if error is None else error[:ERROR_CHARS_MAX],
        turns=counts["turns"],
        model=text(found.get("model")),
    )


def _problems(
    one: DeclaredHarness, profiles: Mapping[str, Profile], *, taken: Collection[str]
) -> Iterator[str]:
    if one.id in profiles or one.id in taken:
        yield "the name is taken"
    if one.base is not None:
        yield from _base_problems(one, one.base, profiles)
    for place in one.report:
        if place not in PLACES:
            yield f"report.{place} is no place; {did_you_mean(place, PLACES) or f'there are: {listed(PLACES)}'}"
    if one.report and one.output == "text" and one.base is None:
        yield 'report has no effect on text; say output = "json" or "jsonl"'
    for key, args, placeholder in (
        ("model_args", one.model_args, _MODEL),
        ("effort_args", one.effort_args, _EFFORT),
    ):
        if args and not any(placeholder in a for a in args):
            yield f"{key} names no {placeholder}"
    if one.prompt == "file" and one.base is None and not any(_PROMPT_FILE in a for a in one.args):
        yield f"args names no {_PROMPT_FILE}"


def _base_problems(one: DeclaredHarness, base: str, profiles: Mapping[str, Profile]) -> Iterator[str]:
    if base not in profiles:
        hint = did_you_mean(base, profiles)
        yield f'base "{base}" is no harness to build on; {hint or f"there are: {listed(list(profiles))}"}'
    said = [k for k in ("model_args", "effort_args", "report") if getattr(one, k)]
    if said or one.output != "text" or one.prompt != "stdin":
        yield f"with a base, {listed(said or ['output', 'prompt'])} cannot be said: they are the base's"
