"""What the scripted model says: scenarios by name, each a list of steps, or a way to fail.

A step is one turn of the model. Which comes next is read off the request, so that a retry gets the same answer: it
is the number of turns that call tools so far. The last step repeats. `{cwd}` is the folder the CLI told the model.

    {"shell": "<command>"}                          run a command with the CLI's shell tool
    {"write": {"path": p, "content": c}}            create a file with its write tool
    {"edit":  {"path": p, "old": a, "new": b}}      replace text with its edit tool
    {"call":  {"name": n, "args": {...}}}           call exactly this tool
    {"text":  "<final answer>"}                     end the turn with text
    {"calls": [step, step, …]}                      several of the above in ONE turn

A request without tools (titles, summaries, routing) takes no step: it gets `plain`, or a smallest value of the
schema that it asks for. Failures: `status` (with this HTTP status), `times` (only the first N requests with tools),
`at_step` (only at that step), `hang` (never answers), `stall` (starts the stream, then is silent), `drop` (starts it,
then closes), `garbage` (200 with a body that is not the protocol), `delay` (seconds before each answer),
`retry_after` (the header, on errors).
"""

from typing import Any

_FIX = "sed -i 's/return a - b/return a + b/' calc.py && python3 test_calc.py"
_DONE = "Fixed: add() subtracted; it now adds. The test passes."
_AIDER = (
    "add() subtracts; it should add.\n\ncalc.py\n```python\n<<<<<<< SEARCH\n    return a - b\n"
    "=======\n    return a + b\n>>>>>>> REPLACE\n```\n"
)
_MSWEA_END = "echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"

SCENARIOS: dict[str, dict[str, Any]] = {
    "fix": {"steps": [{"shell": _FIX}, {"text": _DONE}], "plain": "Fix add()"},
    "fix-edit": {
        "steps": [
            {"shell": "cat {cwd}/calc.py"},
            {"edit": {"path": "{cwd}/calc.py", "old": "return a - b", "new": "return a + b"}},
            {"text": _DONE},
        ]
    },
    "fix-write": {
        "steps": [
            {"write": {"path": "{cwd}/NOTES.txt", "content": "hello\n"}},
            {"shell": _FIX},
            {"text": _DONE},
        ]
    },
    "fix-aider": {"steps": [{"text": _AIDER}], "plain": _AIDER},
    "fix-mswea": {"steps": [{"shell": _FIX}, {"shell": _MSWEA_END}]},
    "two-calls": {"steps": [{"calls": [{"shell": "echo one"}, {"shell": "echo two"}]}, {"text": "both ran"}]},
    "text": {"steps": [{"text": "Nothing to do."}], "plain": "Nothing to do."},
    "loop": {"steps": [{"shell": "echo again"}]},
    "badcmd": {"steps": [{"shell": "echo to-stderr >&2; exit 7"}, {"text": "The command failed with 7."}]},
    # a tool that never returns, with a child that can be looked for afterwards by its argument
    # (not sleep(1): some CLIs refuse a bare long sleep)
    "sleeper": {"steps": [{"shell": "python3 -c 'import time; time.sleep(98765)'"}, {"text": "slept"}]},
    # a tool that leaves a background process behind in the same / in a new session
    "leave-bg": {
        "steps": [{"shell": "nohup sleep 98764 >/dev/null 2>&1 & echo started"}, {"text": "left one"}]
    },
    "leave-sid": {
        "steps": [{"shell": "setsid nohup sleep 98763 >/dev/null 2>&1 & echo started"}, {"text": "left one"}]
    },
    "e400": {"status": 400},
    "e401": {"status": 401},
    "e403": {"status": 403},
    "e404": {"status": 404},
    "e429": {"status": 429},
    "e500": {"status": 500},
    "e503": {"status": 503},
    "e529": {"status": 529},
    "quota": {
        "status": 429,
        "message": "You exceeded your current quota, please check your plan and billing details.",
        "code": "insufficient_quota",
    },
    "overflow": {
        "status": 400,
        "message": "prompt is too long: 250000 tokens > 200000 maximum",
        "code": "context_length_exceeded",
    },
    "flaky": {"status": 500, "times": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "flaky429": {"status": 429, "times": 1, "retry_after": "1", "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "late500": {"status": 500, "at_step": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "late400": {"status": 400, "at_step": 1, "steps": [{"shell": _FIX}, {"text": _DONE}]},
    "hang": {"hang": True},
    "stall": {"stall": True},
    "drop": {"drop": True},
    "garbage": {"garbage": True},
    "empty": {"steps": [{"text": ""}], "plain": ""},
}
