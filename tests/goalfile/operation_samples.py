"""The kinds that look at a machine and its services: the least each needs, and what each objects to."""

from typing import Any

LEAST: dict[str, dict[str, Any]] = {
    "tcp": {"port": 1},
    "port_closed": {"port": 1},
    "file": {"path": "x"},
    "process": {"name": "x"},
    "disk": {"path": "/", "free_percent_min": 5},
    "git": {"clean": True},
    "systemd_unit": {"unit": "x.service"},
}

OBJECTIONS = [
    ("tcp", 'host = "h"', "port"),
    ("tcp", "port = 65536", "port"),
    ("tcp", 'port = 1\nunix = "/s"', "port"),
    ("tcp", 'unix = "s"', "unix"),
    ("tcp", "port = 1\nip_version = 5", "ip_version"),
    ("tcp", 'port = 1\nsend = "x"', "expect_text"),
    ("tcp", 'port = 1\nexpect = "absent"\nexpect_text = "x"', "expect_text"),
    ("tcp", "port = 1\nsilence_is_closed = true", "silence_is_closed"),
    ("port_closed", 'host = "h"', "port"),
    ("file", 'path = "x"\nmode = "rwx"', "mode"),
    ("file", 'path = "x"\nmode_max = "0999"', "mode_max"),
    ("file", 'path = "x"\nsha256 = "abc"', "sha256"),
    ("file", 'path = "x"\nowner = "a b"', "owner"),
    ("file", 'path = "x"\ntype = "pipe"', "type"),
    ("file", 'path = "x"\nage_max = "1 day"', "age_max"),
    ("file", 'path = "x"\nage_min = "2h"\nage_max = "1h"', "age_max"),
    ("file", 'path = "x"\nsize_bytes_min = 2\nsize_bytes_max = 1', "size_bytes_max"),
    ("file", 'path = "x"\nexpect = "absent"\nmode = "0600"', "mode"),
    ("process", 'owner = "root"', "name"),
    ("process", 'name = "x"\nowner = 1.5', "owner"),
    ("process", 'name = "x"\ncount_min = 3\ncount_max = 2', "count_max"),
    ("process", 'name = "x"\nexpect = "absent"\ncount_max = 2', "count_max"),
    ("disk", 'path = "/"', "free_percent_min"),
    ("disk", 'path = "/"\nfree_percent_min = 101', "free_percent_min"),
    ("git", 'path = "x"', "clean"),
    ("git", "at = '-x'", "at"),
    ("git", 'ask_remote = "origin"', "branch"),
    ("systemd_unit", 'unit = "a*"', "unit"),
    ("systemd_unit", 'unit = "a.service"\nstate = "running"', "state"),
    ("systemd_unit", 'unit = "a.service"\nexpect = "absent"\nstate = "failed"', "state"),
    ("systemd_unit", 'unit = "a.service"\nexpect = "absent"\nenabled = true', "enabled"),
]  # fmt: skip
"""Kind, options, and the key of the problem."""
