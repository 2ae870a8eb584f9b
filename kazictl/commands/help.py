"""`kazictl help [VERB]`, `kazictl VERB --help`: the verb table for people, and with --json for programs."""

from kazictl.arguments import parse, usage_error
from kazictl.render import fields
from kazictl.session import Session
from kazictl.verbs import EVERYWHERE, VERBS, Option, Verb, find_verb
from kazid.wire import exit_codes
from kazid.wire.names import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

SUMMARY = "kazictl talks to kazid, which keeps goals true."


def run(session: Session) -> int:
    """Print it; needs no daemon."""
    verb = _asked_for(session)
    if session.wants_json:
        verbs = VERBS if verb is None else (verb,)
        return session.emit(
            {
                "schema_version": SCHEMA_VERSION,
                "verbs": [_verb_document(verb) for verb in verbs],
                "options": [_option_document(option) for option in EVERYWHERE],
                "exit_codes": {str(code): meaning for code, meaning in exit_codes.MEANINGS.items()},
            },
            exit_code=exit_codes.OK,
        )
    session.show(_verb_lines(verb, session) if verb is not None else _overview(session))
    return exit_codes.OK


def _asked_for(session: Session) -> Verb | None:
    """The verb to explain: of `VERB --help`, or of `help VERB`."""
    arguments = session.arguments
    if arguments.verb.name != "help":
        return arguments.verb
    name = arguments.word
    if name is None:
        return None
    verb = find_verb(name)
    if verb is None:
        parse([name, "--help"])  # raises with the did-you-mean of a mistyped verb
        raise usage_error(f"unknown verb {name!r}", hint="kazictl help lists the verbs")
    return verb


def _overview(session: Session) -> list[str]:
    out = session.out
    return [
        SUMMARY,
        "",
        out.paint("usage: kazictl VERB [ARGUMENTS] [OPTIONS]", "bold"),
        "",
        *(f"  {line}" for line in fields(out, [(verb.name, verb.summary) for verb in VERBS])),
        "",
        out.paint("Every verb takes", "bold"),
        *(f"  {line}" for line in fields(out, [(_option_name(option), option.doc) for option in EVERYWHERE])),
        "",
        out.paint("Exit codes", "bold"),
        *(
            f"  {line}"
            for line in fields(out, [(str(code), text) for code, text in exit_codes.MEANINGS.items()])
        ),
        "",
        "More: kazictl help VERB. Durations are a number and a unit: 500ms 30s 1.5m 2h 1d.",
    ]


def _verb_lines(verb: Verb, session: Session) -> list[str]:
    out = session.out
    words = [(word.name, word.doc) for word in verb.words]
    options = [(_option_name(option), option.doc) for option in (*verb.options, *EVERYWHERE)]
    lines = [out.paint(f"usage: {verb.usage}", "bold"), f"  {verb.summary}", ""]
    lines += [f"  {line}" for line in fields(out, [*words, *options])]
    details = [verb.details] if verb.details else []
    if verb.starts_daemon:
        details.append(
            "Starts a user daemon where none listens (not with --socket, KAZI_SOCKET or --no-start)."
        )
    return [*lines, "", *details] if details else lines


def _option_name(option: Option) -> str:
    return f"{option.short}, {option.usage}" if option.short else option.usage


def _verb_document(verb: Verb) -> "dict[str, Any]":
    return {
        "name": verb.name,
        "summary": verb.summary,
        "usage": verb.usage,
        "details": verb.details or None,
        "starts_daemon": verb.starts_daemon,
        "arguments": [{"name": word.name, "doc": word.doc, "required": word.required} for word in verb.words],
        "options": [_option_document(option) for option in verb.options],
    }


def _option_document(option: Option) -> "dict[str, Any]":
    return {
        "name": option.name,
        "short": option.short or None,
        "value": option.value or None,
        "kind": option.kind,
        "required": option.required,
        "doc": option.doc,
    }
