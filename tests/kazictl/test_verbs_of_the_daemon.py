"""The verbs about the daemon itself, as real processes: info, version, restart and doctor."""

from kazid.wire import exit_codes
from kazid.wire.messages import Acknowledged
from tests.kazictl.conftest import Kazictl, one_document
from tests.kazictl.fake_daemon import Answer, FakeDaemon, an_info, document


def test_info_shows_the_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/info", document(an_info(degraded="no space left")))
    finished = kazictl("info")
    assert finished.returncode == 0
    assert "2 holding" in finished.stdout
    assert "no space left" in finished.stdout
    assert one_document(kazictl("info", "--json"))["pid"] == 4711


def test_version_needs_no_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    daemon.on("GET", "/v1/info", document(an_info()))
    assert "kazid 9.9.9" in kazictl("version").stdout
    assert one_document(kazictl("--version", "--json"))["daemon"] == "9.9.9"
    daemon.stop()
    finished = kazictl("version")
    assert finished.returncode == 0
    assert "kazid: no daemon listens" in finished.stdout
    assert one_document(kazictl("version", "--json"))["daemon"] is None


def test_restart_waits_for_the_next_daemon(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    old, new = document(an_info()), document(an_info(started_at=9.0))
    for options in ([], ["--json"]):
        daemon.on("GET", "/v1/info", old, old, Answer(raw=b""), new)
        daemon.on("POST", "/v1/restart", document(Acknowledged(message="restarting")))
        finished = kazictl("restart", *options)
        assert finished.returncode == 0
    assert one_document(finished)["message"] == "restarting"


def test_doctor_shows_what_to_do_and_fails_when_something_does(daemon: FakeDaemon, kazictl: Kazictl) -> None:
    findings = [
        {"name": "git", "state": "fail", "found": "no git", "todo": "install git"},
        {"name": "disk", "state": "ok", "found": "9 MiB free", "todo": ""},
    ]
    daemon.on("GET", "/v1/doctor", document({"schema_version": 2, "findings": findings}))
    finished = kazictl("doctor")
    assert finished.returncode == exit_codes.ERROR
    assert "-> install git" in finished.stdout
    assert one_document(kazictl("doctor", "--json"))["findings"] == findings


def test_doctor_names_program_credential_and_config_home_of_each_agent(
    daemon: FakeDaemon, kazictl: Kazictl
) -> None:
    daemon.on("GET", "/v1/doctor", document({"schema_version": 2, "findings": []}))
    common = {"credentials": ["KEY"], "credentials_set": [], "config_home": None, "is_default": False}
    agents = [
        {
            **common,
            "id": "ready",
            "command": "sh",
            "credentials_set": ["KEY"],
            "config_home": "/home/u/.agent",
        },
        {**common, "id": "bare", "command": "sh"},
        {**common, "id": "gone", "command": "no-such-agent", "is_default": True},
        {**common, "id": "other", "command": "no-such-agent-either"},
    ]
    daemon.on("GET", "/v1/harnesses", document({"schema_version": 2, "harnesses": agents}))
    told = one_document(kazictl("doctor", "--json"))["agents"]
    assert [(a["name"], a["state"]) for a in told] == [
        ("agent ready", "ok"),
        ("agent bare", "warn"),
        ("agent gone", "warn"),
    ]
    assert "credential KEY; config home /home/u/.agent" in told[0]["found"]
    assert "log in" in told[1]["todo"]
    assert "no-such-agent is not on your PATH" in kazictl("doctor").stdout
