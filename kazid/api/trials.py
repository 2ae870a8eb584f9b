"""Trying a goal's harmless checks where nothing is: what passes there too does not look at the workspace.

Only doubts come of it, for a check may look at something that the rules do not know. Bounded as a whole, so that a
goal-file with many checks is judged in time.
"""

import anyio

from kazid.core.goal import Predicate
from kazid.falsify.harmless import is_harmless
from kazid.falsify.notes import NOTHING_THERE
from kazid.goalfile.lint import VACUOUS, LintFinding
from kazid.goalfile.load import Loaded
from kazid.ports.trial import Trials

TRIALS_S = 10.0
"""All trials of one goal-file."""
SCRIPTS_MAX = 50


async def tried(loaded: Loaded, trials: Trials) -> list[LintFinding]:
    """A doubt for each check that passes in an empty folder; those that the text told already are not run."""
    told = {f.predicate for f in loaded.findings if f.code in VACUOUS}
    found: list[LintFinding] = []
    with anyio.move_on_after(TRIALS_S):
        due = [p for p in loaded.goal.predicates if p.id not in told and not p.held_out]
        for predicate in due[:SCRIPTS_MAX]:
            argv = _argv(predicate)
            if argv is not None and is_harmless(argv) and await trials.exit_code_on_nothing(argv) == 0:
                found.append(_doubt(predicate, loaded))
    return found


def _doubt(predicate: Predicate, loaded: Loaded) -> LintFinding:
    return LintFinding(
        predicate=predicate.id,
        code=NOTHING_THERE.code,
        severity="doubt",
        why=f"{NOTHING_THERE.why}; instead: {NOTHING_THERE.instead}",
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
