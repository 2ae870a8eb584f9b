"""Every problem of a goal-file is reported at once, each with its line, its key and what was probably meant."""

import pytest

from kazid.goalfile.problems import PROBLEMS_MAX
from tests.goalfile.loading import PREDICATE, PROBE, goal_of, places_of, problems_of, script


def test_every_problem_of_a_file_is_reported_in_line_order() -> None:
    text = """\
id = 5
mode = "fix"
[budget]
max_iters = 3
max_tokens = 0
[[predicate]]
provider = "custom_script"
verdct = "exit_zero"
[[predicate]]
id = "q"
provider = "htp_probe"
guard = 1
[intergration]
mode = "pr"
"""
    assert places_of(text) == [
        (1, "id"),
        (2, "mode"),
        (4, "budget.max_iters"),
        (5, "budget.max_tokens"),
        (6, "predicate[1].id"),
        (6, "predicate[1].cmd"),
        (8, "predicate[1].verdct"),
        (11, "predicate[2].provider"),
        (12, "predicate[2].guard"),
        (13, "intergration"),
    ]


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param(f'id = "g"\nstandng = true\n{PREDICATE}', 'did you mean "standing"?', id="top-level"),
        pytest.param(f'id = "g"\n{PREDICATE}[intergration]\n', 'did you mean "integration"?', id="table"),
        pytest.param(f'id = "g"\n{PREDICATE}[[remedies]]\n', 'did you mean "remedy"?', id="array-of-tables"),
        pytest.param(f'id = "g"\n{PREDICATE}tmeout_ms = 5\n', 'did you mean "timeout_ms"?', id="predicate"),
        pytest.param(f'id = "g"\n{PREDICATE}Confirm = 5\n', 'did you mean "confirm"?', id="capital-letter"),
        pytest.param(
            f'id = "g"\n{PREDICATE}[memory]\ncopus = []\n', 'did you mean "corpus"?', id="key-of-a-table"
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}[memory]\nzzz = []\n', 'known keys: "corpus"', id="nothing-close"
        ),
        pytest.param(f'id = "g"\nmode = "Create"\n{PREDICATE}', 'did you mean "create"?', id="word"),
        pytest.param(
            'id = "g"\n[[predicate]]\nid = "p"\nprovider = "custom_scrpt"\n',
            'did you mean "custom_script"?',
            id="provider",
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}group = "apis"\n[[group]]\nid = "api"\n', 'did you mean "api"?', id="group"
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}[[remedy]]\ncmd = "x"\nfor = ["pp"]\n',
            'did you mean "p"?',
            id="predicate-of-a-remedy",
        ),
        pytest.param(
            'id = "g"\n[[predicate]]\nid = "r"\nprovider = "ratchet"\nbaseline = 1\ndirection = "lower_better"\n'
            'metric = { cmd = "x", arg = [] }\n',
            'did you mean "args"?',
            id="nested-table",
        ),
    ],
)
def test_a_misspelt_word_is_a_problem_that_says_what_was_meant(text: str, hint: str) -> None:
    assert hint in [p.hint for p in problems_of(text)]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        pytest.param("max_iterations", "5.0", id="float-for-integer"),
        pytest.param("max_iterations", "true", id="true-for-integer"),
        pytest.param("max_iterations", "0", id="zero-ceiling"),
        pytest.param("max_tokens", '"5"', id="digits-in-a-string"),
        pytest.param("max_tokens", "1" + "0" * 30, id="more-than-any-counter"),
        pytest.param("max_cost_usd", "0", id="no-money"),
        pytest.param("max_cost_usd", "nan", id="not-a-number"),
        pytest.param("cached_read_weight", "1.5", id="weight-above-one"),
        pytest.param("cached_read_weight", "true", id="true-for-number"),
    ],
)
def test_a_value_of_the_wrong_shape_is_a_problem(key: str, value: str) -> None:
    assert places_of(f'id = "g"\n{PREDICATE}[budget]\n{key} = {value}\n') == [(7, f"budget.{key}")]


@pytest.mark.parametrize(
    "value", ['""', '"30"', '"30 s"', '"-1s"', '"1w"', '"0s"', '"9e9d"', '"400d"', "0", "-1", "inf", "[]"]
)
def test_what_is_no_duration_is_a_problem(value: str) -> None:
    assert places_of(f'id = "g"\n{PREDICATE}[observe]\ninterval = {value}\n') == [(7, "observe.interval")]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        pytest.param('id = "g"\n', [(1, "predicate")], id="no-predicate"),
        pytest.param('id = "g"\npredicate = []\n', [(2, "predicate")], id="empty-vector"),
        pytest.param(f'id = "g"\n{PREDICATE}{PREDICATE}', [(7, "predicate[2].id")], id="duplicate-predicate"),
        pytest.param(
            f'id = "g"\n{PREDICATE}[[enforcement.guard]]\nid = "p"\n',
            [(3, "predicate[1].id")],
            id="guard-of-that-name",
        ),
        pytest.param(
            f'id = "g"\n{script("scope_deny_paths")}[scope]\ndeny = ["x"]\n',
            [(3, "predicate[1].id")],
            id="name-of-the-scope-guard",
        ),
        pytest.param(
            f'id = "g"\n{script("landed")}[integration]\nmode = "pr"\n',
            [(3, "predicate[1].id")],
            id="name-of-landed",
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}guard = true\nacceptance = true\n',
            [(7, "predicate[1].acceptance")],
            id="guard-and-acceptance",
        ),
        pytest.param('id = "g\\u001b[2J"\n' + PREDICATE, [(1, "id")], id="control-characters"),
        pytest.param(f'id = "{"g" * 257}"\n' + PREDICATE, [(1, "id")], id="endless-id"),
        pytest.param(
            f'id = "g"\n{PREDICATE}[scope]\nowns = ["host:a"]\n', [(7, "scope.owns[1]")], id="unknown-claim"
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}[labels]\n"a b" = "c"\n', [(7, "labels.a b")], id="label-nobody-can-select"
        ),
        pytest.param(
            f'id = "g"\ndepends_on = ["g"]\n{PREDICATE}', [(2, "depends_on[1]")], id="depends-on-itself"
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}env = {{ "A=B" = "c" }}\n',
            [(6, "predicate[1].env.A=B")],
            id="variable-name",
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}timeout_ms = 99999999999\n',
            [(6, "predicate[1].timeout_ms")],
            id="deadline-of-years",
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}[[remedy]]\ncmd = "x"\nfor = []\n',
            [(8, "remedy[1].for")],
            id="remedy-for-nothing",
        ),
        pytest.param(f'id = "g"\n{PREDICATE}[remedy]\ncmd = "x"\n', [(6, "remedy")], id="table-for-array"),
        pytest.param(
            f'id = "g"\n{PREDICATE}[harness]\nid = "claude"\nfor = ["q"]\n',
            [(8, "harness.for[1]")],
            id="harness-for-nobody",
        ),
        pytest.param(
            'id = "g"\n[[predicate]]\nid = "r"\nprovider = "render_proof"\ncapture = "c"\n',
            [(5, "predicate[1].capture")],
            id="undeclared-capture",
        ),
        pytest.param(
            f'id = "g"\n{PREDICATE}[[predicate]]\nid = "l"\nprovider = "landed"\n',
            [(8, "predicate[2].provider")],
            id="synthesized-kind",
        ),
    ],
)
def test_what_one_key_alone_cannot_tell_is_a_problem(text: str, places: list[tuple[int, str]]) -> None:
    assert places_of(text) == places


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        pytest.param('verdict = "exit_code"', ["pass_codes"], id="exit-code-needs-codes"),
        pytest.param(
            'verdict = "json"\ntimeout_ms = 0', ["path", "pass_when", "timeout_ms"], id="two-wrongs"
        ),
        pytest.param(
            'verdict = "match_count"\nmatch_regex = "("\npass_when = "=> 1"',
            ["match_regex", "pass_when"],
            id="regex",
        ),
        pytest.param('verdict = "exit_code"\npass_codes = [true]', ["pass_codes"], id="true-is-no-exit-code"),
    ],
)
def test_every_option_of_a_predicate_is_judged(options: str, keys: list[str]) -> None:
    found = {p.key for p in problems_of(f'id = "g"\n{PREDICATE}{options}\n')}
    assert found == {f"predicate[1].{key}" for key in keys}


def test_problems_are_listed_up_to_a_bound_and_counted_beyond() -> None:
    text = 'id = "g"\n' + PREDICATE + "".join(f"key_{n} = 1\n" for n in range(PROBLEMS_MAX + 7))
    problems = problems_of(text)
    assert len(problems) == PROBLEMS_MAX + 1
    assert problems[-1].message == "7 more problems are not listed"


def test_a_goal_with_everything_in_order_has_no_problem() -> None:
    goal = goal_of(f'id = "my goal/é"\nname = "n"\n{PREDICATE}guard = true\n{PROBE}')
    assert goal.id == "my goal/é"
    assert goal.predicate_ids == ("live", "p"), "guards come last in the vector"


def test_a_misspelt_provider_is_pointed_at_where_provider_is_missing() -> None:
    text = 'id = "g"\n[[predicate]]\nid = "p"\nprovder = "http_probe"\nurl = "http://x/"\n'
    (problem,) = problems_of(text)
    assert (problem.key, problem.hint) == ("predicate[1].provider", 'is "provder" meant to be it?')
