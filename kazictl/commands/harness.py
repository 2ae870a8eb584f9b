"""`kazictl harness list | check ID`: the coding agents, as a goal applied from here would find them.

The program is looked up on the caller's PATH, which `apply` carries, and asked for its version; credential and config
home are the daemon's, for it starts the agent.
"""

import os

from kazictl.arguments import usage_error
from kazictl.decode import decode_object
from kazictl.document import entries, rows
from kazictl.failure import Failure
from kazictl.render import fields, table
from kazictl.session import Session
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX, SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from kazictl.document import Document

VERSION_S = 20.0
"""The slowest answers in some seconds on a busy machine."""
SUITE_S_MAX = 600.0
"""Eight starts of 30 s at most, and a slow machine."""
TOLD_BETTER = ("installed", "answers without a terminal")
"""What the suite tells, too, and by itself."""


def run(session: Session) -> int:
    """Do what the first word says."""
    action, *rest = session.arguments.words
    if action == "list" and not rest:
        return _list(session)
    if action == "check" and len(rest) == 1:
        return _check(session, rest[0])
    if action == "check" and not rest:
        raise usage_error(
            "harness check needs ID: the agent", hint="kazictl harness list shows what there is"
        )
    raise usage_error(
        f"harness cannot {' '.join([action, *rest])!r}", hint="kazictl harness list, or harness check ID"
    )


def _items(session: Session) -> "list[Document]":
    return rows(session.client().get(f"{API_PREFIX}/harnesses").document, "harnesses")


def _list(session: Session) -> int:
    found = [{**item, **_installed(item)} for item in _items(session)]
    if session.wants_json:
        return session.emit({"schema_version": SCHEMA_VERSION, "harnesses": found}, exit_code=exit_codes.OK)
    lines: list[str] = []
    for item in found:
        mark = "  (default)" if item.get("is_default") else ""
        lines.append(session.out.paint(f"{one_line(item['id'])}{mark}", "bold"))
        lines += fields(session.out, _pairs(item))
    session.show(lines)
    return exit_codes.OK


def _pairs(item: "Document") -> "list[tuple[str, str]]":
    stub = "; tested against a stub of its documentation only" if item.get("is_stub_tested") else ""
    return [
        ("  program", one_line(item.get("path") or _missing(item))),
        ("  version", one_line(item.get("version") or "")),
        ("  tier", f"{one_line(item.get('tier', ''))}{stub}"),
        ("  cannot report", ", ".join(_texts(item, "lacks"))),
        ("  config home", one_line(item.get("config_home") or "none found")),
        ("  credential", ", ".join(_texts(item, "credentials_set")) or _no_credential(item)),
    ]


def _missing(item: "Document") -> str:
    command = item.get("command")
    return f"{command} is not on your PATH" if command else "whatever [harness] command names"


def _no_credential(item: "Document") -> str:
    names = _texts(item, "credentials")
    return f"none of {', '.join(names)}; a login in its config home may do" if names else ""


def _texts(item: "Document", key: str) -> "list[str]":
    return [one_line(each) for each in entries(item, key)]


def _installed(item: "Document") -> "dict[str, str | None]":
    """Where the program lies for this caller, and what it says its version is."""
    import shutil

    command = item.get("command")
    path = shutil.which(command) if isinstance(command, str) and command else None
    return {"path": path, "version": None if path is None else _version(path, _texts(item, "version_args"))}


def _version(path: str, arguments: "Sequence[str]") -> "str | None":
    import subprocess

    try:
        run = subprocess.run(
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=VERSION_S,
            check=False,
            cwd="/",
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    lines = [line.strip() for line in run.stdout.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:80] if run.returncode == 0 and lines else None


def _check(session: Session, harness_id: str) -> int:
    """What must hold for any dispatch: it is there, answers without a terminal, and ends without a credential."""
    item = next((i for i in _items(session) if i.get("id") == harness_id), None)
    if item is None:
        raise Failure(
            f"no such harness: {harness_id!r}",
            exit_code=exit_codes.USAGE,
            kind="unknown_harness",
            hint="kazictl harness list shows what there is",
        )
    named = session.arguments.texts.get("command")
    if named:
        item = {**item, "command": os.path.abspath(named)}
    found = _installed(item)
    is_installed = found["path"] is not None
    checks: list[tuple[str, bool, str]] = [("installed", is_installed, found["path"] or _missing(item))]
    if is_installed:
        version = found["version"]
        checks.append(
            ("answers without a terminal", version is not None, version or "no version within 20 s")
        )
    checks.append(
        (
            "has a credential or a login",
            bool(_texts(item, "credentials_set") or item.get("config_home")) or not item.get("credentials"),
            ", ".join(_texts(item, "credentials_set"))
            or one_line(item.get("config_home") or _no_credential(item)),
        )
    )
    results = [_result(name, "ok" if holds else "fail", detail) for name, holds, detail in checks]
    if found["path"] is not None and "no-run" not in session.arguments.flags:
        session.note(
            "starting it about eight times against a model on loopback; two minutes, or four for a slow one"
        )
        results = [r for r in results if r["name"] not in TOLD_BETTER]
        results += _suite(session, harness_id, str(item.get("command") or ""))
    code = exit_codes.ERROR if any(r["outcome"] == "fail" for r in results) else exit_codes.OK
    if session.wants_json:
        document = {"schema_version": SCHEMA_VERSION, "harness": harness_id, "checks": results}
        return session.emit(document, exit_code=code)
    session.show(
        table(
            session.out,
            ("OUTCOME", "CHECK", "TOOK", "DETAIL"),
            [
                (r["outcome"], one_line(r["name"]), f"{r['took_s']:g} s", one_line(r["detail"]))
                for r in results
            ],
        )
    )
    return code


def _result(name: str, outcome: str, detail: str) -> "Document":
    return {"name": name, "outcome": outcome, "holds": outcome != "fail", "detail": detail, "took_s": 0.0}


def _suite(session: Session, harness_id: str, command: str) -> "list[Document]":
    """What it really does, from kazid's own suite in a process of its own."""
    import subprocess
    import sys

    settings = session.client().get(f"{API_PREFIX}/info").document.get("settings_file")
    words = ["--config", str(settings)] if settings else []
    words += ["--command", command] if command else []
    run = subprocess.run(
        [sys.executable, "-P", "-m", "kazid.harness_check", *words, "--", harness_id],
        stdout=subprocess.PIPE,
        timeout=SUITE_S_MAX,
        check=False,
    )
    found = rows(decode_object(run.stdout), "checks") if run.stdout else []
    if not found:
        return [_result("the suite", "fail", f"it ended with exit {run.returncode}")]
    told = [_result(str(c.get("name")), str(c.get("outcome")), str(c.get("detail"))) for c in found]
    for each, check in zip(told, found, strict=True):
        each["took_s"] = check.get("took_s", 0.0)
    return told
