"""`kazictl export-incident REF --output FILE`: a goal's journal as a file, for `kazictl replay` here or elsewhere.

The file is written beside its place and moved there when it is whole, readable by its owner only: evidence in it may be
of interest to others.
"""

import os

from kazictl.decode import decode_object
from kazictl.failure import Failure
from kazictl.session import Session
from kazictl.targets import goal_target
from kazictl.terminal import one_line
from kazid.wire import exit_codes
from kazid.wire.names import SCHEMA_VERSION

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def run(session: Session) -> int:
    """Fetch, check that it is whole, and put it in place."""
    reference = session.arguments.words[0]
    path = session.arguments.texts.get("output") or f"{reference.replace('/', '-')}.incident"
    partial = f"{path}.part-{os.getpid()}"
    lines = session.client().lines(goal_target(reference, "/incident"))
    first = next(lines, b"")  # a refusal raises here, before anything is written
    header = decode_object(first)
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            count, last_seq = _write(descriptor, first, lines)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if last_seq != header.get("last_seq"):
            raise Failure(
                f"only the events up to {last_seq} of {header.get('last_seq')} came",
                exit_code=exit_codes.ERROR,
                kind="incomplete",
                hint="the daemon stopped or its disk failed; run it again",
            )
        os.replace(partial, path)
    except OSError as error:
        raise Failure(
            f"cannot write {path}: {error.strerror or error}",
            exit_code=exit_codes.USAGE,
            kind="output",
            hint="name another file: --output FILE",
        ) from None
    finally:
        if os.path.lexists(partial):
            os.unlink(partial)
    if session.wants_json:
        document = {"schema_version": SCHEMA_VERSION, "ref": reference, "path": path, "events": count}
        return session.emit(document, exit_code=exit_codes.OK)
    session.show(
        [f"{count} events in {one_line(path)}; decide them again with: kazictl replay {one_line(path)}"]
    )
    return exit_codes.OK


def _write(descriptor: int, first: bytes, lines: "Iterator[bytes]") -> tuple[int, object]:
    count, last_seq = 0, None
    with open(descriptor, "wb", closefd=False) as file:
        file.write(first + b"\n")
        for line in lines:
            if line.strip():
                file.write(line + b"\n")
                count += 1
                last_seq = decode_object(line).get("seq")
    return count, last_seq
