"""The parent of one executor attempt: it outlives the daemon, and nothing the attempt starts outlives it by accident.

Run by path, stdlib only: `python -I -S attempt.py FOLDER DONE_FD`. Its environment is the child's, so secrets never
touch the disk. It claims the attempt before it runs anything (kazid/shim/protocol.py), runs it (kazid/shim/watch.py),
writes the result durably, and closes DONE_FD ("-" for none). Everything is imported before the claim: an upgrade that
replaces these files must not reach an attempt that runs.
"""

import os
import sys
import time

# At the end, so that nothing in site-packages shadows the standard library; -I leaves this folder out.
sys.path.append(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

from kazid.shim import proctree, protocol
from kazid.shim.child import close_on_exec, original_environment
from kazid.shim.order import Order
from kazid.shim.watch import Signals, Watch

TYPE_CHECKING = False
if TYPE_CHECKING:  # see protocol
    from typing import Any

RETRY_S = 0.1
RETRY_S_MAX = 5.0


def main(folder: str, done_fd: int | None) -> str | None:
    """Claim, run, report, and stay only for a product's logs. Returns what kept it from all that."""
    signals = Signals()
    close_on_exec()
    _lead_a_session()
    folder = os.path.abspath(folder)
    os.chdir("/")  # whatever folder this was, it can be unmounted now
    record = protocol.read_record(folder, protocol.REQUEST)
    if record is None:
        return f"no request in {folder}"
    me = os.getpid()
    identity = {"pid": me, "start_time": proctree.start_time(me), "boot_id": proctree.boot_id()}
    if protocol.claim(folder, {"version": protocol.VERSION, **identity}) is None:
        return "revoked before it was claimed"
    try:
        order = Order(record)
    except ValueError as error:
        _write_result(folder, _refusal(record, str(error)), None)
        return None
    watch = Watch(folder, order, original_environment(), signals)
    try:
        result = watch.run()
    except BaseException:
        # A bug of ours: nobody would watch the attempt any more, so it ends.
        watch.end_tree(0.0)
        raise
    _write_result(folder, result, watch)
    if done_fd is not None:
        os.close(done_fd)
    is_product = result["ended"] == protocol.EXITED and result["exit_code"] == 0 and order.keeps_on_success
    while is_product and watch.has_open_pipes:
        watch.pump(None)
    watch.close()
    return None


def _lead_a_session() -> None:
    if os.getsid(0) != os.getpid():
        try:
            os.setsid()
        except PermissionError:
            return  # it leads a group of somebody's session, which is as good as can be had


def _write_result(folder: str, result: "dict[str, Any]", watch: Watch | None) -> None:
    """Durably, however long the disk takes: without it the daemon would call the attempt killed.

    Output flows meanwhile.
    """
    delay_s = RETRY_S
    while True:
        try:
            protocol.write_durably(folder, protocol.RESULT, result)
        except OSError:
            if not os.path.isdir(folder):
                return  # discarded: nobody waits for it
            end_s = time.monotonic() + delay_s
            while (left_s := end_s - time.monotonic()) > 0:
                time.sleep(left_s) if watch is None else watch.pump(end_s)
            delay_s = min(delay_s * 2, RETRY_S_MAX)
        else:
            return


def _refusal(record: "dict[str, Any]", reason: str) -> "dict[str, Any]":
    return {
        "version": protocol.VERSION,
        "attempt_id": str(record.get("attempt_id", "")),
        "ended": protocol.NEVER_STARTED,
        "exit_code": None,
        "signal": None,
        "survivors": [],
        "reason": reason,
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2]) if sys.argv[2:] not in ([], ["-"]) else None))
