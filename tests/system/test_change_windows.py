"""A change window of the settings, in a real daemon: a red waits for it, explain says until when, a reload opens it."""

import datetime as dt
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.house import RealDaemon, eventually, write_goal

GOAL = """
id = "web"
[[predicate]]
id = "there"
provider = "custom_script"
cmd = "test"
args = ["-e", "FILE"]
[[remedy]]
cmd = "touch"
args = ["FILE"]
"""


@pytest.fixture
def house(base: Path) -> Iterator[RealDaemon]:
    now = dt.datetime.now(dt.UTC)
    opens = now + dt.timedelta(hours=3)
    settings = base / "xdg-config" / "kazi" / "kazid.toml"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        f'[[window]]\nname = "later"\nkind = "allow"\ncron = "{opens.minute} {opens.hour} * * *"\nduration = "1h"\n'
    )
    daemon = RealDaemon(base, environment={"XDG_CONFIG_HOME": str(base / "xdg-config")})
    daemon.start()
    yield daemon
    daemon.end_everything()


def test_a_red_waits_for_the_window_and_a_reload_opens_it(house: RealDaemon, base: Path) -> None:
    file = base / "there"
    goal = write_goal(base / "g", GOAL.replace("FILE", str(file)))
    house.apply(goal, "--detach")
    eventually(
        lambda: house.json("status", "web")["status"] == "waiting",
        within_s=60,
        what="it waits for the window",
    )
    (guard,) = [g for g in house.json("explain", "web")["guards"] if g["name"] == "change_window"]
    assert "outside of later" in guard["reason"]
    assert guard["until"] is not None
    assert not file.exists()
    settings = base / "xdg-config" / "kazi" / "kazid.toml"
    settings.write_text('[[window]]\nname = "x"\nkind = "deny"\ncron = "61 * * * *"\nduration = "1h"\n')
    assert house.process is not None
    house.process.send_signal(signal.SIGHUP)
    eventually(lambda: "not a cron expression" in house.log_tail(), within_s=60, what="a bad file is refused")
    assert not file.exists(), "and changes nothing"
    settings.write_text("")
    house.process.send_signal(signal.SIGHUP)
    eventually(file.exists, within_s=60, what="the act")
