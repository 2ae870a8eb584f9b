# ruff: noqa: E501 - a page of its own, whose lines are longer
"""docs/harnesses.md, made from the profiles: `python -m tests.harnesses.document` writes it, and a test compares."""

from pathlib import Path

from kazid.harnesses.builtin import BUILTIN
from kazid.harnesses.prices import DATED, PRICES
from kazid.harnesses.profile import Profile, PromptBy

PATH = Path(__file__).resolve().parents[2] / "docs" / "harnesses.md"

MEASURED = {
    "claude": "2.1.329", "codex": "0.169.0", "opencode": "1.18.33", "gemini_cli": "0.61.0", "copilot": "1.0.102",
    "pi": "0.74.2", "qwen": "0.15.10", "mini": "2.4.6", "aider": "0.86.2",
}  # fmt: skip
"""Versions that `make test-agents` drives (scripts/agents.py)."""

BEFORE = """\
# Agents

A goal-file names its agent with `[harness] id`. `kazictl harness list` says which of them are on your PATH, in which version, and what a
dispatch would find of a login, and `apply` warns of one that is not; `kazictl harness check ID` starts one about eight times, in folders of its own and against a model on loopback that
refuses, fails or is silent, and says what it did: without a terminal, a prompt, a login; when it is killed. Made from the profiles in `kazid/harnesses/` by
`python -m tests.harnesses.document`; to add one: [add-a-harness.md](add-a-harness.md).

| id | program | driven in | tier | prompt by | takes from `[harness]` | cannot report |
|---|---|---|---|---|---|---|
"""
AFTER = """
**Tier**: *full* reports result, session, tokens by class and cost; *partial* some of it; *best effort* text only, so that ceilings in
tokens and dollars charge what was reserved. Exit codes are evidence of nothing: the work tree and the predicates are. Only stdout is read.

**Driven in**: the version that `make test-agents` installs and drives through `kazictl apply` against a scripted model on loopback.
`antigravity` and `claw` cannot be installed there; they are tested against stubs of their documented behaviour only.

**Prompt by**: *stdin*; *file*: on stdin, named as a file to the program; *argument*: in its argument list, which every user of the machine
can read. Those have no other way.

**Cost**: the agent's own figure. Where it reports tokens and a model of this table (list prices in US dollars for a million tokens, written
down on {dated}) but no cost, the cost is worked out from it; a model that is not in it has none.

| model | input | output | cached input | cache write |
|---|---|---|---|---|
{prices}

## What goes to an agent

The caller's PATH of `apply`, HOME, and by name from the daemon's environment what each profile lists (keys, base addresses, config homes,
proxies); `[harness] env` adds more. Nothing else.

    env = {{ MODE = "batch", TOKEN = {{ file = "~/.config/agent/token" }}, OTHER = {{ env = "DAEMONS_NAME" }}, KEY = {{ credential = "name" }} }}

A value that is written is stored with the goal, so what looks like a secret is refused; a reference (a file, a variable of the daemon, what systemd's
`LoadCredential=` gave its unit) is resolved when the agent starts, goes into its environment, and is in no event, file or argument.

## When it cannot work

| what it says | cause | what happens |
|---|---|---|
| a usage limit, 429 | `quota` | no goal with that agent and credential starts until it is over (15 minutes where it does not say), then one after the other; the dispatch counts in no budget |
| a refused or missing login, 401 | `auth_failed` | no goal sends that agent until somebody resumes the one that met it; a goal goes on with its other agents and remedies, or stops where it has none |
| a question, and then nothing until its deadline | `prompt_unseen` | the goal stops, unless something changed |
| that it waits for something in the background, as its last words | `parked_on_background` | the goal stops, unless something changed |
| a tool was denied | `permission_denied` | the goal stops, unless something changed |
| no such program | `capability_unreachable` | the goal stops, before anything is spent: it is no dispatch and no iteration |
| a secret that `[harness] env` refers to is not there | `credential_missing` | likewise |
| a variable such as `CODEX_HOME` names a folder that is not there | `config_home_missing` | likewise |

`opencode`, `gemini_cli`, `qwen`, `mini` and `aider` retry a model that fails for minutes and print nothing meanwhile: only `idle_timeout` ends
them, and the cause is not known. Without a git user name `aider` writes one into the repository's settings, which ends the goal as tampered; and
it asks a public host for a list of prices at its start, whatever it is told.
"""


def document() -> str:
    """The whole page."""
    rows = "".join(f"{_row(profile)}\n" for profile in sorted(BUILTIN.values(), key=lambda p: p.id))
    prices = "\n".join(
        f"| `{model}` | {p.input:g} | {p.output:g} | {p.cached_input:g} | {p.cache_write:g} |"
        for model, p in sorted(PRICES.items())
    )
    return BEFORE + rows + AFTER.format(dated=DATED, prices=prices)


def _row(profile: Profile) -> str:
    driven = MEASURED.get(profile.id) or ("a stub" if profile.is_stub_tested else "—")
    cells = (
        f"`{profile.id}`",
        f"`{profile.command}`" if profile.command else "what `[harness] command` names",
        driven,
        profile.tier.value,
        profile.prompt_by.value if profile.prompt_by is not PromptBy.ARGUMENT else "**argument**",
        ", ".join(f"`{key}`" for key in ("command", *profile.takes)),
        "; ".join(profile.lacks) or "—",
    )
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PATH.write_text(document())
