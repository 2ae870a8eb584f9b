"""Names of users and groups, and the numbers where a number has no name."""

import grp
import pwd
import re

ACCOUNT_CHARS_MAX = 64
ID_MAX = 2**32 - 1

_NAME = re.compile(r"[^\s:/\0]+")


def is_account(name: str | int) -> bool:
    """True for what can be a user's or a group's name or number."""
    if isinstance(name, int):
        return 0 <= name <= ID_MAX
    return len(name) <= ACCOUNT_CHARS_MAX and _NAME.fullmatch(name) is not None


def user_name(uid: int) -> str:
    """The user's name, or the number."""
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return str(uid)


def group_name(gid: int) -> str:
    """The group's name, or the number."""
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return str(gid)
