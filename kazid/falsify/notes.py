"""Every reason for which a check cannot be red, once: its code, why, and what to write instead.

docs/goal-files.md prints this table, and a test compares.
"""

from kazid.falsify.outcome import Note

CANNOT_FAIL = Note(
    "cannot-fail",
    "its command always succeeds, so it can never be red",
    "run what proves the claim, and let its exit code through",
)
HIDDEN_EXIT = Note(
    "hidden-exit",
    "it ends with a success of its own, which hides the exit code before it",
    "leave out the `|| true` or `; true`, or begin with `set -e`",
)
PIPE = Note(
    "pipe-hides-exit",
    "the exit code of a pipe is that of its last command, which always succeeds",
    "begin with `set -o pipefail` (bash), or leave out the pipe",
)
BACKGROUND = Note(
    "background",
    "what runs in the background counts as a success",
    "leave out the `&`, or `wait` for its process id",
)
CURL = Note(
    "curl-no-fail",
    "without --fail every answer is a success, an error page with status 500 too",
    "curl --fail, or an http_probe with expect_status and expect_body",
)
OWN_OUTPUT = Note(
    "greps-itself",
    "it searches what it wrote itself, so it always finds it",
    "search what the thing under test wrote",
)
CONSTANT_TEST = Note(
    "constant-test",
    "its test compares constants, so its answer never changes",
    "test something that the work changes",
)
RUNS_NOTHING = Note(
    "runs-no-test",
    "its test runner runs no test",
    "let it run the tests, and count a run without tests as a failure",
)
EXIT_ZERO = Note(
    "exit-zero-flag",
    "it is told to succeed whatever it finds",
    "leave out the flag",
)
IGNORES = Note(
    "ignores-difference",
    "git answers 0 whether it found a difference or not",
    'git diff --exit-code, or test -z "$(git status --porcelain)"',
)
FIND = Note(
    "find-never-fails",
    "find answers 0 whether it found something or not",
    'test -n "$(find …)", or pipe it into grep -q .',
)
PROGRAM = Note(
    "constant-program",
    "its program asserts nothing",
    "assert something, or end with an exit code that says what was found",
)
ALL_CODES = Note(
    "every-code-passes",
    "whatever it ends with counts as a pass",
    "name in pass_codes only what means that the claim holds",
)
ALL_COUNTS = Note(
    "every-count-passes",
    "no count of lines is below zero, so pass_when always holds",
    'a comparison that can fail, such as "== 0" or "> 0"',
)
LOOP = Note(
    "loop-hides-exit",
    "the exit code of a loop is that of its last round, so earlier failures are lost",
    "end the round with `|| exit 1`",
    "doubt",
)
FILTER = Note(
    "filter-never-fails",
    "it prints, and succeeds whatever it reads",
    "grep -q, jq -e, or an exit in the program",
    "doubt",
)
UNQUOTED = Note(
    "unquoted-test",
    "an empty variable without quotes vanishes, and then the test is true",
    'write quotes: test -n "$x"',
    "doubt",
)
UNREAD = Note(
    "unread",
    "its script is too long or too deep to be read, so nothing tells whether it can be red",
    "put the script into a file of the workspace",
    "doubt",
)
NOTHING_THERE = Note(
    "passes-on-nothing",
    "it passes in an empty folder too, so it does not look at the workspace",
    "test what the work makes; if it asserts that something is absent, name a file that must be there as well",
    "doubt",
)

NOTES = (
    CANNOT_FAIL, HIDDEN_EXIT, PIPE, BACKGROUND, CURL, OWN_OUTPUT, CONSTANT_TEST, RUNS_NOTHING, EXIT_ZERO, IGNORES,
    FIND, PROGRAM, ALL_CODES, ALL_COUNTS, LOOP, FILTER, UNQUOTED, UNREAD, NOTHING_THERE,
)  # fmt: skip
