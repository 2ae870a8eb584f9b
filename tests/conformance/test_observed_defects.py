"""Every defect of the predecessor that was observed, with the tests that show it is not ours, or with when it is due.

The ids are those of observed.md, beside the repository; a new one there, or a test that is gone here, fails.
"""

import ast
import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OBSERVED = ROOT.parent / "shared" / "reference" / "observed.md"

ROADMAP = "running a roadmap of goals is a later issue; until then one is loaded and checked, and `apply` refuses it"
IMPORT = "`spec import` and `init` are a later issue"
DELIVERED = (
    "tests/system/test_worktrees.py::test_a_fix_is_made_elsewhere_and_delivered_and_leaves_only_itself"
)
LIVE = "tests/system/test_observed_defects.py"

NOT_OURS: Mapping[str, Sequence[str]] = {
    "D1": (
        "tests/goalfile/test_groups.py::test_ids_are_normalised_once",
        "tests/goalfile/test_groups.py::test_spellings_of_one_id_are_one_group_for_references",
    ),
    "D3": ("tests/system/test_kill9.py::test_kill9_at_random_moments_loses_nothing_and_runs_nothing_twice",),
    "D4": (DELIVERED, "tests/goalfile/test_delivering.py::test_none_lands_nothing"),
    "D5": (
        f"{LIVE}::test_under_json_every_failure_is_one_document_on_stdout",
        "tests/kazictl/test_verbs.py::test_under_json_a_failure_is_one_document_too",
    ),
    "D6": (
        f"{LIVE}::test_an_ended_daemon_ends_and_records_its_attempts_and_logs_nothing_on_stdout",
        "tests/kazictl/test_apply.py::test_json_is_the_final_document_and_nothing_else",
    ),
    "D7": (
        "tests/conformance/test_goal_files.py::test_an_odd_goal_file_loads_as_in_the_predecessor_or_for_a_reason",
        "tests/goalfile/test_document.py::test_every_toml_value_has_a_json_form",
    ),
    "D8": ("tests/harnesses/test_prompt.py::test_without_the_process_contract_the_extra_rules_stay",),
    "D9": (
        DELIVERED,
        "tests/adapters/test_worktrees.py::test_nothing_of_the_users_is_changed_by_making_and_removing",
    ),
    "D10": (
        "tests/core/test_admission.py::test_the_same_spec_attaches",
        "tests/api/test_routes.py::test_apply_again_is_200_and_says_attached",
    ),
    "D11": (
        "tests/system/test_hostile_goal_files.py::test_a_wrong_type_in_any_key_is_422_and_names_the_key_and_its_line",
        "tests/conformance/test_observed_providers.py::test_we_differ_where_we_say_so",
    ),
    "D12": (f"{LIVE}::test_an_ended_daemon_ends_and_records_its_attempts_and_logs_nothing_on_stdout",),
    "F1": (DELIVERED, "tests/goalfile/test_delivering.py::test_none_lands_nothing"),
    "F2": (
        DELIVERED,
        "tests/adapters/test_landing.py::test_a_commit_is_made_on_the_goals_branch_and_the_users_tree_stays_as_it_is",
    ),
    "F3": (
        "tests/system/test_kill9.py::test_kill9_at_random_moments_loses_nothing_and_runs_nothing_twice",
        f"{LIVE}::test_an_ended_daemon_ends_and_records_its_attempts_and_logs_nothing_on_stdout",
        "tests/system/test_attempts_survive_kill.py::test_every_attempt_of_a_killed_daemon_is_accounted_for_once",
    ),
    "F4": (
        DELIVERED,
        "tests/runtime/test_worktrees.py"
        "::test_the_change_is_judged_in_the_worktree_and_the_last_look_is_in_the_workspace",
    ),
    "F5": (
        "tests/core/test_landing.py::test_groups_act_in_the_order_of_their_needs",
        "tests/core/test_landing.py::test_a_group_whose_need_is_stuck_is_never_worked_on",
    ),
    "F6": (
        "tests/adapters/test_landing.py::test_a_pull_request_is_opened_once_and_never_merged",
        "tests/adapters/test_landing.py::test_there_is_nothing_to_land_where_nothing_was_done",
    ),
    "F7": (
        "tests/adapters/test_worktrees.py::test_work_on_the_branch_is_never_overwritten",
        "tests/adapters/test_worktrees.py::test_a_branch_with_work_that_was_delivered_nowhere_outlives_a_sweep",
    ),
    "F8": (
        "tests/runtime/test_goals_in_virtual_time.py"
        "::test_a_standing_goal_notices_drift_within_interval_and_recheck_and_reconverges",
        "tests/runtime/test_goals_in_virtual_time.py"
        "::test_a_stuck_standing_goal_retries_once_an_hour_and_a_green_by_anyone_ends_it",
    ),
    "F9": ("tests/goalfile/test_problems.py::test_what_one_key_alone_cannot_tell_is_a_problem",),
    "F10": (
        f"{LIVE}::test_a_denied_agent_that_fixed_and_committed_all_the_same_converges",
        "tests/core/test_decide_stops.py::test_an_agent_that_gave_up_but_changed_something_is_asked_again",
    ),
    "F11": (
        "tests/system/test_cheating_agents.py::test_no_cheat_converges_and_each_ends_with_its_own_cause",
        "tests/core/test_enforcement.py::test_a_pass_that_did_not_run_everything_is_a_fail",
        "tests/runtime/test_sealed_goals.py::test_a_goal_whose_judge_was_changed_ends_as_tampered",
    ),
    "F12": (
        "tests/providers/test_static.py::test_a_run_is_judged",
        "tests/providers/test_cve.py::test_govulnchecks_stream_is_judged",
        "tests/providers/test_mutation.py::test_a_score_is_a_share_of_the_mutants",
    ),
    "F13": (
        "tests/runtime/test_withheld.py"
        "::test_a_red_that_is_held_out_gets_a_dispatch_that_says_so_and_then_ends",
        "tests/harnesses/test_prompt.py::test_a_slice_of_held_out_predicates_only_still_says_what_to_do",
    ),
    "F14": (
        f"{LIVE}::test_a_check_that_reads_stdin_finds_its_end",
        f"{LIVE}::test_a_wall_clock_ends_a_dispatch_that_outlasts_it",
        "tests/adapters/test_command_runner.py::test_stdin_is_dev_null",
        "tests/runtime/test_goals_in_virtual_time.py::test_a_wall_clock_budget_ends_a_running_act",
    ),
    "F15": (
        f"{LIVE}::test_output_that_is_not_utf_8_is_evidence_like_any_other",
        "tests/adapters/test_command_runner.py::test_bytes_that_are_not_utf8_are_replaced",
    ),
    "F16": (
        f"{LIVE}::test_a_goal_without_a_workspace_runs",
        f"{LIVE}::test_a_workspace_that_is_not_there_is_named_and_nothing_is_dispatched",
        f"{LIVE}::test_a_missing_agent_binary_is_said_and_not_tried_twice",
    ),
    "F17": (
        f"{LIVE}::test_what_an_agent_leaves_running_is_gone_when_its_dispatch_is_over",
        "tests/shim/test_trees.py::test_a_nohup_leftover_of_an_agent_is_ended_however_it_exits",
    ),
    "F18": (
        "tests/system/test_an_agent_is_not_its_owner.py"
        "::test_an_agent_tries_every_verb_in_every_disguise_and_changes_and_learns_nothing",
        "tests/runtime/test_withheld.py"
        "::test_no_verdict_carries_a_secret_into_the_journal_whichever_provider_gave_it",
        "tests/harnesses/test_prompt.py::test_secrets_are_redacted_wherever_they_come_from",
    ),
    "F20": (
        f"{LIVE}::test_a_stuck_goal_tells_each_iteration_once_and_its_outcome_once",
        "tests/system/test_kill9.py::test_acknowledged_apply_suspend_and_delete_hold_after_kill9",
    ),
}
LATER: Mapping[str, str] = {"D2": ROADMAP, "F19": IMPORT}


def test_every_observed_defect_has_a_test_or_a_date() -> None:
    text = OBSERVED.read_text()
    observed = set(re.findall(r"^(?:\| |- \*\*)([DF]\d+)\b", text, re.MULTILINE))
    assert len(observed) == 32
    assert NOT_OURS.keys() | LATER.keys() == observed
    assert not NOT_OURS.keys() & LATER.keys()
    assert all(LATER.values())


@pytest.mark.parametrize("defect", NOT_OURS)
def test_the_tests_that_stand_for_a_defect_are_there(defect: str) -> None:
    assert NOT_OURS[defect]
    for name in NOT_OURS[defect]:
        path, _, test = name.partition("::")
        assert test in _tests_in(ROOT / path), f"{defect}: no {name}"


@cache
def _tests_in(path: Path) -> frozenset[str]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return frozenset(n.name for n in nodes if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef))
