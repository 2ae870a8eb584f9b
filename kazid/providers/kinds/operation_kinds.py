"""Kinds that look at a machine and its services as an operator would: ports, files, processes, disks and the like.

Keys and load checks only; the providers are elsewhere. `expect = "absent"` turns a kind round: what must not be there.
"""

import re
from collections.abc import Iterator
from typing import Final

from kazid.core.duration import duration_s
from kazid.core.json import Json, JsonObject
from kazid.ports.catalog import KeyProblem, KeySpec, KeyType, KindSpec
from kazid.providers.accounts import is_account
from kazid.providers.kinds.checks import TIMEOUT_MS, is_integer, is_number, words
from kazid.providers.kinds.name_kinds import KINDS as NAMES
from kazid.providers.kinds.query_kinds import KINDS as QUERIES

PORT_MAX: Final = 65535
PRESENCE: Final = ("present", "absent")

EXPECT = KeySpec(
    type=KeyType.STRING, choices=PRESENCE, default="present", help="absent: green when it is not there"
)
_IP_VERSION = KeySpec(type=KeyType.INTEGER, help="4 or 6: only addresses of this kind; both when absent")


def _check_tcp(options: JsonObject) -> Iterator[KeyProblem]:
    yield from _bad_target(options)
    if options.get("expect") == "absent":
        for key in ("send", "expect_text", "connect_ms_max"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')
    elif options.get("send") and not options.get("expect_text"):
        yield KeyProblem(key="expect_text", message='missing required key "expect_text" (an answer to send)')
    if options.get("silence_is_closed") and options.get("expect") != "absent":
        yield KeyProblem(
            key="silence_is_closed", message='silence_is_closed means nothing without expect = "absent"'
        )


def _bad_target(options: JsonObject) -> Iterator[KeyProblem]:
    if "unix" in options:
        if not str(options["unix"]).startswith("/"):
            yield KeyProblem(key="unix", message="unix must be an absolute path")
        for key in ("host", "port"):
            if key in options:
                yield KeyProblem(key=key, message=f"{key} and unix exclude each other")
    elif "port" not in options:
        yield KeyProblem(key="port", message='missing required key "port" (or unix, the path of a socket)')
    yield from bad_port(options)
    if options.get("ip_version", 4) not in (4, 6):
        yield KeyProblem(key="ip_version", message="ip_version must be 4 or 6")


def bad_port(options: JsonObject, key: str = "port") -> Iterator[KeyProblem]:
    """A problem when the port is there and is none."""
    port = options.get(key, 1)
    if not is_integer(port) or not 1 <= port <= PORT_MAX:
        yield KeyProblem(key=key, message=f"{key} must be an integer from 1 to {PORT_MAX}")


_TARGET_KEYS = {
    "host": KeySpec(type=KeyType.NON_EMPTY_STRING, default="127.0.0.1", help="name or address"),
    "port": KeySpec(type=KeyType.POSITIVE_INTEGER, help="1 to 65535"),
    "unix": KeySpec(type=KeyType.NON_EMPTY_STRING, help="a Unix socket instead of host and port"),
    "ip_version": _IP_VERSION,
    "timeout_ms": KeySpec(type=KeyType.POSITIVE_INTEGER, default=5000, help=TIMEOUT_MS.help),
}
_SILENCE_IS_CLOSED = KeySpec(
    type=KeyType.BOOLEAN,
    default=False,
    help="a port whose packets are dropped counts as closed, not as an error",
)

TCP = KindSpec(
    name="tcp",
    summary="somebody listens at a port or a Unix socket, and says what is expected",
    verdicts="pass: it connects, in time, and the answer holds the text (absent: every address refuses); fail: it "
    "does not; error: no name, no route, no right, or silence where absence was to be proven",
    live=True,
    built=True,
    keys={
        **_TARGET_KEYS,
        "expect": EXPECT,
        "send": KeySpec(type=KeyType.STRING, help="text to send once connected"),
        "expect_text": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="text that the first 64 KB of the answer contain"
        ),
        "connect_ms_max": KeySpec(type=KeyType.POSITIVE_NUMBER, help="a slower connection is red"),
        "silence_is_closed": _SILENCE_IS_CLOSED,
    },
    check=_check_tcp,
)

PORT_CLOSED = KindSpec(
    name="port_closed",
    summary="nobody listens at a port: every address of the host refuses",
    verdicts="pass: every address of the host refuses; fail: one accepts; error: no name, no route, or silence",
    live=True,
    built=True,
    keys={**_TARGET_KEYS, "silence_is_closed": _SILENCE_IS_CLOSED},
    check=_bad_target,
)

FILE_TYPES: Final = (
    "file", "directory", "symlink", "fifo", "socket", "block_device", "character_device", "any",
)  # fmt: skip
_ABSENT_TAKES: Final = frozenset({"path", "expect", "timeout_ms"})


def _check_file(options: JsonObject) -> Iterator[KeyProblem]:
    for key in ("mode", "mode_max"):
        if key in options and re.fullmatch(r"0?[0-7]{3,4}", str(options[key])) is None:
            yield KeyProblem(key=key, message=f'{key} must be octal digits such as "0640"')
    if "sha256" in options and re.fullmatch(r"[0-9a-fA-F]{64}", str(options["sha256"])) is None:
        yield KeyProblem(key="sha256", message="sha256 must be 64 hexadecimal digits")
    for key in ("owner", "group"):
        account = options.get(key, 0)
        if isinstance(account, float) or not (isinstance(account, str | int) and is_account(account)):
            yield KeyProblem(key=key, message=f"{key} must be a name or a number")
    for least, most in (("size_bytes_min", "size_bytes_max"), ("age_min", "age_max")):
        if least in options and most in options and _amount(options[least]) > _amount(options[most]):
            yield KeyProblem(key=most, message=f"{most} is less than {least}: nothing can be both")
    if options.get("expect") == "absent":
        for key in options.keys() & (FILE.keys.keys() - _ABSENT_TAKES):
            yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')


def _amount(value: Json) -> float:
    return duration_s(value) or 0.0 if isinstance(value, str) else float(value) if is_number(value) else 0.0


FILE = KindSpec(
    name="file",
    summary="a file is there as it should be: type, mode, owner, size, age, hash, text; or is not there",
    verdicts="pass: everything asked of it holds (absent: nothing has that name); fail: it is not there, or is "
    "otherwise; error: no right to look, not read in time, rewritten while read, from the future",
    live=True,
    built=True,
    keys={
        "path": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            required=True,
            help="absolute, or below the workspace; links are followed",
        ),
        "expect": EXPECT,
        "type": KeySpec(type=KeyType.STRING, choices=FILE_TYPES, default="file", help="what it has to be"),
        "mode": KeySpec(type=KeyType.STRING, help='exactly these permissions, e.g. "0640"'),
        "mode_max": KeySpec(type=KeyType.STRING, help="no permission beyond these"),
        "owner": KeySpec(type=KeyType.NUMBER_OR_STRING, help="user name or number"),
        "group": KeySpec(type=KeyType.NUMBER_OR_STRING, help="group name or number"),
        "size_bytes_min": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, help="a smaller one is red"),
        "size_bytes_max": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, help="a larger one is red"),
        "age_min": KeySpec(
            type=KeyType.DURATION, help="modified longer ago than this, e.g. a lock nobody takes"
        ),
        "age_max": KeySpec(
            type=KeyType.DURATION, help='modified within this, e.g. "26h" for a nightly backup'
        ),
        "sha256": KeySpec(type=KeyType.STRING, help="hash of its content, 64 hexadecimal digits"),
        "contains": KeySpec(type=KeyType.NON_EMPTY_STRING, help="text that is somewhere in it"),
        "lacks": KeySpec(type=KeyType.NON_EMPTY_STRING, help="text that is nowhere in it"),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_file,
)

SELECTORS: Final = ("pid_file", "name", "command_line")


def _check_process(options: JsonObject) -> Iterator[KeyProblem]:
    if not any(key in options for key in SELECTORS):
        yield KeyProblem(key="name", message=f"one of {words(SELECTORS)} has to say which process")
    if "owner" in options:
        owner = options["owner"]
        if isinstance(owner, float) or not (isinstance(owner, str | int) and is_account(owner)):
            yield KeyProblem(key="owner", message="owner must be a name or a number")
    if "count_max" in options and _amount(options["count_max"]) < _amount(options.get("count_min", 1)):
        yield KeyProblem(key="count_max", message="count_max is less than count_min: nothing can be both")
    if options.get("expect") == "absent":
        for key in ("count_min", "count_max", "uptime_min", "memory_mb_max"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')


PROCESS = KindSpec(
    name="process",
    summary="a process runs, found by pid file, name or command line, as many as should; or none does",
    verdicts="pass: as many as allowed match all keys and each is as asked (absent: none matches); fail: otherwise, "
    "zombies and stale pid files included; error: /proc hides processes, or the pid file cannot be read",
    live=True,
    built=True,
    keys={
        "pid_file": KeySpec(type=KeyType.NON_EMPTY_STRING, help="file whose first line is its process id"),
        "name": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="the name in /proc, or that of the program it was started as"
        ),
        "command_line": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="text in its command line, arguments joined by spaces"
        ),
        "owner": KeySpec(type=KeyType.NUMBER_OR_STRING, help="count only processes of this user"),
        "expect": EXPECT,
        "count_min": KeySpec(type=KeyType.POSITIVE_INTEGER, default=1, help="fewer are red"),
        "count_max": KeySpec(type=KeyType.POSITIVE_INTEGER, help="more are red"),
        "uptime_min": KeySpec(
            type=KeyType.DURATION, help="each runs at least so long: what is restarted over and over does not"
        ),
        "memory_mb_max": KeySpec(
            type=KeyType.POSITIVE_NUMBER, help="resident memory of each, in MB of 10^6 bytes"
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_process,
)

_DISK_BOUNDS: Final = (
    "free_percent_min",
    "free_mb_min",
    "inodes_free_percent_min",
    "mount_point",
    "writable",
)


def _check_disk(options: JsonObject) -> Iterator[KeyProblem]:
    if not any(options.get(key) not in (None, False) for key in _DISK_BOUNDS):
        yield KeyProblem(
            key="free_percent_min", message=f"nothing is asked: set one of {words(_DISK_BOUNDS)}"
        )
    for key in ("free_percent_min", "inodes_free_percent_min"):
        if _amount(options.get(key)) > 100:
            yield KeyProblem(key=key, message=f"{key} must be at most 100")


DISK = KindSpec(
    name="disk",
    summary="the file system at a path has room and inodes left, is mounted there, and can be written to",
    verdicts="pass: as much is left as asked; fail: less, nothing mounted, read-only, or no such path; error: no right "
    "to look, no answer in time, no size; unknown not_applicable: inodes where there is no number of them",
    live=True,
    built=True,
    keys={
        "path": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="any path on the file system"),
        "free_percent_min": KeySpec(
            type=KeyType.POSITIVE_NUMBER, help="of what users other than root can have, as df counts it"
        ),
        "free_mb_min": KeySpec(type=KeyType.POSITIVE_NUMBER, help="in MB of 10^6 bytes"),
        "inodes_free_percent_min": KeySpec(type=KeyType.POSITIVE_NUMBER, help="files that can still be made"),
        "mount_point": KeySpec(
            type=KeyType.BOOLEAN, default=False, help="the path itself has to be where something is mounted"
        ),
        "writable": KeySpec(type=KeyType.BOOLEAN, default=False, help="mounted read-only is red"),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_disk,
)

_GIT_QUESTIONS: Final = ("clean", "branch", "at", "behind_max", "ahead_max", "ask_remote")


def _check_git(options: JsonObject) -> Iterator[KeyProblem]:
    if not any(options.get(key) not in (None, False, "") for key in _GIT_QUESTIONS):
        yield KeyProblem(key="clean", message=f"nothing is asked: set one of {words(_GIT_QUESTIONS)}")
    if "ask_remote" in options and not options.get("branch"):
        yield KeyProblem(key="branch", message='missing required key "branch" (of the remote that is asked)')
    for key in ("branch", "at", "upstream", "ask_remote"):
        if str(options.get(key, "")).startswith("-"):
            yield KeyProblem(key=key, message=f"{key} must not begin with a dash")


GIT = KindSpec(
    name="git",
    summary="a repository is clean, on its branch, at a commit, not too far behind or ahead; never fetches",
    verdicts="pass: all that is asked holds; fail: something does not, or there is no repository; error: git did not "
    "answer, has nothing to count from, or refuses a repository of another owner",
    live=True,
    built=True,
    keys={
        "path": KeySpec(type=KeyType.NON_EMPTY_STRING, default=".", help="a folder of the repository"),
        "clean": KeySpec(
            type=KeyType.BOOLEAN,
            default=False,
            help="nothing differs from the commit; of a repository in it, its commit",
        ),
        "untracked": KeySpec(
            type=KeyType.BOOLEAN, default=True, help="whether untracked files count as unclean"
        ),
        "branch": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="HEAD is on this branch; with ask_remote, the remote's branch"
        ),
        "at": KeySpec(type=KeyType.NON_EMPTY_STRING, help="HEAD is the commit of this ref, tag or id"),
        "upstream": KeySpec(
            type=KeyType.NON_EMPTY_STRING,
            default="@{upstream}",
            help="what behind and ahead are counted from",
        ),
        "behind_max": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, help="commits of upstream that HEAD may lack"
        ),
        "ahead_max": KeySpec(
            type=KeyType.NON_NEGATIVE_INTEGER, help="commits of HEAD that upstream may lack"
        ),
        "ask_remote": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="ask this remote now: HEAD contains what its branch is at"
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_git,
)


def _check_systemd_unit(options: JsonObject) -> Iterator[KeyProblem]:
    unit = str(options.get("unit", ""))
    if any(c.isspace() or c in "*?[]/" for c in unit):
        yield KeyProblem(key="unit", message="unit must be the name of one unit, such as nginx.service")
    if options.get("expect") == "absent":
        for key in ("state", "sub_state", "result_success", "restarts_max"):
            if key in options:
                yield KeyProblem(key=key, message=f'{key} means nothing with expect = "absent"')
        if options.get("enabled"):
            yield KeyProblem(
                key="enabled", message='only enabled = false means something with expect = "absent"'
            )


SYSTEMD_UNIT = KindSpec(
    name="systemd_unit",
    summary="a unit of systemd is active, or in another state, and enabled; or does not run",
    verdicts="pass: the unit is as asked (absent: it does not run); fail: it is not, is masked or is not there; error: "
    "no systemd here, no bus, a unit that cannot be loaded",
    live=True,
    built=True,
    keys={
        "unit": KeySpec(type=KeyType.NON_EMPTY_STRING, required=True, help="its name, e.g. nginx.service"),
        "expect": KeySpec(
            type=KeyType.STRING,
            choices=PRESENCE,
            default="present",
            help="absent: green when it does not run",
        ),
        "state": KeySpec(
            type=KeyType.STRING,
            choices=("active", "inactive", "failed", "any"),
            default="active",
            help="its ActiveState",
        ),
        "sub_state": KeySpec(
            type=KeyType.NON_EMPTY_STRING, help="its SubState, e.g. running, exited, waiting"
        ),
        "enabled": KeySpec(type=KeyType.BOOLEAN, help="whether it starts at boot"),
        "result_success": KeySpec(
            type=KeyType.BOOLEAN,
            default=False,
            help="its last run did not fail: for oneshot units and timers",
        ),
        "restarts_max": KeySpec(type=KeyType.NON_NEGATIVE_INTEGER, help="automatic restarts so far"),
        "user": KeySpec(
            type=KeyType.BOOLEAN, default=False, help="a unit of the daemon's user, not of the system"
        ),
        "timeout_ms": TIMEOUT_MS,
    },
    check=_check_systemd_unit,
)

KINDS = (TCP, PORT_CLOSED, FILE, PROCESS, DISK, GIT, SYSTEMD_UNIT, *NAMES, *QUERIES)
