"""A user's groups as the machine has them: however many, and none for who is gone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import anyio
import pytest

from kazid.api.accounts import KNOWN_S, Logins, groups_of

GROUPS = 200


def test_a_user_in_200_groups_is_in_each_of_them(tmp_path: Path) -> None:
    """With a group file of the test's own, in a mount namespace of its own."""
    crowded = tmp_path / "group"
    lines = Path("/etc/group").read_text() + "".join(f"kzt-{n}:x:{70000 + n}:nobody\n" for n in range(GROUPS))
    crowded.write_text(lines)
    crowded.chmod(0o644)
    ask = (
        "import json, pwd; from kazid.api.accounts import groups_of; nobody = pwd.getpwnam("
        "'nobody'); print(json.dumps(groups_of(nobody.pw_uid, nobody.pw_gid)))"
    )
    script = 'mount --bind "$0" /etc/group && exec "$1" -c "$2"'
    try:
        run = subprocess.run(
            ["unshare", "--mount", "sh", "-c", script, crowded, sys.executable, ask],
            capture_output=True, text=True, check=False, timeout=60, cwd=Path(__file__).parents[2],
        )  # fmt: skip
    except FileNotFoundError:
        pytest.skip("no unshare on this machine")
    if run.returncode != 0 and os.getuid() != 0:
        pytest.skip(f"no mount namespace for this user: {run.stderr.strip()[:200]}")
    if "mount" in run.stderr and run.returncode != 0:
        pytest.skip(f"no mount in a namespace of its own: {run.stderr.strip()[:200]}")
    assert run.returncode == 0, run.stderr
    assert {f"kzt-{n}" for n in range(GROUPS)} <= set(json.loads(run.stdout))


def test_a_uid_that_is_given_to_somebody_else_is_not_taken_for_who_had_it() -> None:
    names, now = {1000: "ada"}, [0.0]
    logins = Logins(lambda uid: names.get(uid, str(uid)), now_s=lambda: now[0], timeout_s=60.0)

    async def over_time() -> list[str | None]:
        told = [await logins.of(1000)]
        del names[1000]
        now[0] = KNOWN_S - 0.1
        told.append(await logins.of(1000))
        now[0] = KNOWN_S
        told.append(await logins.of(1000))
        names[1000] = "eve"
        now[0] = 2 * KNOWN_S
        return [*told, await logins.of(1000)]

    assert anyio.run(over_time) == ["ada", "ada", "1000", "eve"]


def test_who_is_not_in_the_user_database_any_more_is_in_no_group() -> None:
    assert groups_of(4_000_000_000, 0) == ()
