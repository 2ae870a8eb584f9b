"""The one table of verbs: parsing, usage errors, `help` and `help --json` all derive from it, so help cannot drift.

A verb's code is `kazictl/commands/<verb>.py`, found by its name. Everything here is plain values that cost nothing to
import.
"""

FLAG, TEXT, PATH, DURATION, NUMBER, LABEL = "flag", "text", "path", "duration", "number", "label"


class Option:
    """One option: `--name` alone (a flag) or `--name VALUE`. A label option may be given more than once."""

    __slots__ = ("doc", "kind", "name", "required", "short", "value")

    def __init__(
        self,
        name: str,
        doc: str,
        *,
        kind: str = FLAG,
        value: str = "",
        short: str = "",
        required: bool = False,
    ) -> None:
        """Keep the row."""
        self.name = name
        self.doc = doc
        self.kind = kind
        self.value = value
        self.short = short
        self.required = required

    @property
    def usage(self) -> str:
        """As it stands in a usage line: `--for STATE`."""
        return f"{self.name} {self.value}" if self.value else self.name


class Word:
    """One positional argument."""

    __slots__ = ("doc", "name", "required")

    def __init__(self, name: str, doc: str, *, required: bool = True) -> None:
        """Keep the row."""
        self.name = name
        self.doc = doc
        self.required = required


class Verb:
    """One verb. `starts_daemon`: it starts a user daemon where none listens (SEMANTICS §8)."""

    __slots__ = ("details", "name", "options", "starts_daemon", "summary", "words")

    def __init__(
        self,
        name: str,
        summary: str,
        *,
        words: tuple[Word, ...] = (),
        options: tuple[Option, ...] = (),
        starts_daemon: bool = False,
        details: str = "",
    ) -> None:
        """Keep the row."""
        self.name = name
        self.summary = summary
        self.words = words
        self.options = options
        self.starts_daemon = starts_daemon
        self.details = details

    @property
    def usage(self) -> str:
        """The usage line, without the options every verb takes."""
        words = [word.name if word.required else f"[{word.name}]" for word in self.words]
        options = [option.usage if option.required else f"[{option.usage}]" for option in self.options]
        return " ".join(["kazictl", self.name, *words, *options])


EVERYWHERE = (
    Option("--json", "print exactly one JSON document on stdout, and nothing else"),
    Option("--socket", "talk to the daemon on this Unix socket, and to no other", kind=PATH, value="PATH"),
    Option("--no-start", "never start a daemon"),
    Option("--start", "allow starting a user daemon as root (for verbs that start one)"),
    Option("--help", "say what the verb does and which options it takes", short="-h"),
)

_REF = Word("REF", "the goal: its id, or OWNER/ID for another's")
_MAYBE_REF = Word("REF", "the goal: its id, or OWNER/ID for another's", required=False)
_REF_OR_LABEL = Word("REF", "the goal: its id, or OWNER/ID for another's; or select with -l", required=False)
_LABELS = Option(
    "--label",
    "only goals with this label; more than once: all of them",
    kind=LABEL,
    value="KEY=VALUE",
    short="-l",
)
_LABELS_ACT = Option(
    "--label", "act on every goal with this label, instead of REF", kind=LABEL, value="KEY=VALUE", short="-l"
)

VERBS = (
    Verb(
        "apply",
        "submit a goal and follow it to its verdict",
        words=(Word("GOAL.toml", "the goal-file"),),
        options=(
            Option("--workspace", "work in this folder; relative to where you are", kind=PATH, value="DIR"),
            Option("--standing", "hold the goal for ever, not only until it converges once"),
            Option("--harness", "the coding agent to drive", kind=TEXT, value="H"),
            Option("--model", "the model that the agent uses", kind=TEXT, value="M"),
            Option("--env", "deploy to [deploy.env.NAME]", kind=TEXT, value="NAME"),
            Option("--detach", "submit and return at once (exit 0)"),
            Option("--check", "observe once, store nothing, never act: exit 0 all pass, 1 otherwise"),
            Option("--allow-vacuous", "take predicates that can never be red; recorded with the goal"),
            Option("--stream", "one JSON object a line as things happen; the last is the document"),
            Option(
                "--timeout",
                "stop following after this long (exit 124); the goal goes on",
                kind=DURATION,
                value="DUR",
            ),
        ),
        starts_daemon=True,
        details="Ctrl-C detaches and the goal goes on. Applying the same file again attaches to it.",
    ),
    Verb("list", "list the goals, one row each", options=(_LABELS,)),
    Verb(
        "status",
        "show one goal whole and exit with its status; without REF, show all",
        words=(_MAYBE_REF,),
        details="With REF the exit code is the goal's (see `kazictl help`); without, it is 0.",
    ),
    Verb(
        "watch",
        "redraw one goal, or all of them, until Ctrl-C",
        words=(_MAYBE_REF,),
        starts_daemon=True,
        details="Off a terminal it prints a snapshot at each change; with --json one document a line.",
    ),
    Verb(
        "events",
        "print what happened, from the journal",
        words=(_MAYBE_REF,),
        options=(
            Option("--after", "only events after this offset", kind=NUMBER, value="OFFSET"),
            Option("--follow", "go on with new events until Ctrl-C"),
        ),
        details="With --json --follow: one JSON object a line.",
    ),
    Verb(
        "logs",
        "print the output of an attempt",
        words=(_REF,),
        options=(
            Option("--attempt", "the attempt's number; default: the last", kind=NUMBER, value="N"),
            Option("--follow", "go on until the attempt ends"),
            Option("--stderr", "its standard error instead of its standard output"),
        ),
        details="With --json --follow: one JSON object a line.",
    ),
    Verb(
        "hook",
        "print the token of a predicate's hook and how to ring it",
        words=(_REF, Word("PREDICATE", "which one, where the goal has several hooks", required=False)),
        details="The token is a secret: whoever has it can have the predicate looked at. It ends with the goal.",
    ),
    Verb("explain", "say what holds a goal, until when, and which rule decided", words=(_REF,)),
    Verb(
        "bundle",
        "show what a goal that did not converge left: evidence, attempts, cost, what to do",
        words=(_REF,),
        details="Exit 0; 1 where the goal has left none yet.",
    ),
    Verb(
        "harness",
        "list the coding agents, or check one that is installed",
        words=(
            Word("ACTION", "list or check"),
            Word("ID", "check: the agent", required=False),
        ),
        options=(
            Option("--command", "check: its program, when not the usual one", kind=PATH, value="FILE"),
            Option("--no-run", "check: only look whether it is there, has a version and a login"),
        ),
        details=(
            "list: program, version, tier, config home, credential. "
            "check: no terminal, no stdin, no login, a model that fails or is silent, kill; 1 where one fails."
        ),
    ),
    Verb("prompt", "show what an agent would be told if it were sent now", words=(_REF,)),
    Verb(
        "audit",
        "check, copy or read the trail of who did what",
        words=(
            Word("ACTION", "verify, export or show"),
            Word("WHAT", "verify: an exported file; show: the goal", required=False),
        ),
        options=(
            Option("--output", "export: the file; default: standard output", kind=TEXT, value="FILE"),
            Option("--after", "export: only records after this number", kind=NUMBER, value="NUMBER"),
            Option("--head", "verify: a hash that was written down", kind=TEXT, value="NUMBER:HASH"),
        ),
        details="verify: exit 0 when every record is there, unchanged and in its place; 1 where one is not.",
    ),
    Verb(
        "report",
        "show gaps, age, drift and cost of the last days, by goal and by label",
        options=(
            Option("--since", "how far back; default: 7d", kind=DURATION, value="DUR"),
            Option("--format", "md, csv or json; default: md", kind=TEXT, value="FORMAT"),
            _LABELS,
        ),
        details="Of the goals that you may see. A cost with ~ holds what was set aside where none was reported.",
    ),
    Verb(
        "export-incident",
        "write a goal's journal to a file that can be replayed",
        words=(_REF,),
        options=(
            Option("--output", "the file; default: REF.incident in this folder", kind=TEXT, value="FILE"),
        ),
        details="The file holds what `kazictl events` shows: specs, evidence, attempts; secrets are redacted.",
    ),
    Verb(
        "export-traces",
        "print what every attempt of an agent left, one JSON object a line",
        words=(_MAYBE_REF,),
        options=(
            Option("--since", "only attempts that began so long ago or later", kind=DURATION, value="DUR"),
        ),
        details="Without REF: all of your goals. Format kazi-trace in docs/traces.md; no text, evidence or secret.",
    ),
    Verb(
        "replay",
        "decide a recorded incident again and show what differs; needs no daemon",
        words=(Word("FILE", "what export-incident wrote; - is standard input"),),
        options=(Option("--all", "print every event too, decisions marked"),),
        details="Exit 0 when every recorded decision was made again, 1 where one differs, 2 unreadable.",
    ),
    Verb(
        "wait",
        "wait until a goal is in a state",
        words=(_REF,),
        options=(
            Option("--for", "the status to wait for; default: converged", kind=TEXT, value="STATE"),
            Option("--timeout", "give up after this long (exit 124)", kind=DURATION, value="DUR"),
        ),
        details="Exit 0 when it holds; the goal's own code as soon as it cannot come without a person.",
    ),
    Verb("reconcile", "wake a goal: look again now", words=(_REF_OR_LABEL,), options=(_LABELS_ACT,)),
    Verb(
        "suspend",
        "stop acting on a goal; observing goes on",
        words=(_REF_OR_LABEL,),
        options=(
            Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT", required=True),
            Option("--for", "resume by itself after this long", kind=DURATION, value="DUR"),
            _LABELS_ACT,
        ),
        details="Exit 0 when every executor is verified gone, 7 while one is still ending.",
    ),
    Verb(
        "resume",
        "act on a goal again, with fresh counters",
        words=(_REF_OR_LABEL,),
        options=(
            Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT", required=True),
            _LABELS_ACT,
        ),
    ),
    Verb(
        "ack",
        "say that you have what a goal stopped for: no reminder, no escalation",
        words=(_REF,),
        options=(Option("--reason", "what is being done about it", kind=TEXT, value="TEXT"),),
        details="The goal stays as it is: `resume` has it act again.",
    ),
    Verb("approvals", "list what waits for a person's yes, with the plan and its hash"),
    Verb(
        "approve",
        "say yes to exactly one plan that a goal waits with",
        words=(_REF,),
        options=(
            Option(
                "--plan", "its hash, as `kazictl approvals` shows it", kind=TEXT, value="HASH", required=True
            ),
        ),
        details="Never by its submitter, by the user it runs as, or by an agent. Exit 1 when it does not count.",
    ),
    Verb(
        "reject",
        "say no: the goal stops waiting and ends as stuck: rejected",
        words=(_REF,),
        options=(
            Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT", required=True),
            Option("--plan", "which request, where more than one stands", kind=TEXT, value="HASH"),
        ),
    ),
    Verb(
        "restore",
        "let a goal that was lowered for what its agent did act at its own level again",
        words=(_REF,),
        options=(Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT", required=True),),
        details="By an approver, never the submitter or the user it runs as; on a user's own daemon by that user.",
    ),
    Verb(
        "freeze",
        "stop acting on every goal; observing goes on",
        options=(
            Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT", required=True),
            Option("--for", "thaw by itself after this long", kind=DURATION, value="DUR"),
        ),
        details="Exit 0 when every executor is verified gone, 7 while one is still ending.",
    ),
    Verb(
        "thaw",
        "end the freeze; goals that are suspended by themselves stay so",
        options=(Option("--reason", "why, for whoever asks later", kind=TEXT, value="TEXT"),),
    ),
    Verb(
        "stop",
        "end acting and observing; spec and history stay, apply revives",
        words=(_REF_OR_LABEL,),
        options=(_LABELS_ACT,),
        details="Exit 0 when every executor is verified gone, 7 while one is still ending.",
    ),
    Verb("delete", "stop a goal and remove it", words=(_REF,)),
    Verb(
        "lint",
        "judge a goal-file without submitting it",
        words=(Word("GOAL.toml", "the goal-file"),),
        options=(Option("--no-run", "judge by the text alone, try no check"),),
        starts_daemon=True,
        details="Exit 0 clean, 1 it loads but something in it is doubtful, 2 it does not load.",
    ),
    Verb(
        "try",
        "look at a goal-file's predicates once: verdict, evidence, time and the raw answers",
        words=(
            Word("GOAL.toml", "the goal-file"),
            Word("PREDICATE", "only this one, by its id", required=False),
        ),
        options=(
            Option("--workspace", "work in this folder; relative to where you are", kind=PATH, value="DIR"),
        ),
        starts_daemon=True,
        details="Stores nothing and repairs nothing. Exit 0 when all pass or are waived, else 1; 2 it does not load.",
    ),
    Verb(
        "schema",
        "print what a goal-file may hold, or one predicate kind's keys",
        words=(Word("PROVIDER", "the predicate kind, e.g. http_probe", required=False),),
        options=(
            Option("--json-schema", "print it as JSON Schema, for editors: #:schema ./goal.schema.json"),
        ),
        starts_daemon=True,
    ),
    Verb("info", "show the daemon: version, socket, state folder, goals"),
    Verb("doctor", "show what this machine has and can enforce, and what to do about the rest"),
    Verb("restart", "replace the daemon's process; running attempts go on"),
    Verb("version", "print the client's version, and the daemon's where one listens"),
    Verb(
        "help",
        "explain kazictl, or one verb",
        words=(Word("VERB", "the verb to explain", required=False),),
    ),
)

REPLACED = {
    "run": "`run` is `apply` now: kazictl apply GOAL.toml",
    "propose": "`propose` is `plan` now, which is not built yet; write the goal-file and: kazictl apply GOAL.toml",
}
"""Verbs of the predecessor, and what to type instead."""


def find_verb(name: str) -> Verb | None:
    """The verb of this name."""
    for verb in VERBS:
        if verb.name == name:
            return verb
    return None
