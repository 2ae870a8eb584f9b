"""Whether the daemon may act: degraded means the journal cannot take a write, or that starts keep failing.

While degraded no act starts and mutations are refused with 507, but looking and reading go on and the watchdog is
still fed (SEMANTICS §7). The reason is shown in every document.
"""

import structlog

from kazid.runtime.wakeup import Change

log = structlog.get_logger(__name__)


class Health:
    """The one place that knows; writers report, readers ask."""

    def __init__(self) -> None:
        self._disk: str | None = None
        self._starts: str | None = None
        self.change = Change()

    @property
    def degraded(self) -> str | None:
        """Why no act may start, None when all is well."""
        return self._disk or self._starts

    def report_disk_error(self, reason: str) -> None:
        """The journal refused a write."""
        if self._disk is None:
            log.error("daemon.degraded", reason=reason)
        self._disk = reason
        self.change.bump()

    def report_disk_ok(self) -> None:
        """The journal took a write."""
        if self._disk is not None:
            self._disk = None
            log.info("daemon.restored")
            self.change.bump()

    def report_failed_starts(self, reason: str) -> None:
        """Too many starts in a row ended by kazid's own exception; stays until a start that lives."""
        self._starts = reason
        log.error("daemon.degraded", reason=reason)
        self.change.bump()

    def report_start_lived(self) -> None:
        """This start reached its age: earlier failures are forgotten."""
        if self._starts is not None:
            self._starts = None
            log.info("daemon.restored")
            self.change.bump()
