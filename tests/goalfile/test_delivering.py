"""`[integration]` and `[deploy]`: what they mean, which predicates they make, and all that may be wrong with them."""

import pytest

from kazid.core.delivery import Deploy, Forge, Integration, Version
from tests.goalfile.loading import PREDICATE, PROBE, goal_of, problems_of

LANDS = '[integration]\nmode = "merge"\n'
VERSION = 'version = { url = "http://x/v", jsonpath = "$.commit" }\n'
DEPLOYS = f'[deploy]\ncmd = "./deploy"\n{VERSION}'
LAYERS = """
[[deploy.layer]]
id = "built"
provider = "custom_script"
cmd = "test"
args = ["-e", "image"]
[[deploy.layer]]
id = "ready"
provider = "http_probe"
url = "http://x/ready"
"""


def test_the_result_is_landed_by_what_the_scope_names() -> None:
    text = f'id = "a b"\nname = "Greet"\n{PREDICATE}[scope]\npaths = ["src"]\n{LANDS}base = "trunk"\n'
    goal = goal_of(text + 'forge = { url = "https://f/api/v1/", repo = "t/a", token_env = "T" }\n')
    assert goal.integration == Integration(
        mode="merge",
        branch="task/a-b",
        base="trunk",
        paths=("src",),
        message="Greet",
        forge=Forge(kind="rest", url="https://f/api/v1", repo="t/a", token_env="T"),
    )
    landed = goal.predicate(goal.predicate_ids[-1])
    assert (landed.id, landed.provider, landed.live) == ("landed", "landed", False)
    assert landed.options["forge"] == {
        "kind": "rest",
        "url": "https://f/api/v1",
        "repo": "t/a",
        "token_env": "T",
    }


def test_none_lands_nothing() -> None:
    assert goal_of(f'id = "g"\n{PREDICATE}[integration]\nmode = "none"\n').integration is None


def test_a_deploy_shows_its_layers_and_what_serves_after_landed_and_before_guards() -> None:
    goal = goal_of(f'id = "g"\n{PREDICATE}guard = true\n{PROBE}{LANDS}{DEPLOYS}{LAYERS}')
    assert goal.predicate_ids[1:] == ("landed", "built", "ready", "deployed", "p")
    assert goal.deploy is not None
    assert goal.deploy.layers == ("built", "ready")
    assert all(goal.predicate(p).live for p in (*goal.deploy.layers, goal.predicate_ids[-2]))
    assert goal.deploy.ref == "release/{goal}/{short}"


def test_an_environment_is_laid_over_the_table() -> None:
    text = f"""id = "g"
{PREDICATE}{LANDS}
[deploy]
cmd = "./deploy"
args = ["--to", "nowhere"]
timeout = "1m"
version_cmd = "./version"
version_args = ["staging"]
[deploy.vars]
A = "1"
B = "1"
[deploy.env.prod]
cmd = "./ship"
version = {{ url = "https://prod/", header = "X-Commit" }}
rollback_cmd = "./back"
[deploy.env.prod.vars]
B = "2"
"""
    assert goal_of(text).deploy == Deploy(
        cmd="./deploy",
        args=("--to", "nowhere"),
        timeout_s=60.0,
        ref="release/{goal}/{short}",
        vars={"A": "1", "B": "1"},
        version=Version(cmd="./version", args=("staging",)),
    )
    assert goal_of(text, env_flag="prod").deploy == Deploy(
        cmd="./ship",
        timeout_s=60.0,
        rollback_cmd="./back",
        ref="release/{goal}/{short}",
        env_name="prod",
        vars={"A": "1", "B": "2"},
        version=Version(url="https://prod/", header="X-Commit"),
    )


@pytest.mark.parametrize(
    ("text", "flag", "says"),
    [
        pytest.param(f"{LANDS}[deploy]\n{VERSION}", None, 'missing required key "cmd"', id="no-command"),
        pytest.param(f'{LANDS}[deploy]\ncmd = "x"\n', None, "one of version and version_cmd", id="no-version"),
        pytest.param(f'{LANDS}{DEPLOYS}version_cmd = "x"\n', None, "one of version and version_cmd", id="both"),
        pytest.param(
            f'{LANDS}[deploy]\ncmd = "x"\nversion = {{ url = "http://x/" }}\n',
            None,
            "one of header and jsonpath",
            id="nothing-named",
        ),
        pytest.param(
            f'{LANDS}[deploy]\ncmd = "x"\nversion = {{ url = "ftp://x/", header = "h" }}\n',
            None,
            "not an http:// or https:// address",
            id="no-address",
        ),
        pytest.param(DEPLOYS, None, "has to be landed first", id="nothing-landed"),
        pytest.param(LANDS, "prod", "the goal has no [deploy]", id="flag-without-deploy"),
        pytest.param(LANDS + DEPLOYS, "prod", "declared: none", id="unknown-environment"),
        pytest.param(
            f'{LANDS}[deploy.env.prod]\ncmd = "x"\n{VERSION}', None, 'say which environment', id="which-one"
        ),
        pytest.param(f'{LANDS}{DEPLOYS}ref = "v{{date}}"\n', None, "placeholder", id="placeholder"),
        pytest.param(f'{LANDS}forge = {{ kind = "rest" }}\n', None, "a REST forge needs url", id="forge"),
        pytest.param(
            f'{LANDS}{DEPLOYS}[[deploy.layer]]\nid = "landed"\nprovider = "tcp"\nport = 1\nhost = "h"\n',
            None,
            "duplicate",
            id="layer-id",
        ),
        pytest.param(f"{LANDS}{DEPLOYS}comand = 1\n", None, 'unknown key "comand"', id="unknown-key"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(text: str, flag: str | None, says: str) -> None:
    problems = problems_of(f'id = "g"\n{PREDICATE}{text}', env_flag=flag)
    assert any(says in p.message for p in problems), problems


def test_a_goal_without_code_deploys_what_is_checked_out() -> None:
    goal = goal_of(f'id = "g"\n{PROBE}{DEPLOYS}')
    assert goal.integration is None
    assert goal.deploy is not None
