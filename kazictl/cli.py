"""From the command line to the exit code: parse, run the verb's module, report what stood in the way.

A verb's module is imported only when it is called, so `status` does not pay for `apply`. Everything that can go wrong
ends here as one short report: on stderr for people, as the one document on stdout under `--json`.
"""

import os
import sys

from kazictl.arguments import Arguments, parse
from kazictl.failure import Failure
from kazictl.session import Session
from kazictl.terminal import Terminal, one_line, standard_error, standard_output
from kazid.wire import exit_codes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable


def run(argv: list[str], *, launch: "Callable[[str], None] | None" = None) -> int:
    """Run one command and return its exit code. `launch` replaces the starting of a daemon, for tests."""
    out, notes = standard_output(), standard_error()
    try:
        code = _run(argv, out=out, notes=notes, launch=launch)
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except BrokenPipeError:
        _drop_stdout()
        return exit_codes.ERROR
    except OSError as error:
        _drop_stdout()
        notes.line(f"kazictl: cannot write: {error.strerror or error}")
        return exit_codes.ERROR


def _run(argv: list[str], *, out: Terminal, notes: Terminal, launch: "Callable[[str], None] | None") -> int:
    wants_json = "--json" in argv or "--stream" in argv
    session: Session | None = None
    try:
        arguments = parse(argv)
        wants_json = arguments.wants_json
        session = Session(arguments, out=out, notes=notes, launch=launch)
        return _command(arguments)(session)
    except Failure as failure:
        return _report(failure, session, out=out, notes=notes, wants_json=wants_json)
    except KeyboardInterrupt:
        interrupted = Failure(
            "interrupted",
            exit_code=exit_codes.INTERRUPTED,
            kind="interrupted",
            hint="goals go on; kazictl list shows them",
        )
        return _report(interrupted, session, out=out, notes=notes, wants_json=wants_json)


def _command(arguments: Arguments) -> "Callable[[Session], int]":
    """The function behind the verb."""
    name = "help" if "help" in arguments.flags else arguments.verb.name.replace("-", "_")
    module = __import__(f"kazictl.commands.{name}", fromlist=("run",))
    command: Callable[[Session], int] = module.run
    return command


def _report(
    failure: Failure, session: Session | None, *, out: Terminal, notes: Terminal, wants_json: bool
) -> int:
    """Say what went wrong and what to do."""
    if wants_json:
        from json import dumps

        out.document(dumps(failure.as_document(), ensure_ascii=False).encode("utf-8", "replace"))
        return failure.exit_code
    told = one_line(failure.message)
    if failure.detail and failure.detail != failure.message and not failure.problems:
        told += f": {one_line(failure.detail)}"
    lines = [f"kazictl: {told}"]
    source = session.source if session is not None else ""
    lines += problem_lines(failure, source)
    if failure.hint:
        lines.append(f"  {one_line(failure.hint)}")
    notes.lines(lines)
    return failure.exit_code


def problem_lines(failure: Failure, source: str) -> list[str]:
    """`goal.toml:12: key: message`, and the hint below it."""
    lines: list[str] = []
    for problem in failure.problems:
        place = ":".join(str(part) for part in (source, problem.get("line")) if part)
        parts = [part for part in (place, problem.get("key"), problem.get("message")) if part]
        lines.append("  " + one_line(": ".join(str(part) for part in parts)))
        if problem.get("hint"):
            lines.append("    " + one_line(problem["hint"]))
    return lines


def _drop_stdout() -> None:
    """Nobody reads any more: let the interpreter's last flush go nowhere instead of failing."""
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.close(null)
    except OSError:
        return
