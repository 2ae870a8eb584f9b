"""`kazictl version`: the client's version, and the daemon's where one listens. Needs no daemon."""

from importlib.metadata import PackageNotFoundError, version

from kazictl.failure import Failure
from kazictl.session import Session
from kazid.wire import exit_codes
from kazid.wire.names import API_PREFIX, SCHEMA_VERSION

DISTRIBUTION = "kazi"
ANSWER_S = 5.0


def run(session: Session) -> int:
    """Print both; a daemon that is not there is not an error."""
    client = client_version()
    daemon = _daemon_version(session)
    if session.wants_json:
        return session.emit(
            {"schema_version": SCHEMA_VERSION, "client": client, "daemon": daemon}, exit_code=exit_codes.OK
        )
    lines = [
        f"kazictl {client or '(not installed)'}",
        f"kazid {daemon}" if daemon else "kazid: no daemon listens",
    ]
    if client and daemon and client != daemon:
        lines.append("they differ; after an upgrade: kazictl restart")
    session.show(lines)
    return exit_codes.OK


def client_version() -> str | None:
    """The installed version; None when run from a folder that was never installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:
        return None


def _daemon_version(session: Session) -> str | None:
    try:
        document = session.client().get(f"{API_PREFIX}/info", timeout_s=ANSWER_S).document
    except Failure:
        return None
    found = document.get("version")
    return found if isinstance(found, str) else None
