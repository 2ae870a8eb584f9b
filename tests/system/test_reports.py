"""Kinds that read a report, through the daemon: one goal-file, each kind once red, and one run for all scenarios."""

import json
from pathlib import Path

from tests.system.house import RealDaemon, write_goal

SARIF = json.dumps({"runs": [{"results": [{"ruleId": "R1", "message": {"text": "bad"}}]}]})
CONFIG = '{"config": {}}'
CALLED = '{"finding": {"osv": "GO-1", "trace": [{"package": "p", "function": "F"}]}}'
SCENARIOS = ("One", "Two", "Three")
FEATURE = "Feature: Shop\n" + "".join(f"  Scenario: {name}\n    Given lib.thing\n" for name in SCENARIOS)
REPORT = json.dumps(
    [
        {
            "uri": "shop.feature",
            "elements": [
                {"name": name, "steps": [{"result": {"status": "failed" if name == "Two" else "passed"}}]}
                for name in SCENARIOS
            ],
        }
    ]
)


def predicate(predicate_id: str, provider: str, **options: object) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in options.items()]
    return "\n".join(("[[predicate]]", f'id = "{predicate_id}"', f'provider = "{provider}"', *lines, ""))


def sh(script: str) -> dict[str, object]:
    return {"cmd": "sh", "args": ["-c", script]}


RUNNER = {"runner_cmd": "sh", "runner_args": ["-c", "echo x >> ../runs; cat report.json"]}
GOAL = "\n".join(
    (
        'id = "reports"',
        '[scope]\nworkspace = "."',
        predicate("sarif", "static", format="sarif", cmd="cat", args=["r.sarif"]),
        predicate("cve", "cve", **sh(f"echo '{CONFIG}{CALLED}'")),
        predicate("mutation", "mutation", threshold=0.9, score_path="$.s", **sh("echo '{\"s\": 0.5}'")),
        predicate("property", "property", **sh("echo 'Failed: After 3 test(s).'; exit 1")),
        predicate("cli", "cli", assertions=[], **sh("exit 3")).replace(
            "assertions = []", 'assertions = [{ target = "exit_code", expected = 0 }]'
        ),
        predicate("stubs", "no_stubs"),
        predicate("names", "spec_coverage", features="*.feature", source_dirs=["lib"]),
        predicate("pinned", "scenario", spec="shop.feature", scenario="One", surface="cli", cmd="sh"),
        predicate("tests", "custom_script", verdict="report", evidence_format="tap", **sh("echo 1..1; echo not ok 1")),
        '[[predicate]]\nid = "coverage"\nprovider = "coverage"\ntarget = 80\npatch = { cmd = "echo", args = ["70"] }\n',
        predicate("spec", "gherkin", feature="shop.feature", **RUNNER),
    )
)  # fmt: skip


def test_every_kind_that_reads_a_report_is_red_for_its_reason(daemon: RealDaemon, base: Path) -> None:
    work = base / "work"
    work.mkdir()
    for name, text in {
        "r.sarif": SARIF,
        "report.json": REPORT,
        "shop.feature": FEATURE,
        "lib/other.py": "def thing(): ...\n",
    }.items():
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text(text)
    report = daemon.json("try", str(write_goal(work, GOAL)))
    answers = {each["id"]: (each["verdict"], each.get("reason")) for each in report["predicates"]}
    scenarios = {key: value for key, value in answers.items() if key.startswith("shop__")}
    assert scenarios == {
        "shop__one": ("pass", None),
        "shop__two": ("fail", "scenario_failed"),
        "shop__three": ("pass", None),
    }
    assert {key: value for key, value in answers.items() if key not in scenarios} == {
        "sarif": ("fail", "findings"),
        "cve": ("fail", "findings"),
        "mutation": ("fail", "threshold"),
        "property": ("fail", "falsified"),
        "cli": ("fail", "assertion"),
        "stubs": ("error", "not_a_git_repo"),
        "names": ("fail", "uncovered"),
        "pinned": ("fail", "unpinned"),
        "tests": ("fail", "findings"),
        "coverage": ("fail", "below_target"),
    }
    assert (base / "runs").read_text() == "x\n", "three scenarios, one run"
