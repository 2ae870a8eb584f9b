"""From a failing test to a live service: git, a remote, a forge stand-in, a service deployed by script, all real."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fixtures.fake_forge import TOKEN, FakeForge
from tests.system.delivery_house import APP, BROKEN, FIXED, Team, agent, git, plain, story
from tests.system.house import RealDaemon

WITHIN_S = 180.0


@pytest.fixture
def team(base: Path) -> Iterator[Team]:
    team = Team(base)
    yield team
    team.close()


@pytest.fixture
def forge(team: Team) -> Iterator[FakeForge]:
    forge = FakeForge(team.bare)
    yield forge
    forge.close()


@pytest.fixture
def daemon(base: Path) -> Iterator[RealDaemon]:
    daemon = RealDaemon(base, environment={"FORGE_TOKEN": TOKEN})
    daemon.start()
    yield daemon
    daemon.end_everything()


def merged_by(forge: FakeForge) -> str:
    return f"""
[integration]
mode = "merge"
forge = {{ kind = "rest", url = "{forge.url}", repo = "team/app", token_env = "FORGE_TOKEN" }}
"""


def writes(base: Path, text: str) -> str:
    return str(agent(base, f"cat > app.py <<'END'\n{text}END\n"))


IN_PLACE = '[workspace]\nmode = "in_place"\n'


@pytest.mark.parametrize(
    "isolation", [pytest.param(IN_PLACE, id="in-place"), pytest.param("", id="worktree")]
)
def test_the_whole_way_from_a_failing_test_to_a_live_service(
    daemon: RealDaemon, base: Path, team: Team, forge: FakeForge, isolation: str
):
    old = team.deploy_now()
    layers = f"""
[[deploy.layer]]
id = "copied"
provider = "custom_script"
cmd = "sh"
args = ["-c", "grep -q hello {team.served}/now/app.py"]
"""
    goal = team.goal(
        team.code(writes(base, FIXED)) + isolation + merged_by(forge) + team.deploy() + layers + team.live()
    )
    document = daemon.apply(goal, timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document) + daemon.log_tail()
    events = daemon.events("greet")
    assert story(events) == ["harness:claude 0", "land 0", "deploy 0"]
    titles = [e["event"]["title"] for e in events if e["type"] == "act.intended"]
    assert titles[-1].endswith("lowest red layer: copied")
    new = team.remote()
    assert git(team.bare, "show", "main:app.py") == FIXED.strip()
    assert git(team.bare, "rev-parse", "main^") == old
    assert team.get("/greet") == (200, "hello")
    assert new in team.get("/version")[1]
    assert [p["merged"] for p in forge.pulls] == [True]
    assert git(team.work, "rev-parse", f"release/greet/{new[:12]}") == new
    assert git(team.work, "status", "--porcelain") == ""
    assert (team.work / "app.py").read_text() == (FIXED if isolation else APP)


def test_a_moved_remote_is_rebased_onto_and_verified_in_the_goals_own_tree(
    daemon: RealDaemon, base: Path, team: Team, forge: FakeForge
):
    theirs = team.somebody_pushes()
    goal = team.goal(team.code(writes(base, FIXED)) + merged_by(forge))
    document = daemon.apply(goal, timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document) + daemon.log_tail()
    assert story(daemon.events("greet")) == ["harness:claude 0", "land 0", "land 0"]
    assert git(team.bare, "rev-parse", "main^") == theirs


def test_a_deploy_that_breaks_what_was_green_is_rolled_back_and_ends_by_name(
    daemon: RealDaemon, base: Path, team: Team
):
    old = team.deploy_now()
    back = 'rollback_cmd = "sh"\nrollback_args = ["rollback.sh"]\n'
    landing = '[integration]\nmode = "merge"\nforge = { kind = "none" }\n'
    goal = team.goal(team.code(writes(base, BROKEN)) + landing + team.deploy(back) + team.live())
    document = daemon.apply(goal, timeout_s=WITHIN_S)
    assert (document["status"], document["cause"]) == ("stuck", "rolled_back"), plain(document)
    assert story(daemon.events("greet")) == ["harness:claude 0", "land 0", "deploy 0", "rollback 0"]
    assert team.get("/health") == (200, "fine")
    assert old in team.get("/version")[1]
    assert "healthy" in document["reason"]


def test_a_moved_remote_ends_the_goal_by_name_and_nothing_of_anybody_is_lost(
    daemon: RealDaemon, base: Path, team: Team
):
    theirs = team.somebody_pushes("app.py", "# rewritten by somebody else\n")
    landing = '[integration]\nmode = "merge"\nforge = { kind = "none" }\n'
    document = daemon.apply(
        team.goal(team.code(writes(base, FIXED)) + IN_PLACE + landing), timeout_s=WITHIN_S
    )
    assert (document["status"], document["cause"]) == ("stuck", "unlanded"), plain(document)
    assert document["reason"].startswith(("base_moved", "merge_conflict"))
    assert team.remote() == theirs
    assert git(team.work, "rev-parse", "--abbrev-ref", "HEAD") == "main"


# --- the three proof cases of the predecessor's own README ------------------------------------------------------------


def proof(base: Path, text: str, line: str) -> Path:
    work = base / "proof"
    work.mkdir()
    path = base / "proof.toml"
    path.write_text(
        f'id = "proof"\n[scope]\nworkspace = "{work}"\n[harness]\nid = "claude"\n'
        f'command = "{agent(base, line)}"\n{text}'
    )
    return path


def test_proof_one_the_exact_bytes_of_a_file(daemon: RealDaemon, base: Path):
    exact = b"kazi was here\n"
    text = f"""
[[predicate]]
id = "bytes"
provider = "file"
live = false
path = "out.txt"
sha256 = "{hashlib.sha256(exact).hexdigest()}"
"""
    document = daemon.apply(proof(base, text, "printf 'kazi was here\\n' > out.txt"), timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document)
    assert (base / "proof" / "out.txt").read_bytes() == exact


def test_proof_two_an_answer_behind_a_one_way_hash_of_which_the_first_is_wrong(
    daemon: RealDaemon, base: Path
):
    digest = hashlib.sha256(b"42").hexdigest()
    text = f"""
[[predicate]]
id = "answer"
provider = "custom_script"
cmd = "sh"
args = ["-c", "test \\"$(tr -d '\\\\n' < answer | sha256sum | cut -d' ' -f1)\\" = {digest}"]
"""
    # It tries 41, sees that it is wrong, and tries the next one.
    line = "n=$(cat answer 2> /dev/null || echo 40); echo $((n + 1)) > answer"
    document = daemon.apply(proof(base, text, line), timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document)
    assert story(daemon.events("proof")) == ["harness:claude 0", "harness:claude 0"]


def test_proof_three_groups_are_worked_on_in_the_order_of_their_needs(daemon: RealDaemon, base: Path):
    claims = {"report": ("report", ("parse",)), "fetch": ("fetch", ()), "parse": ("parse", ("fetch",))}
    text = "".join(
        f'[[group]]\nid = "{group}"\nneeds = [{", ".join(f"{n!r}" for n in needs)}]\n'
        f'[[predicate]]\nid = "{name}"\nprovider = "custom_script"\ngroup = "{group}"\n'
        f'cmd = "test"\nargs = ["-e", "{name}"]\n'
        for name, (group, needs) in claims.items()
    )
    line = 'for p in fetch parse report; do test -e "$p" || { touch "$p"; break; }; done'
    document = daemon.apply(proof(base, text, line), timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document)
    served = [e["event"]["predicates"] for e in daemon.events("proof") if e["type"] == "act.intended"]
    assert served == [["fetch"], ["parse"], ["report"]]


def test_a_create_goal_builds_an_endpoint_from_acceptance_and_held_out_predicates(
    daemon: RealDaemon, base: Path, team: Team
):
    team.deploy_now()
    git(team.work, "config", "user.email", "somebody@localhost")
    text = f"""
mode = "create"
[scope]
workspace = "{team.work}"
[harness]
id = "claude"
command = "{writes(base, FIXED)}"
[budget]
max_dispatches = 3
[observe]
recheck = "200ms"
[[predicate]]
id = "greets"
provider = "http_probe"
acceptance = true
url = "http://127.0.0.1:{team.port}/greet"
expect_body = "hello"
[[predicate]]
id = "unit"
provider = "custom_script"
acceptance = true
cmd = "{team.variables["PYTHON"]}"
args = ["-c", "from app import answer; assert answer('/greet')[0] == 200"]
[[predicate]]
id = "unseen"
provider = "custom_script"
held_out = true
cmd = "{team.variables["PYTHON"]}"
args = ["-c", "from app import answer; assert answer('/greet') == (200, 'hello'); assert answer('/x')[0] == 404"]
[integration]
mode = "merge"
forge = {{ kind = "none" }}
{team.deploy()}
"""
    document = daemon.apply(team.goal(text), timeout_s=WITHIN_S)
    assert document["status"] == "converged", plain(document) + daemon.log_tail()
    assert story(daemon.events("greet")) == ["harness:claude 0", "land 0", "deploy 0"]
    assert team.get("/greet") == (200, "hello")
