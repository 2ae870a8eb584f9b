import pytest

from kazid.core.watch import Wake
from tests.goalfile.loading import PREDICATE, PROBE, goal_of, problems_of


def test_wake_names_what_else_brings_a_look() -> None:
    text = 'wake = {hook = true, files = ["out", "/etc/app"], pid_file = "/run/a.pid", unit = "a.service"}\n'
    (predicate,) = goal_of(f'id = "g"\n{PREDICATE}{text}').predicates
    assert predicate.wake == Wake(
        hook=True, files=("out", "/etc/app"), pid_file="/run/a.pid", unit="a.service", auto=True
    )


def test_without_wake_the_kind_alone_tells() -> None:
    (predicate,) = goal_of(f'id = "g"\n{PREDICATE}').predicates
    assert predicate.wake is None


@pytest.mark.parametrize(
    ("wake", "key", "says"),
    [
        pytest.param("{hooks = true}", "wake.hooks", 'did you mean "hook"?', id="misspelt"),
        pytest.param("true", "wake", "must be a table", id="no-table"),
        pytest.param('{hook = "yes"}', "wake.hook", "must be true or false", id="no-boolean"),
        pytest.param('{files = ["log/*.log"]}', "wake.files", "is a pattern", id="pattern"),
        pytest.param('{files = [""]}', "wake.files", "is no path", id="empty-path"),
        pytest.param('{unit = "a b"}', "wake.unit", "name of one unit", id="no-unit"),
        pytest.param('{pid_file = ""}', "wake.pid_file", "non-empty", id="no-pid-file"),
        pytest.param("{files = [" + "'x'," * 33 + "]}", "wake.files", "at most 32", id="too-many"),
    ],
)
def test_a_wake_that_means_nothing_is_refused_with_its_place(wake: str, key: str, says: str) -> None:
    (problem,) = problems_of(f'id = "g"\n{PREDICATE}wake = {wake}\n')
    assert problem.key is not None
    assert problem.key.endswith(key)
    assert says in f"{problem.message} {problem.hint}"


def test_a_relative_name_is_below_the_workspace_so_the_goal_has_one() -> None:
    assert goal_of(f'id = "g"\n{PROBE}').workspace is None
    assert goal_of(f'id = "g"\n{PROBE}wake = {{files = ["/etc/app"]}}\n').workspace is None
    assert goal_of(f'id = "g"\n{PROBE}wake = {{files = ["out"]}}\n').workspace == "/goals"
