"""Whether a check can be red, as far as its text tells. Pure, but for the parser below it.

A check is refused only when every code it can end with counts as a pass; everything less certain is a doubt.
"""

from collections.abc import Iterator, Mapping, Sequence

from kazid.core.json import Json
from kazid.falsify import notes
from kazid.falsify.outcome import Note
from kazid.falsify.script import run_command

JUDGED = frozenset({"custom_script", "property", "test_runner"})
ALL_CODES = frozenset(range(256))
ABOVE_ZERO = frozenset({">= 0", ">=0", "> -1", ">-1", "!= -1", "!=-1"})


def judge(provider: str, options: Mapping[str, Json]) -> Iterator[Note]:
    """The reasons for which this predicate cannot, or may not, be red."""
    cmd, args = options.get("cmd"), options.get("args", ())
    if provider == "cli" and isinstance(cmd, str) and isinstance(args, Sequence):
        yield from _by_assertions([cmd, *(str(a) for a in args)], options)
        return
    if provider == "fresh_clone":
        yield from _by_steps(options)
        return
    if provider not in JUDGED or not isinstance(cmd, str) or not isinstance(args, Sequence):
        return
    argv = [cmd, *(str(a) for a in args)]
    match options.get("verdict", "exit_zero"):
        case "exit_zero":
            yield from _by_codes(argv, frozenset({0}))
        case "exit_code":
            codes = options.get("pass_codes", ())
            passing = (
                frozenset(c for c in codes if isinstance(c, int))
                if isinstance(codes, list | tuple)
                else frozenset[int]()
            )
            if passing >= ALL_CODES:
                yield notes.ALL_CODES
            elif passing:
                yield from _by_codes(argv, passing)
        case "match_count" if str(options.get("pass_when", "")).strip() in ABOVE_ZERO:
            yield notes.ALL_COUNTS
        case _:
            pass


def _by_assertions(argv: Sequence[str], options: Mapping[str, Json]) -> Iterator[Note]:
    """Where nothing but one exit code is asserted, it is judged like any other command."""
    asserted = options.get("assertions")
    entries = asserted if isinstance(asserted, list | tuple) and "script" not in options else ()
    codes = [
        e.get("expected") if isinstance(e, Mapping) and e.get("target") == "exit_code" else None
        for e in entries
    ]
    passing = frozenset(code for code in codes if isinstance(code, int))
    if entries and None not in codes and len(passing) == 1:
        yield from _by_codes(argv, passing)


def _by_steps(options: Mapping[str, Json]) -> Iterator[Note]:
    """Shell lines of which each one always ends with 0 find nothing, ever."""
    lines = options.get("commands")
    if not isinstance(lines, list | tuple) or not lines:
        return
    outcomes = [run_command(["bash", "-c", str(line)]) for line in lines]
    if all(o.all_codes is not None and o.all_codes <= {0} for o in outcomes):
        yield next((o.note for o in outcomes if o.note is not None), notes.CANNOT_FAIL)


def _by_codes(argv: Sequence[str], passing: frozenset[int]) -> Iterator[Note]:
    outcome = run_command(argv)
    note, codes = outcome.note, outcome.all_codes
    if codes is not None and codes and codes <= passing:
        yield note or notes.CANNOT_FAIL
    elif note is not None and note.severity == "doubt" and codes is None:
        yield note
