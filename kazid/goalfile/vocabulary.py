"""Every key of a goal-file outside the provider options: its shape, its words, its default and one line of help.

Data only. The loader checks authored tables against it and the JSON Schema is made from it, so that neither can know a
key the other does not. Keys are spelled as authored.
"""

from collections.abc import Mapping

import msgspec

from kazid.ports.catalog import KeySpec, KeyType, KindSpec

Fields = Mapping[str, KeySpec]

GHERKIN = "gherkin"
"""The kind whose entries become one predicate for each scenario, each with an id of its own."""
HARNESS_IDS = (
    "aider", "antigravity", "claude", "claw", "codex", "command", "copilot", "gemini_cli", "mini", "opencode",
    "pi", "qwen",
)  # fmt: skip
"""Agents a goal-file may name, besides those that the settings and plugins declare."""
LEVELS = ("observe", "propose", "approve", "act")
GATES = ("detection", "execution", "landing", "deploy")
ROLES = ("operator", "approver", "admin")
RISKS = ("restart", "config", "code", "deploy", "data")
INTEGRATION_MODES = ("none", "commit", "branch", "pr", "merge")
ESCALATION_LADDER = ("claude-haiku-4-5", "claude-sonnet-5", "claude-opus-4-8")
"""What an `[escalation]` without a ladder means."""
DIRECTIONS = ("higher_better", "lower_better")

TOP: Fields = {
    "id": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the goal's name, unique per owner"),
    "name": KeySpec(type=KeyType.STRING, help="a title for people"),
    "description": KeySpec(type=KeyType.STRING, help="one line or more for people and agents"),
    "mode": KeySpec(
        type=KeyType.STRING,
        choices=("repair", "create"),
        default="repair",
        help="mend what exists, or build what does not",
    ),
    "standing": KeySpec(type=KeyType.BOOLEAN, default=False, help="hold the goal for ever instead of once"),
    "depends_on": KeySpec(type=KeyType.STRING_LIST, help="goals (REF) whose red explains this one's"),
    "labels": KeySpec(type=KeyType.STRING_TABLE, help="key = value pairs that -l selects by"),
    "metadata": KeySpec(type=KeyType.TABLE, help="kept as written, never read by the loop"),
}

BUDGET: Fields = {
    "max_iterations": KeySpec(type=KeyType.POSITIVE_INTEGER, help="turns that start an act, per episode"),
    "max_wall_clock_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, help="milliseconds of an episode"),
    "max_tokens": KeySpec(type=KeyType.POSITIVE_INTEGER, help="tokens of an episode, cached reads weighted"),
    "max_dispatches": KeySpec(
        type=KeyType.POSITIVE_INTEGER, help="agent attempts per episode; settings give one if absent"
    ),
    "max_cost_usd": KeySpec(type=KeyType.POSITIVE_NUMBER, help="US dollars of an episode"),
    "cached_read_weight": KeySpec(
        type=KeyType.FRACTION, default=0.1, help="what one cached input token counts"
    ),
}

BUDGET_WINDOW: Fields = {
    "per": KeySpec(type=KeyType.DURATION, required=True, help="length of the window, 31 days at most"),
    "max_dispatches": KeySpec(type=KeyType.POSITIVE_INTEGER, help="agent attempts per window"),
    "max_tokens": KeySpec(type=KeyType.POSITIVE_INTEGER, help="tokens per window, cached reads weighted"),
    "max_cost_usd": KeySpec(type=KeyType.POSITIVE_NUMBER, help="US dollars per window"),
}

SCOPE: Fields = {
    "workspace": KeySpec(type=KeyType.STRING, help="folder to work in, relative to the goal-file's"),
    "repo": KeySpec(type=KeyType.STRING, help="the repository, for people"),
    "paths": KeySpec(type=KeyType.STRING_LIST, help="what the goal is about, below the workspace"),
    "write_paths": KeySpec(type=KeyType.STRING_LIST, help="what an agent may change"),
    "deny": KeySpec(type=KeyType.STRING_LIST, help="what no agent may change; a change is tampered"),
    "owns": KeySpec(type=KeyType.STRING_LIST, help='claims: "path:…", "unit:…", "url:…" or "repo:…"'),
    "on_overlap": KeySpec(
        type=KeyType.STRING,
        choices=("refuse", "serialise"),
        default="refuse",
        help="when another goal claims the same: refuse, or take turns if both say so",
    ),
    "on_outside": KeySpec(
        type=KeyType.STRING,
        choices=("reject", "revert"),
        default="reject",
        help="a change beyond write_paths, or in deny: the goal ends as tampered, or the change is undone",
    ),
    "max_files": KeySpec(
        type=KeyType.POSITIVE_INTEGER, help="a dispatch that changes more is held as a patch for a person"
    ),
    "max_lines": KeySpec(type=KeyType.POSITIVE_INTEGER, help="likewise, lines added and removed"),
}

WORKSPACE: Fields = {
    "mode": KeySpec(
        type=KeyType.STRING,
        choices=("worktree", "in_place"),
        default="worktree",
        help="agents work in a git worktree of the goal's own, or in the workspace itself",
    ),
    "setup": KeySpec(
        type=KeyType.STRING_LIST, help="shell commands run in a fresh worktree before it is looked at"
    ),
    "setup_timeout": KeySpec(type=KeyType.DURATION, default="10m", help="deadline of each of them"),
    "dirty": KeySpec(
        type=KeyType.STRING,
        choices=("refuse", "ignore"),
        default="refuse",
        help="for a goal that lands: whether it may start beside work that is not committed",
    ),
}

SANDBOX: Fields = {
    "mode": KeySpec(
        type=KeyType.STRING,
        choices=("none", "worktree", "strict"),
        default="none",
        help="an agent writes to its tree only; strict: and reads only that and what is installed",
    ),
    "network": KeySpec(
        type=KeyType.STRING,
        choices=("open", "off", "ports"),
        default="open",
        help="what an agent may connect to; ports: TCP to those of allow_ports",
    ),
    "allow_ports": KeySpec(type=KeyType.STRING_LIST, help='TCP ports for network = "ports"'),
    "reads": KeySpec(type=KeyType.STRING_LIST, help="absolute paths, or below ~, it may read besides"),
    "writes": KeySpec(type=KeyType.STRING_LIST, help="absolute paths, or below ~, it may write to besides"),
}

HARNESS: Fields = {
    "id": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help=f"which coding agent: {', '.join(HARNESS_IDS)}"
    ),
    "model": KeySpec(type=KeyType.STRING, help="the agent's model"),
    "command": KeySpec(type=KeyType.STRING, help="its executable, when not the usual one"),
    "effort": KeySpec(type=KeyType.STRING, help="its reasoning effort"),
    "permission_mode": KeySpec(type=KeyType.STRING, help="its permission mode"),
    "allowed_tools": KeySpec(type=KeyType.STRING_LIST, help="tools it may use; empty means unset"),
    "for": KeySpec(type=KeyType.STRING_LIST, help="live predicates it may work on, too"),
    "env": KeySpec(
        type=KeyType.TABLE,
        help="variables it gets besides the allow-list; a secret as { file = }, { env = } or { credential = }",
    ),
    "idle_timeout": KeySpec(
        type=KeyType.DURATION, default="10m", help="without output for so long, it is killed"
    ),
    "timeout": KeySpec(type=KeyType.DURATION, default="1h", help="an attempt never takes longer"),
    "orientation": KeySpec(
        type=KeyType.BOOLEAN,
        default=True,
        help="its prompt names files, symbols and callers near the failure",
    ),
}

ROUTE: Fields = {
    "for": KeySpec(
        type=KeyType.STRING_LIST,
        help="ids, kinds or groups of predicates, or key=value labels of the goal; absent: everything",
    ),
    "harness": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the agent sent there; absent: the goal's own"),
    "model": KeySpec(type=KeyType.NON_EMPTY_STRING, help="its model"),
    "effort": KeySpec(type=KeyType.NON_EMPTY_STRING, help="its reasoning effort"),
}
"""`[[route]]`, of a goal-file and of the settings: the first that fits a slice."""

OBSERVE: Fields = {
    "interval": KeySpec(
        type=KeyType.DURATION, help="how often; live kinds 30s, code kinds of standing goals 10m"
    ),
    "confirm": KeySpec(
        type=KeyType.POSITIVE_INTEGER, default=2, help="live kinds: reds in a row before acting"
    ),
    "recheck": KeySpec(
        type=KeyType.DURATION, default="2s", help="live kinds: spacing of confirm and recover"
    ),
    "recover": KeySpec(
        type=KeyType.POSITIVE_INTEGER, default=2, help="live kinds: greens in a row before an episode closes"
    ),
    "timeout": KeySpec(type=KeyType.DURATION, help="deadline of one look; live at most 10s, code kinds 10m"),
}

REMEDY: Fields = {
    "for": KeySpec(type=KeyType.STRING_LIST, help="predicates it may repair; absent: any failing one"),
    "cmd": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="the executable; safe to run again at any point"
    ),
    "args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "timeout": KeySpec(type=KeyType.DURATION, default="60s", help="it is killed whole after so long"),
    "attempts": KeySpec(type=KeyType.POSITIVE_INTEGER, default=2, help="per episode, then the next rung"),
    "on_error": KeySpec(
        type=KeyType.BOOLEAN, default=False, help="may it act on `error`, for checks that cannot tell"
    ),
    "env": KeySpec(type=KeyType.STRING_TABLE, help="variables it gets besides the allow-list"),
    "risk": KeySpec(
        type=KeyType.STRING,
        choices=RISKS,
        default="restart",
        help="what it may break: its class in [autonomy]",
    ),
}

GROUP: Fields = {
    "id": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="normalised: lower case, words joined by -"
    ),
    "name": KeySpec(type=KeyType.NON_EMPTY_STRING, help="a title; the id as written when absent"),
    "parent": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the group around it"),
    "budget": KeySpec(type=KeyType.POSITIVE_INTEGER, help="iterations of the group"),
    "needs": KeySpec(type=KeyType.STRING_LIST, help="groups that have to be green first"),
}

ENFORCEMENT: Fields = {
    "enabled": KeySpec(type=KeyType.BOOLEAN, default=True, help="declaring the table opts in"),
    "clean_tree": KeySpec(type=KeyType.BOOLEAN, default=True, help="grade guards in a clean worktree"),
    "clean_ref": KeySpec(
        type=KeyType.NON_EMPTY_STRING, default="HEAD", help="what that worktree starts from"
    ),
    "fail_on_skip": KeySpec(type=KeyType.BOOLEAN, default=True, help="a skipped test is not green"),
    "read_only_paths": KeySpec(type=KeyType.STRING_LIST, help="what an agent may not change"),
}
ENFORCEMENT_GUARD: Fields = {
    "id": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="the guard's name"),
    "metric": KeySpec(type=KeyType.TABLE, help="cmd, args, env, path, timeout_ms of what is measured"),
    "direction": KeySpec(
        type=KeyType.STRING, choices=DIRECTIONS, default="higher_better", help="which way is better"
    ),
    "baseline": KeySpec(
        type=KeyType.NUMBER_OR_STRING, default="stored", help='a number, "stored" or a git ref'
    ),
    "allowed_regression": KeySpec(type=KeyType.NUMBER, default=0, help="how much worse is still green"),
}
FIXER_ROLE: Fields = {
    "read_only_paths": KeySpec(type=KeyType.STRING_LIST, help="what the fixer may not change")
}
DEMONSTRATOR_ROLE: Fields = {
    "allowed_write_paths": KeySpec(type=KeyType.STRING_LIST, help="all that the demonstrator may change")
}

SEAL: Fields = {
    "enabled": KeySpec(
        type=KeyType.BOOLEAN, default=True, help="hash the inputs and end as tampered when one changes"
    ),
    "sealed_inputs": KeySpec(type=KeyType.STRING_LIST, help="paths and globs below the workspace"),
    "mutable_inputs": KeySpec(type=KeyType.STRING_LIST, help="exceptions from them"),
}

CAPTURE: Fields = {
    "name": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="what predicates call it"),
    "launch_cmd": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="the executable that makes the capture"
    ),
    "output": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="its file name in the evidence store"
    ),
    "launch_args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "reset_cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="run before each launch"),
    "reset_args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "post_launch_wait_ms": KeySpec(
        type=KeyType.NON_NEGATIVE_INTEGER, default=0, help="wait after the launch"
    ),
    "timeout_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, default=60_000, help="deadline of each command"),
}

ECONOMY: Fields = {
    "debrief": KeySpec(type=KeyType.BOOLEAN, default=False, help="ask the agent what cost it most")
}
MEMORY: Fields = {
    "corpus": KeySpec(type=KeyType.STRING_LIST, help="documents an agent is pointed to; [] is none")
}

INTEGRATION: Fields = {
    "mode": KeySpec(
        type=KeyType.STRING, choices=INTEGRATION_MODES, default="none", help="how far a result is landed"
    ),
    "branch": KeySpec(type=KeyType.STRING, help="the branch; task/ and the goal's id when absent"),
    "branch_prefix": KeySpec(type=KeyType.STRING, help="of kazi; nothing reads it: write branch"),
    "base": KeySpec(type=KeyType.STRING, help="what it lands on; found from origin when absent"),
    "commit_style": KeySpec(type=KeyType.STRING, help="for people; nothing reads it"),
    "forge": KeySpec(
        type=KeyType.TABLE, help="who merges: kind (gh, rest, none), url, repo, token_env; gh when absent"
    ),
    "attempts": KeySpec(type=KeyType.POSITIVE_INTEGER, default=3, help="landings tried, then it is stuck"),
    "timeout": KeySpec(type=KeyType.DURATION, default="30m", help="one landing never takes longer"),
    "checks_timeout": KeySpec(
        type=KeyType.DURATION, default="20m", help="how long the forge's checks are waited for"
    ),
}
FORGE: Fields = {
    "kind": KeySpec(
        type=KeyType.STRING, choices=("gh", "rest", "none"), help="none: the remote's base is pushed to"
    ),
    "url": KeySpec(type=KeyType.STRING, help="of the REST API"),
    "repo": KeySpec(type=KeyType.STRING, help="owner/name"),
    "token_env": KeySpec(type=KeyType.STRING, help="the daemon's variable that holds the token"),
}

DEPLOY: Fields = {
    "cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the executable; safe to run again at any point"),
    "args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "timeout": KeySpec(type=KeyType.DURATION, default="30m", help="it is killed whole after so long"),
    "rollback_cmd": KeySpec(
        type=KeyType.NON_EMPTY_STRING, help="run when a deploy turned green predicates red"
    ),
    "rollback_args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "ref": KeySpec(
        type=KeyType.NON_EMPTY_STRING,
        default="release/{goal}/{short}",
        help="the release's tag; {goal} {commit} {short} {env}",
    ),
    "version": KeySpec(
        type=KeyType.TABLE, help="where the serving commit is read: url with header or jsonpath"
    ),
    "version_cmd": KeySpec(type=KeyType.NON_EMPTY_STRING, help="prints the serving commit"),
    "version_args": KeySpec(type=KeyType.STRING_LIST, help="its arguments"),
    "attempts": KeySpec(type=KeyType.POSITIVE_INTEGER, default=3, help="deploys tried, then it is stuck"),
    "vars": KeySpec(type=KeyType.STRING_TABLE, help="variables that its commands get"),
}
DEPLOY_VERSION: Fields = {
    "url": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="what serves"),
    "header": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the answer's header that names the commit"),
    "jsonpath": KeySpec(type=KeyType.NON_EMPTY_STRING, help="where its JSON names the commit"),
}

LIMITS: Fields = {
    "cpu": KeySpec(type=KeyType.POSITIVE_INTEGER, help="CPUs that an attempt may run on at once"),
    "memory": KeySpec(type=KeyType.NON_EMPTY_STRING, help='of each of its processes: "512MiB", "4GB"'),
    "pids": KeySpec(type=KeyType.POSITIVE_INTEGER, help="processes and threads that it may have"),
    "files": KeySpec(type=KeyType.POSITIVE_INTEGER, help="files that each of its processes may have open"),
}

AUTONOMY: Fields = {
    "level": KeySpec(
        type=KeyType.STRING, choices=LEVELS, default="act", help="how far the goal may go by itself"
    ),
    **{
        risk: KeySpec(
            type=KeyType.STRING,
            choices=LEVELS,
            help=f"likewise, with acts of the class {risk} and riskier ones",
        )
        for risk in RISKS
    },
}

APPROVAL: Fields = {
    "gate": KeySpec(
        type=KeyType.STRING,
        choices=GATES,
        required=True,
        help="before an agent is sent, before what is run, before work leaves the goal's tree, before a deploy",
    ),
    "from": KeySpec(type=KeyType.STRING_LIST, help=f"roles that may say yes: {', '.join(ROLES)}; approver"),
    "count": KeySpec(type=KeyType.POSITIVE_INTEGER, default=1, help="how many of them have to"),
    "expires": KeySpec(type=KeyType.DURATION, default="24h", help="then it is asked for anew"),
}

CONVENTIONS: Fields = {
    "process_contract": KeySpec(
        type=KeyType.BOOLEAN, default=True, help="append the fixed rules to every prompt"
    ),
    "extra_rules": KeySpec(type=KeyType.STRING_LIST, help="rules of your own, appended too"),
}

ESCALATION: Fields = {
    "ladder": KeySpec(type=KeyType.STRING_LIST, default=ESCALATION_LADDER, help="models, cheapest first"),
    "max_rungs": KeySpec(type=KeyType.POSITIVE_INTEGER, help="how many of them"),
    "max_dispatches": KeySpec(
        type=KeyType.POSITIVE_INTEGER, help="of each rung; absent: an even share of what the episode has left"
    ),
    "max_tokens": KeySpec(type=KeyType.POSITIVE_INTEGER, help="of each rung, cached reads weighted"),
    "max_cost_usd": KeySpec(type=KeyType.POSITIVE_NUMBER, help="of each rung"),
}

TABLES: Mapping[str, Fields] = {
    "budget": BUDGET,
    "scope": SCOPE,
    "workspace": WORKSPACE,
    "sandbox": SANDBOX,
    "limits": LIMITS,
    "harness": HARNESS,
    "observe": OBSERVE,
    "enforcement": ENFORCEMENT,
    "seal": SEAL,
    "economy": ECONOMY,
    "memory": MEMORY,
    "integration": INTEGRATION,
    "deploy": DEPLOY,
    "autonomy": AUTONOMY,
    "conventions": CONVENTIONS,
    "escalation": ESCALATION,
}
"""The plain tables. `[enforcement]` has `guard` and `roles` besides, `[budget]` `window`, `[deploy]` `env`, `layer`."""

ARRAYS: Mapping[str, Fields] = {
    "remedy": REMEDY,
    "route": ROUTE,
    "approval": APPROVAL,
    "group": GROUP,
    "capture": CAPTURE,
}
"""The arrays of tables, `[[predicate]]` apart: its keys depend on its kind."""

PREDICATE: Fields = {
    "id": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="the predicate's name, unique in the goal"
    ),
    "provider": KeySpec(type=KeyType.STRING, required=True, help="the kind of check"),
    "description": KeySpec(type=KeyType.STRING, help="what it claims, for people and agents"),
    "guard": KeySpec(type=KeyType.BOOLEAN, default=False, help="true before and after: what must not break"),
    "acceptance": KeySpec(type=KeyType.BOOLEAN, default=False, help="what has to become true"),
    "held_out": KeySpec(type=KeyType.BOOLEAN, default=False, help="never shown to an agent"),
    "group": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the declared group it belongs to"),
    "on_unknown": KeySpec(
        type=KeyType.STRING,
        choices=("block", "waive"),
        default="block",
        help="whether a verdict unknown blocks the goal",
    ),
    "live": KeySpec(
        type=KeyType.BOOLEAN, help="true: judged from outside; false: judged from the workspace's content"
    ),
    "interval": KeySpec(type=KeyType.DURATION, help="how often; wins over [observe]"),
    "timeout_ms": KeySpec(
        type=KeyType.POSITIVE_INTEGER, help="deadline of one look in milliseconds; wins over [observe]"
    ),
    "confirm": KeySpec(type=KeyType.POSITIVE_INTEGER, help="live kinds: reds in a row before acting"),
    "recheck": KeySpec(type=KeyType.DURATION, help="live kinds: spacing of confirm and recover"),
    "recover": KeySpec(
        type=KeyType.POSITIVE_INTEGER, help="live kinds: greens in a row before an episode closes"
    ),
    "samples": KeySpec(type=KeyType.POSITIVE_INTEGER, help="live kinds: passes in a row that make one green"),
    "autonomy": KeySpec(
        type=KeyType.STRING,
        choices=LEVELS,
        default="act",
        help="how far the goal may go by itself to mend it",
    ),
    "playbook": KeySpec(
        type=KeyType.NON_EMPTY_STRING, help="a file an agent reads before it mends this; its prompt names it"
    ),
    "wake": KeySpec(type=KeyType.TABLE, help="what else brings a look at once: hook, files, pid_file, unit"),
}
"""Keys of every `[[predicate]]`, whatever its kind."""

WAKE: Fields = {
    "hook": KeySpec(
        type=KeyType.BOOLEAN, default=False, help="POST /v1/hooks/TOKEN looks; kazictl hook prints it"
    ),
    "files": KeySpec(
        type=KeyType.STRING_LIST, help="files and folders, absolute or below the workspace; no patterns"
    ),
    "pid_file": KeySpec(type=KeyType.NON_EMPTY_STRING, help="the file, and the end of the process it names"),
    "unit": KeySpec(type=KeyType.NON_EMPTY_STRING, help="a unit of systemd that starts or stops"),
    "auto": KeySpec(
        type=KeyType.BOOLEAN, default=True, help="besides these, what the kind can tell by itself"
    ),
}
"""`wake = { … }` of a predicate."""

IMPORTED: Fields = {
    "name": KeySpec(type=KeyType.STRING, help="a title, for people"),
    "feature": KeySpec(type=KeyType.ANY, help="where an importer took it from"),
    "scenario": KeySpec(type=KeyType.ANY, help="where an importer took it from"),
    "steps": KeySpec(type=KeyType.ANY, help="what an importer read"),
    "role": KeySpec(type=KeyType.ANY, help="what an importer read"),
    "priority": KeySpec(type=KeyType.ANY, help="what an importer read"),
    "interface": KeySpec(type=KeyType.ANY, help="what an importer read"),
}
"""Keys that importers write on any predicate. Stored; no check reads them unless its kind has a key of that name."""

ROADMAP_GOAL: Fields = {
    "id": KeySpec(
        type=KeyType.NON_EMPTY_STRING, required=True, help="the entry's name, unique in the roadmap"
    ),
    "path": KeySpec(type=KeyType.NON_EMPTY_STRING, help="its goal-file, relative to the roadmap"),
    "goal": KeySpec(type=KeyType.TABLE, help="the goal itself, instead of a path"),
    "needs": KeySpec(type=KeyType.STRING_LIST, help="entries that have to converge first"),
}


def fields_of(kind: KindSpec) -> Fields:
    """Every key a `[[predicate]]` of this kind may have. The kind's own win: its `samples` is what it makes of them."""
    fields = {**IMPORTED, **PREDICATE, **kind.keys}
    if kind.name == GHERKIN:
        fields["id"] = msgspec.structs.replace(fields["id"], required=False)
    return fields
