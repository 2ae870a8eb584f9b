"""Who somebody is now, asked again before an act that rests on their yes: login and roles of a uid."""

import pwd
from collections.abc import Callable, Sequence
from functools import partial

from kazid.api.accounts import Groups, UserDatabase
from kazid.core.roles import Given, Grant, grants_for


class Roles:
    """Grants by uid, from the settings in force and the machine's user database."""

    def __init__(self, roles: Callable[[], Sequence[Given]], groups: Groups | None = None) -> None:
        self._roles = roles
        self._groups = groups or Groups()
        self._database = UserDatabase()

    async def of(self, uid: int) -> tuple[str, Sequence[Grant]]:
        """The login and the grants; no grant for a uid that has no name any more."""
        account = await self._database.ask(partial(_account, uid))
        if account is None:
            return str(uid), ()
        given = self._roles()
        groups = await self._groups.of(uid, account.pw_gid) if any(g.groups for g in given) else ()
        return account.pw_name, grants_for(given, login=account.pw_name, groups=groups)


def _account(uid: int) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwuid(uid)
    except KeyError:
        return None
