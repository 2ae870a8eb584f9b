"""Runs a command under landlock: it reads and writes below given paths, connects to given ports, signals no one else.

`python -I -S confine.py SPEC COMMAND …`, where SPEC is JSON: `reads`, `writes`, `ports` (absent: any). Stdlib only; the
kernel's rules hold for all that the command starts, and nothing can take them off. What the kernel cannot enforce
ends it with exit code 125 before the command starts: nothing runs open.
"""

import ctypes
import json
import os
import struct
import sys

CANNOT = 125
_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on all architectures
_VERSION_FLAG = 1
_PATH, _PORT = 1, 2
_READ = 1 << 0 | 1 << 2 | 1 << 3  # execute, read a file, list a folder
_FILE_ONLY = 1 << 0 | 1 << 1 | 1 << 2
_CONNECT = 2
_NO_NEW_PRIVS = 38
_TRUNCATE_ABI, _NET_ABI, _SCOPE_ABI = 3, 4, 6
_LIBC = ctypes.CDLL(None, use_errno=True)


def abi() -> int:
    """Which landlock this kernel has; 0: none."""
    found = _LIBC.syscall(ctypes.c_long(_CREATE), None, ctypes.c_long(0), ctypes.c_long(_VERSION_FLAG))
    return max(0, int(found))


def confine(reads: "list[str]", writes: "list[str]", ports: "list[int] | None") -> None:
    """Bind this process and all it will start. Raises OSError for what cannot be enforced."""
    version = abi()
    needed = _TRUNCATE_ABI if ports is None else _NET_ABI
    if version < needed:
        raise OSError(38, f"landlock {needed} is needed, and this kernel has {version}")
    all_of_it = (1 << 13) - 1 | 1 << 13 | 1 << 14 | (1 << 15 if version >= 5 else 0)
    net = _CONNECT if ports is not None else 0
    scoped = 3 if version >= _SCOPE_ABI else 0
    sizes = 8 if version < _NET_ABI else 16 if version < _SCOPE_ABI else 24
    attributes = struct.pack("QQQ", all_of_it, net, scoped)[:sizes]
    buffer = ctypes.create_string_buffer(attributes, len(attributes))
    rules = _call(_CREATE, ctypes.byref(buffer), len(attributes), 0)
    for paths, access in ((reads, _READ), (writes, all_of_it)):
        for path in paths:
            _allow(rules, path, access)
    for port in ports or ():
        record = ctypes.create_string_buffer(struct.pack("=QQ", _CONNECT, port), 16)
        _call(_ADD, rules, _PORT, ctypes.byref(record), 0)
    _LIBC.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
    _call(_RESTRICT, rules, 0)
    os.close(rules)


def _allow(rules: int, path: str, access: int) -> None:
    """A path that is not there is allowed nothing, and is no reason to stop."""
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):
        access &= _FILE_ONLY | 1 << 14 | (1 << 15 if access & 1 << 15 else 0)
    record = ctypes.create_string_buffer(struct.pack("=Qi", access, descriptor), 12)
    try:
        _call(_ADD, rules, _PATH, ctypes.byref(record), 0)
    finally:
        os.close(descriptor)


def _call(*words: object) -> int:
    found = _LIBC.syscall(*[ctypes.c_long(w) if isinstance(w, int) else w for w in words])
    if found < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return int(found)


def main(arguments: "list[str]") -> int:
    """Confine, then become the command."""
    spec = json.loads(arguments[0])
    try:
        confine(spec.get("reads", []), spec.get("writes", []), spec.get("ports"))
        os.execv(arguments[1], arguments[1:])
    except OSError as error:
        print(f"kazid: the command is not confined, so it is not started: {error}", file=sys.stderr)
    return CANNOT


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
