"""What would change a verdict or an act and is not built is refused by name; what changes neither is a notice."""

import pytest

from tests.goalfile.loading import PREDICATE, PROBE, loaded


@pytest.mark.parametrize(
    ("text", "line", "key", "says"),
    [
        pytest.param(
            '[[capture]]\nname = "a"\nlaunch_cmd = "x"\noutput = "o"\n',
            6,
            "capture[1]",
            "[[capture]]",
            id="capture",
        ),
        pytest.param(
            "[[group]]\nid = 'a'\nbudget = 3\n", 8, "group[1].budget", 'group "a": budget', id="group-budget"
        ),
        pytest.param(
            '[[predicate]]\nid = "q"\nprovider = "oss_hygiene"\n',
            8,
            "predicate[2].provider",
            '"oss_hygiene"',
            id="kind",
        ),
    ],
)
def test_what_is_not_built_is_named_with_its_place(text: str, line: int, key: str, says: str) -> None:
    (refused,) = loaded(f'id = "g"\n{PREDICATE}{text}').unbuilt
    assert (refused.line, refused.key) == (line, key)
    assert says in refused.message
    assert "not built yet" in refused.message


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[enforcement]\nenabled = false\n", id="enforcement-off"),
        pytest.param("[seal]\nenabled = false\nsealed_inputs = ['x']\n", id="seal-off"),
        pytest.param("[integration]\n", id="integration-empty"),
        pytest.param('[integration]\nmode = "none"\n', id="integration-none"),
        pytest.param('[integration]\nmode = "merge"\n', id="integration"),
        pytest.param("[[group]]\nid = 'a'\n[[group]]\nid = 'b'\nneeds = ['a']\n", id="needs"),
        pytest.param("[scope]\ndeny = []\npaths = ['src']\n", id="nothing-denied"),
        pytest.param(
            "[[group]]\nid = 'a'\n[[group]]\nid = 'b'\nparent = 'a'\nneeds = []\n", id="groups-that-only-sort"
        ),
        pytest.param("autonomy = 'observe'\n[autonomy]\nlevel = 'act'\ndeploy = 'observe'\n", id="autonomy"),
        pytest.param(
            "[autonomy]\ncode = 'approve'\n[[approval]]\ngate = 'deploy'\nfrom = ['approver']\ncount = 2\n",
            id="approvals",
        ),
        pytest.param("[conventions]\nextra_rules = ['x']\n", id="conventions"),
        pytest.param("[labels]\na = 'b'\n[metadata]\nc = 1\n", id="labels-and-metadata"),
        pytest.param("[budget]\nmax_cost_usd = 1\n", id="cost"),
    ],
)
def test_what_asks_for_nothing_unbuilt_is_not_refused(text: str) -> None:
    assert loaded(f'id = "g"\n{PREDICATE}{text}').unbuilt == ()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(PREDICATE + "[economy]\ndebrief = true\n", "[economy]", id="economy"),
        pytest.param(PREDICATE + "[memory]\n", "[memory]", id="memory"),
        pytest.param(PREDICATE + "[seal]\n", "[seal]", id="seal-without-inputs"),
        pytest.param(PREDICATE + "[scope]\nrepo = 'r'\n", "scope.repo", id="repo"),
        pytest.param(
            PREDICATE + "[integration]\nbranch_prefix = 'x/'\n",
            "integration.branch_prefix",
            id="branch-prefix",
        ),
        pytest.param(PREDICATE + "confirm = 3\n", "confirm has no effect", id="confirm-on-code"),
        pytest.param(PREDICATE + "samples = 3\n", "samples has no effect", id="samples-on-code"),
        pytest.param(
            '[[predicate]]\nid = "p"\nprovider = "test_runner"\ncmd = "go"\n',
            '"test_runner" is deprecated',
            id="deprecated",
        ),
    ],
)
def test_what_changes_neither_verdict_nor_act_is_a_notice(text: str, says: str) -> None:
    result = loaded(f'id = "g"\n{text}[budget]\nmax_dispatches = 1\n')
    assert len(result.notices) == 1
    assert says in result.notices[0]
    assert result.unbuilt == ()


def test_each_deprecated_kind_is_said_once() -> None:
    runner = '[[predicate]]\nid = "{}"\nprovider = "test_runner"\ncmd = "go"\n'
    notices = loaded('id = "g"\n' + runner.format("a") + runner.format("b")).notices
    assert sum("deprecated" in n for n in notices) == 1


def test_a_model_nobody_uses_is_said() -> None:
    assert loaded(f'id = "g"\n{PROBE}', model_flag="m").notices == (
        "--model has no effect: this goal never dispatches an agent",
    )
