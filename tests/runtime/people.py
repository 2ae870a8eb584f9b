"""The people of runtime tests: two approvers, and everybody whose yes does not count.

Who may say yes is decided anew at each yes, from the roles that a house knows; `House.grants` takes one away.
"""

import pytest
from msgspec.structs import replace

from kazid.core.roles import Grant, Role
from kazid.runtime.views import Caller
from tests.runtime.house import DAEMON_UID, House

APPROVER = (Grant(role=Role.APPROVER),)
PIA = Caller(uid=2001, login="pia", pid=1, grants=APPROVER)
QUENTIN = Caller(uid=2002, login="quentin", pid=1, grants=APPROVER)
WHOSE_WORD_DOES_NOT_COUNT = [
    pytest.param(replace(PIA, login="ada", uid=1000), "four_eyes", id="the-submitter"),
    pytest.param(replace(PIA, uid=DAEMON_UID), "four_eyes", id="the-executors-user"),
    pytest.param(replace(PIA, grants=()), "denied", id="no-role"),
    pytest.param(replace(PIA, grants=(), uid=0, is_unlimited=True), "denied", id="root"),
]
"""Who asks, and the type of the refusal."""


def introduce(house: House, *people: Caller) -> None:
    """The house knows these people, with the roles that they have."""
    for who in people:
        house.grants[who.uid] = (who.login, who.grants)
