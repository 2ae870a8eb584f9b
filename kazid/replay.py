"""`python -m kazid.replay FILE`: decide an incident again, away from any daemon. `kazictl replay` runs this.

Prints what differs, and exits 0 where every recorded decision was made again, 1 where one was not, 2 where the file
cannot be read. Changes nothing.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from kazid.core.event import event_type
from kazid.core.incident import Incident, IncidentUnreadable, read_incident
from kazid.core.replay import Replay, is_decided, replay
from kazid.wire import exit_codes
from kazid.wire.names import SCHEMA_VERSION

CHARS_MAX = 2000
"""Of one line for people: a reason may quote a whole output."""
HINT = "give the path of a file that `kazictl export-incident` wrote"


def main(arguments: Sequence[str]) -> int:
    """The command; the exit code."""
    parser = argparse.ArgumentParser(prog="kazictl replay", description="Decide a recorded incident again.")
    parser.add_argument(
        "file", metavar="FILE", help="what `kazictl export-incident` wrote; - is standard input"
    )
    parser.add_argument("--all", action="store_true", help="print every event, decisions marked")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    chosen = parser.parse_args(arguments)
    try:
        incident = _read(chosen.file)
        replayed = replay(incident.records)
    except (IncidentUnreadable, OSError) as error:
        return _unreadable(chosen.file, error, wants_json=chosen.json)
    code = exit_codes.OK if replayed.is_same else exit_codes.ERROR
    if chosen.json:
        sys.stdout.buffer.write(msgspec.json.encode(_document(incident, replayed, code)) + b"\n")
    else:
        for line in _lines(incident, replayed, is_whole=chosen.all):
            sys.stdout.write(line + "\n")
    return code


def _read(name: str) -> Incident:
    if name == "-":
        return read_incident(sys.stdin.buffer)
    with Path(name).open("rb") as file:
        return read_incident(file)


def _unreadable(name: str, error: Exception, *, wants_json: bool) -> int:
    what = f"{name}: {error.strerror or error}" if isinstance(error, OSError) else f"{name}: {error}"
    if wants_json:
        document: dict[str, object] = {
            "schema_version": SCHEMA_VERSION,
            "error": f"cannot read {what}",
            "type": "input",
            "detail": f"cannot read {what}",
            "hint": HINT,
            "problems": [],
            "exit_code": exit_codes.USAGE,
        }
        sys.stdout.buffer.write(msgspec.json.encode(document) + b"\n")
    else:
        sys.stderr.write(f"kazictl: cannot read {_one_line(what)}\n  {HINT}\n")
    return exit_codes.USAGE


def _document(incident: Incident, replayed: Replay, code: int) -> dict[str, object]:
    progress = replayed.folded.progress
    return {
        "schema_version": SCHEMA_VERSION,
        "ref": f"{incident.header.owner}/{incident.header.goal_id}",
        "uid": incident.header.uid,
        "written_by": incident.header.kazid,
        "events": replayed.events,
        "skipped": incident.skipped,
        "decisions": replayed.decisions,
        "differences": msgspec.to_builtins(replayed.differences),
        "status": progress.status.value,
        "reason": progress.reason,
        "exit_code": code,
    }


def _lines(incident: Incident, replayed: Replay, *, is_whole: bool) -> list[str]:
    header, progress = incident.header, replayed.folded.progress
    lines = [
        f"{header.owner}/{header.goal_id} (uid {header.uid}), written by kazid {header.kazid}",
        f"  {replayed.events} events, {replayed.decisions} decisions made again, {len(replayed.differences)} differ",
    ]
    if incident.skipped:
        lines.append(f"  {incident.skipped} events before the first snapshot were left out")
    if is_whole:
        lines += [
            f"  {'*' if is_decided(r.event) else ' '} {r.seq:>6} {_clock(r.at.wall_s)} {event_type(r.event)}"
            for r in incident.records
        ]
    for each in replayed.differences:
        lines += [
            f"  event {each.seq} at {_clock(each.at.wall_s)}, {each.type}",
            f"    recorded: {each.recorded}",
            f"    now:      {each.decided}",
        ]
    lines.append(f"  ends {progress.status.value}" + (f": {progress.reason}" if progress.reason else ""))
    return [_one_line(line) for line in lines]


def _clock(wall_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_s))


def _one_line(text: str) -> str:
    """Without what would steer a terminal: the file is somebody else's."""
    return "".join(c if c.isprintable() else " " for c in text[:CHARS_MAX])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
