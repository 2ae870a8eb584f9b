"""What schemathesis is told about kazid beyond its OpenAPI document. Loaded into its process by test_schemathesis.py.

Random names meet no goal, and random text is no goal-file; so half of the requests are given a goal that is there, and
goal-files that load. And nothing may be waited for longer than a test can: a stream or a wait without an end is given
one by its own parameters. Each answer is tallied, so that the test can say that nothing was left out.
"""

import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema_rs
import schemathesis

from kazid.wire.names import CONTENT_LINES

SETTLED = "settled"
"""A goal that nothing changes: its stream and its log have an end."""
STEERED = "steered"
"""A goal for whatever changes one."""
DOOMED = "doomed"
"""A goal to delete."""
TROUBLED = "troubled"
"""A goal that stopped: somebody may acknowledge that."""
WAIT_S_MAX = 0.3
TALLY = "KAZI_TEST_TALLY"
"""The variable that names the file with a line for each answer: operation and status."""
HOOK_TOKEN = "KAZI_TEST_HOOK_TOKEN"
"""The variable with the token of the settled goal's hook."""

_GOAL = """
id = "GOAL_ID"
standing = true
[observe]
interval = "5s"
recheck = "100ms"
[[predicate]]
id = "there"
provider = "custom_script"
live = true
wake = {hook = true}
cmd = "test"
args = ["-e", "there-GOAL_ID"]
[[remedy]]
cmd = "touch"
args = ["there-GOAL_ID"]
"""
TROUBLED_GOAL = _GOAL.replace("GOAL_ID", TROUBLED).replace('cmd = "test"', 'cmd = "/nowhere/test"')
_GOALS = (
    _GOAL,
    _GOAL.replace("standing = true", ""),
    _GOAL.replace("standing = true", 'labels = {tier = "edge"}'),
    _GOAL.replace("touch", "/nowhere/touch"),
    _GOAL + '[integration]\nmode = "commit"\n',  # not built: refused at admission
    _GOAL.replace("[[remedy]]", "[[remedies]]"),  # does not load
)
_STEERING = frozenset({"apply", "put_goal", "suspend", "resume", "stop", "reconcile"})
_SHORT_CHARS_MAX = 1000
_PATH_CHARS_MAX = 4096
_calls = 0
_calls_of: Counter[str] = Counter()
"""Two of three of each operation meet what is there: of half of all calls, the sound ones of one could miss it."""


def goal_file(name: str, *, number: int = 0) -> str:
    """One of a few goal-files: the first is sound, the later ones less so."""
    return _GOALS[number % len(_GOALS)].replace("GOAL_ID", name)


def operation_of(case: Any) -> str:
    return str(case.operation.definition.raw["operationId"])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:
    global _calls
    _calls += 1
    operation = operation_of(case)
    _calls_of[operation] += 1
    if _calls_of[operation] % 3:
        _meet_what_is_there(operation, case)
    if isinstance(case.body, dict):
        _make_source_absolute(case.body)
    if isinstance(case.query, dict):
        _spell_out(case)
        _bound(operation, case.query)


def _meet_what_is_there(operation: str, case: Any) -> None:
    names = case.path_parameters
    if isinstance(names, dict) and {"owner", "id"} <= names.keys():
        names["owner"] = "@me"
        by_operation = {"delete": DOOMED, "ack": TROUBLED, **dict.fromkeys(_STEERING, STEERED)}
        names["id"] = by_operation.get(operation, SETTLED)
    if operation == "hook" and isinstance(case.query, dict):
        case.query.pop("predicate", None)
    if operation == "ring":
        names["token"] = os.environ[HOOK_TOKEN]
    if operation == "schema_of_kind":
        names["kind"] = "http_probe"
    if isinstance(case.query, dict) and isinstance(case.query.get("goal"), str):
        case.query["goal"] = f"@me/{SETTLED}"
    text = case.body.get("goal_file") if isinstance(case.body, dict) else None
    if isinstance(text, str) and len(text) < _SHORT_CHARS_MAX:
        name = DOOMED if operation == "apply" and _calls % 4 == 1 else STEERED
        case.body["goal_file"] = goal_file(name, number=_calls // 4)


def _make_source_absolute(body: dict[str, Any]) -> None:
    """A path that is relative to nothing is refused, and no schema can say so."""
    source = body.get("source_path")
    if isinstance(source, str) and source[:1] not in ("", "/") and body.get("cwd") is None:
        body["source_path"] = f"/{source}"[: max(_PATH_CHARS_MAX, len(source))]


def _spell_out(case: Any) -> None:
    """An unknown parameter is to be refused; with nothing as its value it would never be sent."""
    raw = case.operation.definition.raw
    known = {p["name"] for p in raw.get("parameters", ()) if "name" in p}
    for name, value in case.query.items():
        if name not in known and value in (None, [], {}):
            case.query[name] = "nothing"


def _bound(operation: str, query: dict[str, Any]) -> None:
    """Give what may last an end, and leave alone what is malformed."""
    if operation == "wait" and _is_long(query.get("timeout_s", "60")):
        query["timeout_s"] = str(WAIT_S_MAX)
    if operation == "events" and str(query.get("follow", "")).lower() in ("true", "1"):
        query |= {"after": "0", "limit": "1"}


def _is_long(timeout_s: object) -> bool:
    try:
        return not isinstance(timeout_s, bool) and WAIT_S_MAX < float(timeout_s) <= 3600  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


@schemathesis.hook
def after_call(context: Any, case: Any, response: Any) -> None:
    with Path(os.environ[TALLY]).open("a") as tally:
        tally.write(f"{operation_of(case)} {response.status_code}\n")


@schemathesis.check
def every_line_is_as_documented(context: Any, response: Any, case: Any) -> None:
    """A stream is one document a line; schemathesis itself judges whole bodies only."""
    if response.headers.get("content-type") != [CONTENT_LINES]:
        return
    content = case.operation.definition.raw["responses"]["200"]["content"]
    components = case.operation.schema.raw_schema["components"]
    validator = jsonschema_rs.validator_for({**content[CONTENT_LINES]["schema"], "components": components})
    for line in response.content.splitlines():
        problems = [error.message for error in validator.iter_errors(json.loads(line))]
        assert not problems, f"{problems} in {line!r}"
