"""Command line to `Arguments`, by the verb table. Every usage error ends with what to type instead.

Options may stand before or after positionals, and those that every verb takes before the verb too; `--opt=value` works;
`--` ends the options. The last of a repeated option counts; labels add up.
"""

from kazictl.durations import parse_duration
from kazictl.failure import Failure
from kazictl.verbs import DURATION, EVERYWHERE, FLAG, LABEL, NUMBER, REPLACED, VERBS, Option, Verb, find_verb
from kazid.wire import exit_codes

NUMBER_DIGITS_MAX = 18
"""Offsets and attempt numbers are 64-bit in the journal."""


class Arguments:
    """What was typed, checked: positionals in order, flags, values by option name without dashes."""

    __slots__ = ("flags", "labels", "numbers", "seconds", "texts", "verb", "words")

    def __init__(self, verb: Verb) -> None:
        """Nothing typed yet."""
        self.verb = verb
        self.words: list[str] = []
        self.flags: set[str] = set()
        self.texts: dict[str, str] = {}
        self.numbers: dict[str, int] = {}
        self.seconds: dict[str, float] = {}
        self.labels: list[str] = []

    @property
    def wants_json(self) -> bool:
        """True when stdout must hold JSON and nothing else."""
        return "json" in self.flags or "stream" in self.flags

    @property
    def word(self) -> str | None:
        """The first positional, None when there is none."""
        return self.words[0] if self.words else None


def usage_error(message: str, *, hint: str) -> Failure:
    """A Failure that says what is wrong with the command line."""
    return Failure(message, exit_code=exit_codes.USAGE, kind="usage", hint=hint)


def parse(argv: list[str]) -> Arguments:
    """The arguments of one call. Raises Failure (exit 2) with a did-you-mean."""
    for argument in argv:
        try:
            argument.encode()
        except UnicodeEncodeError:
            raise usage_error(
                f"not valid UTF-8: {argument!a}", hint="rename it, or use another path"
            ) from None
    verb, rest = _split_verb(argv)
    arguments = Arguments(verb)
    while rest:
        argument = rest.pop(0)
        if argument == "--":
            arguments.words += rest
            break
        if argument == "-" or not argument.startswith("-"):
            arguments.words.append(argument)
        else:
            _take_option(arguments, argument, rest)
    if "help" not in arguments.flags:
        _check(arguments)
    return arguments


def _split_verb(argv: list[str]) -> tuple[Verb, list[str]]:
    """The verb and everything else. Only options that every verb takes may stand before it."""
    position = 0
    while position < len(argv) and argv[position].startswith("-") and argv[position] != "--":
        if argv[position] == "--version":
            return _known_verb("version"), argv[:position] + argv[position + 1 :]
        name, equals, _ = argv[position].partition("=")
        option = _option_named(EVERYWHERE, name)
        if option is None:
            hint = _did_you_mean(
                name, [known.name for known in EVERYWHERE], "the options of a verb stand after it"
            )
            raise usage_error(f"unknown option {name} before the verb", hint=hint)
        position += 1 if option.kind == FLAG or equals else 2
    if position < len(argv) and argv[position] != "--":
        return _known_verb(argv[position]), argv[:position] + argv[position + 1 :]
    if "-h" in argv or "--help" in argv:
        return _known_verb("help"), [argument for argument in argv if argument not in ("-h", "--help")]
    raise usage_error("no verb", hint="kazictl help lists them; the main one: kazictl apply GOAL.toml")


def _known_verb(name: str) -> Verb:
    verb = find_verb(name)
    if verb is not None:
        return verb
    if name in REPLACED:
        raise Failure(REPLACED[name], exit_code=exit_codes.USAGE, kind="replaced")
    raise usage_error(
        f"unknown verb {name!r}",
        hint=_did_you_mean(name, [verb.name for verb in VERBS], "kazictl help lists the verbs"),
    )


def _take_option(arguments: Arguments, argument: str, rest: list[str]) -> None:
    """Put one option into `arguments`, with its value from behind `=`, glued to a short one, or from `rest`."""
    verb = arguments.verb
    options = (*verb.options, *EVERYWHERE)
    name, equals, value = argument.partition("=")
    if not argument.startswith("--"):
        name, value = argument[:2], argument[2:].removeprefix("=")
        equals = "=" if len(argument) > 2 else ""
    option = _option_named(options, name)
    if option is None:
        known = [known.name for known in options]
        hint = _did_you_mean(name, known, f"kazictl help {verb.name} lists its options")
        raise usage_error(f"{verb.name} has no option {name}", hint=hint)
    if option.kind == FLAG:
        if equals:
            raise usage_error(f"{option.name} takes no value", hint=f"type {option.name} alone")
        arguments.flags.add(option.name[2:])
        return
    if not equals:
        if not rest or rest[0].startswith("--"):
            raise usage_error(f"{option.name} needs a value", hint=f"{option.name} {option.value}")
        value = rest.pop(0)
    _take_value(arguments, option, value)


def _take_value(arguments: Arguments, option: Option, value: str) -> None:
    name = option.name[2:]
    if not value.strip():
        raise usage_error(f"{option.name} is empty", hint=f"{option.name} {option.value}")
    if option.kind == DURATION:
        seconds = parse_duration(value)
        if not seconds:
            raise usage_error(
                f"{option.name} {value}: not a duration",
                hint="a number above 0 and a unit, e.g. 500ms 30s 1.5m 2h 1d",
            )
        arguments.seconds[name] = seconds
    elif option.kind == NUMBER:
        if not (value.isascii() and value.isdecimal()) or len(value) > NUMBER_DIGITS_MAX:
            raise usage_error(f"{option.name} {value}: not a whole number", hint=f"e.g. {option.name} 3")
        if option.name == "--attempt" and int(value) == 0:
            raise usage_error("--attempt 0: attempts are counted from 1", hint="e.g. --attempt 1")
        arguments.numbers[name] = int(value)
    elif option.kind == LABEL:
        key, equals, _ = value.partition("=")
        if not key or not equals:
            raise usage_error(f"-l {value}: not a label", hint="e.g. -l team=web")
        arguments.labels.append(value)
    else:
        arguments.texts[name] = value


def _check(arguments: Arguments) -> None:
    """Raise for what is missing or too much."""
    verb = arguments.verb
    if len(arguments.words) > len(verb.words):
        extra = arguments.words[len(verb.words)]
        raise usage_error(f"{verb.name} takes no {extra!r}", hint=verb.usage)
    for word in verb.words[len(arguments.words) :]:
        if word.required:
            raise usage_error(f"{verb.name} needs {word.name}: {word.doc}", hint=verb.usage)
    if not all(arguments.words):
        raise usage_error(f"{verb.name}: {verb.words[0].name} is empty", hint=verb.usage)
    for option in verb.options:
        if option.required and option.name[2:] not in arguments.texts:
            raise usage_error(f"{verb.name} needs {option.usage}: {option.doc}", hint=verb.usage)
    if {"start", "no-start"} <= arguments.flags:
        raise usage_error("--start and --no-start exclude each other", hint="give one of them")


def _option_named(options: tuple[Option, ...], name: str) -> Option | None:
    for option in options:
        if name in (option.name, option.short) and name:
            return option
    return None


def _did_you_mean(name: str, known: list[str], otherwise: str) -> str:
    from difflib import get_close_matches  # imports re: only where something was mistyped

    bare = {word.lstrip("-"): word for word in known}  # dashes alone make no two options alike
    close = get_close_matches(name.lstrip("-"), list(bare), n=1, cutoff=0.65)
    return f"did you mean {bare[close[0]]}?" if close else otherwise
