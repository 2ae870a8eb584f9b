"""`env = { NAME = "value", TOKEN = { file = "/path" } }` of `[harness]`: plain values, and references to secrets.

A secret is never written in a goal-file, for that is stored and journalled: what looks like one is a problem, and the
reference is resolved by the daemon when the agent is started.
"""

import re
from collections.abc import Mapping

from kazid.core.goal import SecretRef
from kazid.goalfile.document import is_table
from kazid.goalfile.predicates import check_env
from kazid.goalfile.problems import Problems
from kazid.goalfile.shapes import shown
from kazid.goalfile.table import Table
from kazid.shim.redaction import redact

SOURCES = ("file", "env", "credential")
_SECRET_NAME = re.compile(r"(?:^|_)(?:TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_HINT = 'write NAME = { file = "/path" }, { env = "NAME of the daemon" } or { credential = "name" }'


def read_env(table: Table, problems: Problems, *, what: str) -> tuple[dict[str, str], dict[str, SecretRef]]:
    """(plain values, references), with what cannot be one reported."""
    raw, path = table.raw("env"), (*table.path, "env")
    plain: dict[str, str] = {}
    secrets: dict[str, SecretRef] = {}
    for name, value in raw.items() if is_table(raw) else ():
        if isinstance(value, str):
            plain[name] = value
            if value and (_SECRET_NAME.search(name) or redact(f"{name}={value}") != f"{name}={value}"):
                message = f"{what}: env: {name} looks like a secret, and what is written here is stored"
                problems.add((*path, name), message, hint=_HINT)
        elif is_table(value):
            reference = _reference(value)
            if reference is None:
                problems.add((*path, name), f"{what}: env: {name} is no reference to a secret", hint=_HINT)
            else:
                secrets[name] = reference
        else:
            problems.add(
                (*path, name), f"{what}: env: {name} must be a string or a table, not {shown(value)}"
            )
    check_env({**plain, **dict.fromkeys(secrets, "")}, problems, path=path, what=f"{what}: env")
    return plain, secrets


def _reference(value: Mapping[str, object]) -> SecretRef | None:
    if len(value) != 1:
        return None
    ((source, name),) = value.items()
    if source not in SOURCES or not isinstance(name, str) or not name or "\0" in name:
        return None
    if source == "file" and not name.startswith(("/", "~/")):
        return None
    if source == "credential" and ("/" in name or name.startswith(".")):
        return None
    return SecretRef(source=source, name=name)
