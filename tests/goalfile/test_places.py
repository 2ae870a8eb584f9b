"""Where a goal works (SEMANTICS §6), and that nothing relative is resolved against the daemon's own folder."""

import pytest

from tests.goalfile.loading import PREDICATE, PROBE, goal_of, problems_of

REMEDY = '[[remedy]]\ncmd = "./restart"\n'


@pytest.mark.parametrize(
    ("text", "source", "workspace"),
    [
        pytest.param(PREDICATE, {}, "/goals", id="code-predicates-take-the-goal-files-folder"),
        pytest.param(PROBE + '[harness]\nid = "claude"\n', {}, "/goals", id="a-harness-takes-it-too"),
        pytest.param(PROBE + REMEDY, {}, None, id="live-predicates-alone-have-none"),
        pytest.param(
            PROBE + '[scope]\nworkspace = "svc"\n', {}, "/goals/svc", id="relative-to-the-goal-file"
        ),
        pytest.param(PREDICATE + '[scope]\nworkspace = "/srv/x"\n', {}, "/srv/x", id="absolute"),
        pytest.param(PREDICATE + '[scope]\nworkspace = "../x/."\n', {}, "/x", id="normalised"),
        pytest.param(
            PREDICATE + '[scope]\nworkspace = "svc"\n',
            {"workspace_flag": "w", "caller_cwd": "/home/me"},
            "/home/me/w",
            id="the-flag-wins-relative-to-the-caller",
        ),
        pytest.param(
            PREDICATE, {"workspace_flag": "/w", "path": None}, "/w", id="the-flag-without-a-goal-file"
        ),
        pytest.param(PROBE, {"path": None}, None, id="neither-needed-nor-known"),
    ],
)
def test_the_workspace_of_a_goal(text: str, source: dict[str, str], workspace: str | None) -> None:
    assert goal_of(f'id = "g"\n{text}', **source).workspace == workspace


@pytest.mark.parametrize(
    ("text", "source", "key"),
    [
        pytest.param(PREDICATE, {"path": None}, "scope.workspace", id="needed-and-not-known"),
        pytest.param(
            PREDICATE + '[scope]\nworkspace = "w"\n',
            {"path": None},
            "scope.workspace",
            id="relative-to-no-goal-file",
        ),
        pytest.param(PREDICATE, {"workspace_flag": "w"}, "--workspace", id="relative-to-no-caller"),
    ],
)
def test_a_workspace_nobody_can_place_is_a_problem(text: str, source: dict[str, str], key: str) -> None:
    assert [p.key for p in problems_of(f'id = "g"\n{text}', **source)] == [key]


def test_the_authored_scope_is_kept_as_written() -> None:
    table = '[scope]\nworkspace = "svc"\npaths = ["src"]\nowns = ["path:src"]\non_overlap = "serialise"\n'
    scope = goal_of(f'id = "g"\n{PREDICATE}{table}').scope
    assert (scope.workspace, scope.paths, scope.owns, scope.on_overlap) == (
        "svc",
        ("src",),
        ("path:src",),
        "serialise",
    )
