"""`[autonomy]` and `[[approval]]` as a goal-file says them, and what keeping work back takes."""

import pytest

from kazid.core.level import ApprovalRule, Autonomy, Gate, Level, Risk
from kazid.core.roles import Role
from tests.goalfile.loading import PREDICATE, PROBE, goal_of, problems_of

AGENT = '[harness]\nid = "claude"\n'


def test_everything_authored_about_trust_arrives() -> None:
    text = (
        f'id = "g"\n{PREDICATE}autonomy = "propose"\n[[remedy]]\ncmd = "x"\nrisk = "data"\n'
        '[autonomy]\nlevel = "approve"\ndeploy = "observe"\n'
        '[[approval]]\ngate = "deploy"\nfrom = ["approver", "admin"]\ncount = 2\nexpires = "2h"\n'
        '[[approval]]\ngate = "execution"\n'
    )
    goal = goal_of(text)
    assert goal.autonomy == Autonomy(level=Level.APPROVE, risks={"deploy": Level.OBSERVE})
    assert goal.predicates[0].autonomy is Level.PROPOSE
    assert goal.remedies[0].risk is Risk.DATA
    assert goal.approvals == (
        ApprovalRule(gate=Gate.DEPLOY, roles=(Role.APPROVER, Role.ADMIN), count=2, expires_s=7200.0),
        ApprovalRule(gate=Gate.EXECUTION),
    )


def test_nothing_said_is_act_and_nobody_is_asked() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}')
    assert (goal.autonomy, goal.approvals, goal.predicates[0].autonomy) == (Autonomy(), (), Level.ACT)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('[autonomy]\nlevel = "trust me"\n', "trust me", id="a-level-that-is-none"),
        pytest.param('[autonomy]\nrestarts = "act"\n', "restarts", id="a-class-that-is-none"),
        pytest.param("[[approval]]\ncount = 1\n", "gate", id="no-gate"),
        pytest.param(
            '[[approval]]\ngate = "deploy"\nfrom = ["viewer"]\n', "viewer", id="a-role-that-may-not"
        ),
        pytest.param('[[approval]]\ngate = "deploy"\ncount = 11\n', "at most 10", id="more-than-there-are"),
        pytest.param(
            '[[approval]]\ngate = "deploy"\n[[approval]]\ngate = "deploy"\n', "already", id="a-gate-twice"
        ),
        pytest.param(
            f'{AGENT}[workspace]\nmode = "in_place"\n[autonomy]\nlevel = "propose"\n',
            "keeps nothing back",
            id="work-kept-back-in-place",
        ),
    ],
)
def test_what_cannot_be_meant_is_a_problem(text: str, says: str) -> None:
    assert any(says in p.message for p in problems_of(f'id = "g"\n{PREDICATE}{text}'))


@pytest.mark.parametrize(
    ("text", "mode"),
    [
        pytest.param('[autonomy]\nlevel = "propose"\n', "worktree", id="propose"),
        pytest.param('[autonomy]\ncode = "approve"\n', "worktree", id="approve"),
        pytest.param('[[approval]]\ngate = "landing"\n', "worktree", id="a-gate-at-landing"),
    ],
)
def test_an_agent_whose_work_is_kept_back_has_a_tree_of_its_own(text: str, mode: str) -> None:
    assert goal_of(f'id = "g"\n{PREDICATE}{AGENT}{text}').isolation.mode == mode
    assert goal_of(f'id = "g"\n{PROBE}[[remedy]]\ncmd = "x"\n{text}').isolation.mode == "in_place"
