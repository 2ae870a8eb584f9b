"""What the daemon asks of a shim: `request.json`, read and checked field by field. Knows no processes."""

from collections.abc import Mapping

from kazid.shim import protocol

TYPE_CHECKING = False
if TYPE_CHECKING:  # see protocol
    from typing import Any

GRACE_S = 5.0
ORPHAN_GRACE_S = 600.0
LOG_BYTES_MAX = 4 * 1024 * 1024


class Order:
    """One attempt to run. Raises ValueError with words for a person when the record is not an order of this version."""

    def __init__(self, record: "Mapping[str, Any]") -> None:
        if record.get("version") != protocol.VERSION:
            raise ValueError(
                f"request version {record.get('version')!r}; this shim speaks {protocol.VERSION}"
            )
        try:
            self.attempt_id = _text(record["attempt_id"])
            self.argv = [_text(argument) for argument in record["argv"]]
            self.cwd = _text(record["cwd"])
            self.daemon_file = _text(record["daemon_file"])
            self.stdin = None if record.get("stdin") is None else _text(record["stdin"])
            self.total_timeout_s = float(record["total_timeout_s"])
            idle = record.get("idle_timeout_s")
            self.idle_timeout_s = None if idle is None else float(idle)
            self.grace_s = float(record.get("grace_s", GRACE_S))
            self.orphan_grace_s = float(record.get("orphan_grace_s", ORPHAN_GRACE_S))
            self.log_bytes_max = int(record.get("log_bytes_max", LOG_BYTES_MAX))
            limits: Mapping[str, Any] = record.get("limits") or {}
            self.limits = {name: int(value) for name, value in limits.items()}
            group = record.get("control_group")
            self.control_group = None if group is None else _text(group)
            self.keeps_on_success = bool(record.get("keep_on_success", False))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"request cannot be read: {error!r}") from error
        if not self.argv or not self.argv[0]:
            raise ValueError("request names no command")
        if self.stdin is not None and "/" in self.stdin:
            raise ValueError("request names a stdin outside its folder")


def _text(value: object) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise ValueError("not a text, or one with a NUL")
    value.encode("utf-8", "surrogateescape")  # half a surrogate pair is no text that a command line can carry
    return value
