"""Trying a goal's harmless checks in a copy of its workspace, and where nothing is: can they be red?

What is red in the copy can be red. What passes there, and where nothing is too, does not look at the workspace; and a
script of the workspace that always succeeds shows nothing. Only doubts come of it, for a check may look at something
that the rules do not know, and a script may be written yet. Of a workspace that is too large to be copied, or is not
there, the text alone tells. Bounded as a whole, so that a goal-file with many checks is judged in time.
"""

from contextlib import AbstractAsyncContextManager, nullcontext

import anyio

from kazid.core.goal import Predicate
from kazid.falsify import judge as falsify
from kazid.falsify.harmless import is_harmless
from kazid.falsify.notes import NOTHING_THERE
from kazid.falsify.outcome import Note
from kazid.falsify.scripts import file_of, inlined
from kazid.goalfile.lint import VACUOUS, LintFinding
from kazid.goalfile.load import Loaded
from kazid.ports.trial import Trials, WorkspaceCopy

TRIALS_S = 10.0
"""All trials of one goal-file."""
SCRIPTS_MAX = 50


async def tried(loaded: Loaded, trials: Trials) -> list[LintFinding]:
    """A doubt for each check that nothing makes red; those that the text told already are not run."""
    told = {f.predicate for f in loaded.findings if f.code in VACUOUS}
    due = [p for p in loaded.goal.predicates if p.id not in told and not p.held_out]
    checks = [(p, argv) for p in due[:SCRIPTS_MAX] if (argv := _argv(p)) is not None]
    found: list[LintFinding] = []
    if not checks:
        return found
    workspace = loaded.goal.workspace
    place: AbstractAsyncContextManager[WorkspaceCopy | None]
    place = nullcontext() if workspace is None else trials.copied(workspace)
    with anyio.move_on_after(TRIALS_S):
        async with place as copy:
            if workspace is not None and copy is None:
                return found
            for predicate, argv in checks:
                note = await _note(argv, trials, copy)
                if note is not None:
                    found.append(_doubt(predicate, loaded, note))
    return found


async def _note(argv: list[str], trials: Trials, copy: WorkspaceCopy | None) -> Note | None:
    """Why this check may never be red, as far as trying it tells."""
    name = file_of(argv)
    if name is not None and copy is not None:
        text = await copy.text(name)
        inline = None if text is None else inlined(argv, text)
        if inline is None:
            return None
        note = next(falsify.judge("custom_script", {"cmd": inline[0], "args": inline[1:]}), None)
        if note is not None:
            return note
        argv = inline
    if not is_harmless(argv):
        return None
    if copy is not None and await copy.exit_code(argv) != 0:
        return None
    return NOTHING_THERE if await trials.exit_code_on_nothing(argv) == 0 else None


def _doubt(predicate: Predicate, loaded: Loaded, note: Note) -> LintFinding:
    return LintFinding(
        predicate=predicate.id,
        code=note.code,
        severity="doubt",
        why=f"{note.why}; instead: {note.instead}",
        line=loaded.lines.get(predicate.id),
    )


def _argv(predicate: Predicate) -> list[str] | None:
    """The command whose exit code is the verdict; None for all other predicates."""
    options = predicate.options
    cmd, args = options.get("cmd"), options.get("args", ())
    is_plain = predicate.provider in ("custom_script", "test_runner") and not options.get("env")
    if not is_plain or options.get("verdict", "exit_zero") != "exit_zero":
        return None
    if not isinstance(cmd, str) or not isinstance(args, list | tuple):
        return None
    return [cmd, *(str(a) for a in args)]
