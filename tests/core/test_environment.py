"""What a child may inherit from the daemon, and what it never does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.core.environment import PATH_DEFAULT, build_environment

MARKER = ("KAZI_CHECK", "abc.1")

DAEMON = {
    "HOME": "/home/ada",
    "LC_TIME": "de_DE.UTF-8",
    "TZ": "Europe/Berlin",
    "PATH": "/opt/kazi/bin:/usr/bin:/bin",
    "VIRTUAL_ENV": "/opt/kazi",
    "PYTHONPATH": "/opt/kazi/lib",
    "PYTHONHOME": "/opt/python",
    "KAZI_SOCKET": "/run/kazi/kazid.sock",
    "LISTEN_FDS": "1",
    "NOTIFY_SOCKET": "/run/systemd/notify",
    "WATCHDOG_USEC": "30000000",
    "CREDENTIALS_DIRECTORY": "/run/credentials/kazid",
    "ANTHROPIC_API_KEY": "sk-ant-not-yours",
    "EDITOR": "vi",
}
DAEMONS_OWN = (
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHOME",
    "KAZI_SOCKET",
    "LISTEN_FDS",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
    "CREDENTIALS_DIRECTORY",
)


def built(
    *,
    base: dict[str, str] = DAEMON,
    path: str = "",
    extra: dict[str, str] | None = None,
    names: tuple[str, ...] = (),
) -> dict[str, str]:
    return build_environment(base, path=path, extra=extra or {}, names=names, marker=MARKER)


def test_home_language_and_time_zone_are_always_there() -> None:
    environment = built()
    assert environment["HOME"] == "/home/ada"
    assert environment["TZ"] == "Europe/Berlin"
    assert environment["LC_TIME"] == "de_DE.UTF-8"
    assert environment["LANG"] == "C.UTF-8", "a daemon under systemd has no LANG"


def test_no_tool_is_told_of_a_terminal() -> None:
    assert built()["TERM"] == "dumb"
    assert built(base={"TERM": "xterm"})["TERM"] == "dumb"
    assert built(extra={"TERM": "xterm"})["TERM"] == "xterm"


def test_an_authored_language_wins_over_the_default() -> None:
    assert built(base={"LANG": "fr_FR.UTF-8"})["LANG"] == "fr_FR.UTF-8"


@pytest.mark.parametrize("name", [*DAEMONS_OWN, "ANTHROPIC_API_KEY", "EDITOR"])
def test_what_is_not_on_the_list_does_not_pass(name: str) -> None:
    assert name not in built()


def test_a_credential_passes_when_it_is_named() -> None:
    assert built(names=("ANTHROPIC_API_KEY", "ABSENT"))["ANTHROPIC_API_KEY"] == "sk-ant-not-yours"


@pytest.mark.parametrize("name", DAEMONS_OWN)
def test_the_daemons_own_variables_do_not_pass_even_when_named(name: str) -> None:
    assert name not in built(names=(name,))


def test_an_authored_value_wins() -> None:
    environment = built(path="/usr/bin", extra={"HOME": "/tmp", "PATH": "/only", "PYTHONPATH": "src"})
    assert (environment["HOME"], environment["PATH"], environment["PYTHONPATH"]) == ("/tmp", "/only", "src")


def test_nobody_can_author_the_marker_away() -> None:
    assert built(extra={"KAZI_CHECK": "other"})["KAZI_CHECK"] == "abc.1"


def test_the_callers_path_is_kept_as_it_is() -> None:
    assert built(path="/opt/kazi/bin:/home/ada/.venv/bin:/usr/bin")["PATH"] == (
        "/opt/kazi/bin:/home/ada/.venv/bin:/usr/bin"
    )


def test_the_daemons_virtualenv_is_stripped_from_the_daemons_path() -> None:
    assert built()["PATH"] == "/usr/bin:/bin"
    assert built(base={"PATH": "/opt/kazi/bin/:/bin", "VIRTUAL_ENV": "/opt/kazi/"})["PATH"] == "/bin"
    assert built(base={"PATH": "/X/bin/:/XX/bin:/bin", "VIRTUAL_ENV": "/X"})["PATH"] == "/XX/bin:/bin"
    assert built(base={"PATH": "/bin:/usr/bin"})["PATH"] == "/bin:/usr/bin", "no virtualenv, nothing to strip"


@pytest.mark.parametrize("base", [{}, {"PATH": ""}, {"PATH": "/v/bin", "VIRTUAL_ENV": "/v"}])
def test_there_is_always_a_path(base: dict[str, str]) -> None:
    assert built(base=base)["PATH"] == PATH_DEFAULT


@given(st.dictionaries(st.text(min_size=1), st.text()), st.dictionaries(st.text(min_size=1), st.text()))
def test_only_listed_named_and_authored_variables_pass(base: dict[str, str], extra: dict[str, str]) -> None:
    environment = built(base={**DAEMON, **base}, extra=extra)
    allowed = {"HOME", "LANG", "LOGNAME", "SHELL", "SSL_CERT_DIR", "SSL_CERT_FILE", "TMPDIR", "TZ", "USER"}
    strangers = {
        name
        for name in environment
        if name not in allowed | {"TERM", "PATH", "KAZI_CHECK"} | extra.keys() and not name.startswith("LC_")
    }
    assert strangers == set()
