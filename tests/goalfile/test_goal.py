"""The goal a file means, and that it is stored without loss."""

import msgspec
import pytest

from kazid.core.goal import Budget, Goal, Limits
from kazid.providers.catalog import KINDS
from tests.goalfile.loading import PREDICATE, PROBE, goal_of, loaded, problems_of

TABLES = """\
[metadata]
since = 1979-05-27
"a.b" = [1, { c = inf }]
[enforcement]
enabled = false
[[enforcement.guard]]
id = "count"
metric = { cmd = "wc" }
[integration]
mode = "branch"
[economy]
debrief = true
[memory]
corpus = []
[conventions]
extra_rules = ["one"]
[escalation]
[seal]
sealed_inputs = ["x"]
[[capture]]
name = "a"
launch_cmd = "x"
output = "o.png"
"""


def test_tables_that_are_not_built_are_stored_as_written() -> None:
    tables = goal_of(f'id = "g"\n{PREDICATE}{TABLES}').tables
    assert tables == {
        "metadata": {"since": "1979-05-27", "a.b": [1, {"c": "inf"}]},
        "enforcement": {"enabled": False, "guard": [{"id": "count", "metric": {"cmd": "wc"}}]},
        "integration": {"mode": "branch"},
        "economy": {"debrief": True},
        "memory": {"corpus": []},
        "conventions": {"extra_rules": ["one"]},
        "escalation": {},
        "seal": {"sealed_inputs": ["x"]},
        "capture": [{"name": "a", "launch_cmd": "x", "output": "o.png"}],
    }


def test_a_stored_goal_is_the_loaded_goal() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}{PROBE}headers = {{ A = "b" }}\n{TABLES}')
    stored = msgspec.json.encode(goal)
    assert msgspec.json.encode(msgspec.json.decode(stored, type=Goal)) == stored


def test_what_importers_wrote_is_kept_apart_from_options() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}feature = "f"\nsteps = ["Given x"]\nrole = "ops"\nname = "n"\n')
    assert goal.predicates[0].options == {"cmd": "./check"}
    assert goal.tables["predicate"] == {
        "p": {"name": "n", "feature": "f", "steps": ["Given x"], "role": "ops"}
    }


def test_options_are_the_providers_own_keys_as_authored() -> None:
    keys = (
        'interval = "5s"\nconfirm = 1\nsamples = 3\ntimeout_ms = 900\ndescription = "d"\nacceptance = true\n'
    )
    (predicate,) = goal_of(f'id = "g"\n{PROBE}{keys}').predicates
    assert predicate.options == {"url": "http://x/", "expect_status": 200, "samples": 3, "timeout_ms": 900}
    assert predicate.options.keys() <= KINDS["http_probe"].keys.keys()
    assert (predicate.description, predicate.acceptance) == ("d", True)


def test_budget_ceilings_of_any_size_load() -> None:
    table = (
        "[budget]\nmax_iterations = 3\nmax_wall_clock_ms = 1500\nmax_tokens = 99999999999999999999999\n"
        "max_dispatches = 2\nmax_cost_usd = 2\ncached_read_weight = 0\n"
    )
    assert goal_of(f'id = "g"\n{PREDICATE}{table}').budget == Budget(
        iterations_max=3,
        wall_clock_s_max=1.5,
        tokens_max=99999999999999999999999,
        dispatches_max=2,
        cost_usd_max=2.0,
        cached_read_weight=0.0,
    )


def test_landed_is_last_of_the_predicates_and_before_guards() -> None:
    text = f'id = "My Goal: é/x"\n{PREDICATE}guard = true\n{PROBE}[integration]\nmode = "pr"\nbase = "main"\n'
    goal = goal_of(text)
    assert goal.predicate_ids == ("live", "landed", "p")
    assert goal.predicates[1].options == {"mode": "pr", "branch": "task/My-Goal-x", "base": "main"}


def test_guards_of_an_enforcement_are_ratchets_at_the_end_of_the_vector() -> None:
    guard = '[[enforcement.guard]]\nid = "cov"\nmetric = { cmd = "./cov" }\n'
    goal = goal_of(f'id = "g"\n{PREDICATE}{guard}allowed_regression = 0.5\n')
    cov = goal.predicates[-1]
    assert (cov.id, cov.provider, cov.guard, cov.live) == ("cov", "ratchet", True, False)
    assert cov.options == {
        "metric": {"cmd": "./cov"},
        "direction": "higher_better",
        "baseline": "stored",
        "allowed_regression": 0.5,
    }
    off = goal_of(f'id = "g"\n{PREDICATE}[enforcement]\nenabled = false\n{guard}')
    assert off.predicate_ids == ("p",)


def test_an_authored_branch_is_the_one_it_lands_on() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}[integration]\nmode = "pr"\nbranch = "mine"\n')
    assert goal.predicate(goal.predicate_ids[-1]).options["branch"] == "mine"


WAIVED = '[[predicate]]\nid = "{}"\nprovider = "custom_script"\ncmd = "./check"\non_unknown = "waive"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param(WAIVED.format("a"), "every predicate may be waived", id="the-only-one"),
        pytest.param(WAIVED.format("a") + WAIVED.format("b"), "every predicate may be waived", id="all"),
        pytest.param(
            f"{PREDICATE}{WAIVED.format('a')}acceptance = true\n",
            "every acceptance predicate may be waived",
            id="all-acceptance",
        ),
    ],
)
def test_a_goal_that_waives_its_whole_bar_is_refused(text: str, says: str) -> None:
    (problem,) = problems_of(f'id = "g"\n{text}')
    assert says in problem.message
    assert problem.key is not None
    assert problem.key.endswith("on_unknown")


def test_a_waiver_beside_what_has_to_hold_is_stored() -> None:
    result = loaded(f'id = "g"\n{PREDICATE}{WAIVED.format("a")}')
    assert not result.unbuilt
    assert [p.on_unknown for p in result.goal.predicates] == ["block", "waive"]


def test_where_a_goal_came_from_is_part_of_it() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}', owner="ops", caller_path="/bin:/usr/bin")
    assert (goal.owner, goal.path, goal.source_path) == ("ops", "/bin:/usr/bin", "/goals/g.goal.toml")
    assert goal.source_sha256 is not None
    assert goal.source_sha256 != goal_of(f'id = "h"\n{PREDICATE}').source_sha256


def test_labels_and_dependencies_arrive() -> None:
    goal = loaded(f'id = "g"\ndepends_on = ["db", "ops/net"]\n{PREDICATE}[labels]\nteam = "a"\n').goal
    assert (goal.labels, goal.depends_on) == ({"team": "a"}, ("db", "ops/net"))


def test_limits_are_read_with_their_units() -> None:
    text = f'id = "g"\n{PREDICATE}[limits]\ncpu = 2\nmemory = "512MiB"\npids = 100\nfiles = 256\n'
    assert goal_of(text).limits == Limits(cpu=2, memory_bytes=512 * 2**20, pids=100, files=256)
    assert goal_of(f'id = "g"\n{PREDICATE}').limits == Limits()
    assert goal_of(f'id = "g"\n{PREDICATE}[limits]\nmemory = "4 GB"\n').limits == Limits(
        memory_bytes=4 * 10**9
    )


@pytest.mark.parametrize("memory", ["", "512", "lots", "1KiB", "-1GB", "1.5GB"])
def test_an_amount_of_memory_that_is_none_is_refused(memory: str) -> None:
    assert problems_of(f'id = "g"\n{PREDICATE}[limits]\nmemory = "{memory}"\n')
