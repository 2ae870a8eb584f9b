"""Landing, deploying and rolling back as attempts: the order for the program that does it, and how its end is read.

The program is a process of its own under the shim (ADR 9), so a daemon that dies loses no landing and repeats none.
Decides nothing; `core/landing.py` says when.
"""

import sys
from collections.abc import Sequence

import anyio
import msgspec

from kazid.core.delivery import (
    DEPLOY,
    LAND,
    LANDED,
    OUTCOME_MARK,
    ROLLBACK,
    Outcome,
    Plan,
    begun_of,
)
from kazid.core.event import ActIntended
from kazid.core.goal import Goal
from kazid.core.ids import GoalUid
from kazid.core.landing import has_only_moved
from kazid.core.progress import Progress
from kazid.core.status import Cause
from kazid.ports.runner import AttemptOrder

PROGRAM = (sys.executable, "-I", "-m", "kazid.adapters.system.landing")
PASSED_ON = ("SSH_AUTH_SOCK", "GH_TOKEN", "GITHUB_TOKEN", "GH_CONFIG_DIR", "XDG_CONFIG_HOME")
"""What git and gh find their credentials by; taken by name, never stored."""
GRACE_S = 120.0
"""Beyond the command's own timeout: a checkout before it and a tag after it."""
BODY_IDS_MAX = 50
MERGE_TURN_S = 120.0
"""How long a goal that was put onto a newer base may take to be verified there before others land again."""


class MergeTurns:
    """Who lands next in a workspace: whoever was put onto its newest base, and has to be looked at there first.

    Without it ten goals that land at once overtake one another, and each is verified anew for each of the others. A
    turn is kept for a while only, and forgotten with the daemon: it saves work, nothing depends on it.
    """

    def __init__(self) -> None:
        self._turns: dict[str, tuple[GoalUid, str, float]] = {}

    def before(self, uid: GoalUid, goal: Goal, rung: str) -> str | None:
        """The goal that lands before this one may."""
        turn = None if rung != LAND else self._turns.get(goal.workspace or "")
        if turn is None or turn[0] == uid or anyio.current_time() >= turn[2]:
            return None
        return turn[1]

    def ended(self, uid: GoalUid, goal: Goal, rung: str, reason: str | None) -> None:
        """After an act: its turn comes where a landing only moved the work, and is over after anything else."""
        place = goal.workspace or ""
        if has_only_moved(rung, reason):
            until_s = anyio.current_time() + MERGE_TURN_S
            self._turns[place] = (uid, f"{goal.owner}/{goal.id}", until_s)
        elif place in self._turns and self._turns[place][0] == uid:
            del self._turns[place]


def delivery_order(
    intent: ActIntended, uid: GoalUid, goal: Goal, progress: Progress, *, scratch: str
) -> AttemptOrder:
    """What to run for this intent."""
    assert goal.workspace is not None, "what is landed lies in a workspace"
    plan = plan_of(intent, goal, progress, scratch=scratch)
    timeout_s = _timeout_s(intent.rung, goal)
    token = "" if goal.integration is None else goal.integration.forge.token_env
    return AttemptOrder(
        uid=uid,
        attempt_id=intent.attempt_id,
        argv=(*PROGRAM, intent.rung),
        cwd=goal.workspace,
        path=goal.path,
        env_names=(*PASSED_ON, *([token] if token else [])),
        stdin_text=msgspec.json.encode(plan).decode(),
        total_timeout_s=timeout_s + GRACE_S,
        keep_on_success=intent.rung != LAND,
    )


def plan_of(intent: ActIntended, goal: Goal, progress: Progress, *, scratch: str) -> Plan:
    """The plan: from the goal's own tree where it has one, else from its workspace."""
    assert goal.workspace is not None, "what is landed lies in a workspace"
    begun = begun_of(progress.predicate(LANDED).carry)
    own = progress.worktree
    is_deploy = intent.rung in (DEPLOY, ROLLBACK)
    return Plan(
        goal=goal.id,
        tree=goal.workspace if own is None else own.folder,
        scratch=scratch,
        integration=goal.integration,
        is_ours=own is not None,
        since=begun.since if own is None else own.base,
        began_in=begun.top,
        foreign=begun.foreign,
        title=_title(goal),
        body=_body(goal),
        deploy=goal.deploy if is_deploy else None,
    )


def outcome_of(printed: str) -> Outcome | None:
    """What the program said of its end; None where it did not get to say it."""
    for line in reversed(printed.splitlines()):
        if line.startswith(OUTCOME_MARK):
            try:
                return msgspec.json.decode(line.removeprefix(OUTCOME_MARK), type=Outcome)
            except msgspec.DecodeError:
                return None
    return None


def cause_of(rung: str, outcome: Outcome | None) -> Cause | None:
    """Why another attempt would end the same, where that is so."""
    if outcome is None or not outcome.is_permanent:
        return None
    return Cause.UNLANDED if rung == LAND else Cause.UNDEPLOYED


def _timeout_s(rung: str, goal: Goal) -> float:
    if rung == LAND:
        assert goal.integration is not None, "only a goal with [integration] lands"
        return goal.integration.timeout_s
    assert goal.deploy is not None, "only a goal with [deploy] deploys"
    return goal.deploy.timeout_s


def _title(goal: Goal) -> str:
    name = " ".join((goal.name or goal.id).split())
    return f"{name}"[:100]


def _body(goal: Goal) -> str:
    """What holds with this commit, without a word of what is held out."""
    shown: Sequence[str] = [p.id for p in goal.predicates if not (p.held_out or p.live) and p.id != LANDED][
        :BODY_IDS_MAX
    ]
    return "\n".join((f"Goal: {goal.id}", *(f"- {p} holds" for p in shown)))
