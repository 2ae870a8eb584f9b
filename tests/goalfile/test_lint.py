"""What lint doubts, what it refuses on proof, and what it leaves alone."""

import pytest

from tests.goalfile.loading import PREDICATE, PROBE, loaded

REMEDY = '[[remedy]]\ncmd = "./restart"\n'


def findings(text: str) -> list[tuple[str | None, str, str]]:
    return [(f.predicate, f.code, f.severity) for f in loaded(f'id = "g"\n{text}').findings]


def custom(command: str) -> str:
    return f'[[predicate]]\nid = "p"\nprovider = "custom_script"\n{command}\n'


def probe(predicate_id: str, options: str) -> str:
    return f'[[predicate]]\nid = "{predicate_id}"\nprovider = "http_probe"\n{options}\n'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            probe("a", 'url = "http://x"') + REMEDY,
            ("a", "no-assertion", "doubt"),
            id="probe-that-asserts-nothing",
        ),
        pytest.param(
            PROBE + "recover = 1\n" + REMEDY, ("live", "single-sample", "doubt"), id="one-sample-converges"
        ),
        pytest.param(
            PROBE + "samples = 1\n" + REMEDY, ("live", "single-sample", "doubt"), id="one-sample-as-written"
        ),
        pytest.param(PROBE, ("live", "no-executor", "doubt"), id="nobody-may-repair-it"),
        pytest.param(
            PROBE + PREDICATE, ("live", "no-executor", "doubt"), id="agents-do-not-repair-live-predicates"
        ),
        pytest.param(
            PREDICATE + PROBE + REMEDY + 'for = ["live"]\n',
            ("p", "no-executor", "doubt"),
            id="remedy-for-another",
        ),
        pytest.param(
            custom('cmd = ".venv/bin/pytest"') + '[harness]\nid = "claude"\n',
            ("p", "not-in-a-worktree", "doubt"),
            id="a-tool-that-no-worktree-has",
        ),
        pytest.param(
            custom('cmd = "go test ./..."'), ("p", "command-line", "doubt"), id="whole-line-as-executable"
        ),
        pytest.param(
            PREDICATE + '[[remedy]]\ncmd = "systemctl restart x"\n',
            (None, "command-line", "doubt"),
            id="remedy-as-line",
        ),
        pytest.param(custom('cmd = "true"'), ("p", "cannot-fail", "refuse"), id="true"),
        pytest.param(custom('cmd = "/bin/true"'), ("p", "cannot-fail", "refuse"), id="true-by-path"),
        pytest.param(
            custom('cmd = "sh"\nargs = ["-c", " exit 0 ;"]'), ("p", "cannot-fail", "refuse"), id="exit-0"
        ),
        pytest.param(
            custom('cmd = "true"\nverdict = "exit_code"\npass_codes = [0]'),
            ("p", "cannot-fail", "refuse"),
            id="exit-code-0",
        ),
        pytest.param(
            custom('cmd = "bash"\nargs = ["-c", "pytest || true"]'),
            ("p", "hidden-exit", "refuse"),
            id="or-true",
        ),
        pytest.param(
            custom('cmd = "sh"\nargs = ["-c", "pytest; exit 0"]'),
            ("p", "hidden-exit", "refuse"),
            id="then-exit-0",
        ),
        pytest.param(
            '[[predicate]]\nid = "p"\nprovider = "test_runner"\n',
            ("p", "no-command", "refuse"),
            id="no-command",
        ),
        pytest.param(
            '[[predicate]]\nid = "p"\nprovider = "test_runner"\ncmd = "go"\n',
            ("p", "deprecated-kind", "doubt"),
            id="deprecated",
        ),
        pytest.param(
            probe("a", 'url = "http://x"\nexpect_status = 200')
            + probe("b", 'url = "http://x"\nmethod = "GET"\nexpect_status = 404'),
            ("b", "contradiction", "refuse"),
            id="two-statuses-of-one-request",
        ),
        pytest.param(
            probe("a", 'url = "http://x"\nexpect_body = "ok"\nbody_match = "exact"')
            + probe("b", 'url = "http://x"\nexpect_body = "up"\nbody_match = "exact"'),
            ("b", "contradiction", "refuse"),
            id="two-bodies-of-one-request",
        ),
        pytest.param(
            PROBE + "samples = 11\ninterval_ms = 1000\n",
            ("live", "never-passes", "refuse"),
            id="samples-beyond-deadline",
        ),
        pytest.param(
            probe("a", 'url = "x:80"\nexpect_status = 200'), ("a", "not-http", "doubt"), id="no-scheme"
        ),
        pytest.param(PROBE + 'method = "FROB"\n', ("live", "unknown-method", "doubt"), id="no-such-method"),
        pytest.param(
            PROBE + 'body_match = "regex"\n', ("live", "unknown-match", "doubt"), id="no-such-match"
        ),
        pytest.param(
            PREDICATE + '[scope]\ndeny = ["."]\n', (None, "deny-covers-scope", "refuse"), id="all-denied"
        ),
        pytest.param(
            PREDICATE + '[scope]\npaths = ["src/a", "src/b/"]\ndeny = ["src"]\n',
            (None, "deny-covers-scope", "refuse"),
            id="scope-denied",
        ),
        pytest.param(
            PREDICATE + "[budget]\nmax_tokens = 100\n",
            (None, "budget-below-dispatch", "doubt"),
            id="few-tokens",
        ),
        pytest.param(
            PREDICATE + "[budget]\nmax_cost_usd = 0.001\n",
            (None, "budget-below-dispatch", "doubt"),
            id="little-money",
        ),
        pytest.param(
            PREDICATE + "[budget]\nmax_wall_clock_ms = 1000\n",
            (None, "budget-below-dispatch", "doubt"),
            id="little-time",
        ),
        pytest.param(
            PREDICATE + '[harness]\nid = "claude"\nidle_timeout = "2h"\ntimeout = "1h"\n',
            (None, "never-trips", "doubt"),
            id="idle-beyond-total",
        ),
        pytest.param(
            PREDICATE + REMEDY + "attempts = 50\n[budget]\nmax_wall_clock_ms = 60000\n",
            (None, "never-trips", "doubt"),
            id="attempts-that-backoff-outruns",
        ),
        pytest.param(
            '[[predicate]]\nid = "b"\nprovider = "browser"\nurl = "http://x"\nsteps = [{ action = "zz" }]\n',
            ("b", "unknown-action", "doubt"),
            id="browser-action",
        ),
        pytest.param(
            '[[predicate]]\nid = "b"\nprovider = "browser"\nurl = "http://x"\n',
            ("b", "no-assertion", "doubt"),
            id="browser",
        ),
        pytest.param(
            PREDICATE + '[[enforcement.guard]]\nid = "c"\n',
            ("c", "no-command", "refuse"),
            id="guard-without-metric",
        ),
    ],
)
def test_what_is_doubtful_is_found(text: str, expected: tuple[str | None, str, str]) -> None:
    assert expected in findings(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(PREDICATE, id="a-command-and-an-agent"),
        pytest.param(PROBE + REMEDY, id="a-probe-and-a-remedy"),
        pytest.param(PROBE + "samples = 3\ninterval_ms = 100\n" + REMEDY, id="sustained-samples"),
        pytest.param(PROBE + '[harness]\nid = "claude"\nfor = ["live"]\n', id="an-agent-named-for-it"),
        pytest.param(custom('cmd = "sh"\nargs = ["-c", "test -f x"]'), id="a-shell-that-may-fail"),
        pytest.param(custom('cmd = "sh"\nargs = ["-c", "pytest && true"]'), id="and-then-true"),
        pytest.param(custom('cmd = "sh"\nargs = ["-c", "set -eu; pytest; true"]'), id="errexit"),
        pytest.param(
            custom('cmd = "true"\nverdict = "match_count"\nmatch_regex = "x"\npass_when = "> 0"'),
            id="judged-by-output",
        ),
        pytest.param(PREDICATE + '[scope]\npaths = ["src", "lib"]\ndeny = ["src"]\n', id="part-denied"),
        pytest.param(
            probe("a", 'url = "http://x"\nexpect_status = 200')
            + probe("b", 'url = "http://x"\nexpect_status = 401\nheaders = { A = "b" }')
            + REMEDY,
            id="another-request",
        ),
    ],
)
def test_what_is_sound_is_left_alone(text: str) -> None:
    assert findings(text) == []


def test_a_blank_id_is_doubted() -> None:
    assert [f.code for f in loaded(f'id = "  "\n{PREDICATE}').findings] == ["blank-id"]


def test_findings_say_why() -> None:
    assert all(len(f.why) > 20 for f in loaded(f'id = "g"\n{PROBE}recover = 1\n').findings)


HELD_OUT = PREDICATE + 'held_out = true\n[harness]\nid = "claude"\n'


@pytest.mark.parametrize(
    ("text", "is_found"),
    [
        pytest.param(HELD_OUT, True, id="beside-the-work"),
        pytest.param(HELD_OUT + '[scope]\nworkspace = "/elsewhere"\n', False, id="outside"),
        pytest.param(PREDICATE + "held_out = true\n" + REMEDY, False, id="no-agent"),
        pytest.param(PREDICATE + '[harness]\nid = "claude"\n', False, id="nothing-held-out"),
    ],
)
def test_a_goal_file_that_holds_something_out_should_not_lie_where_the_agent_works(
    text: str, is_found: bool
) -> None:
    assert ((None, "held-out-in-reach", "doubt") in findings(text)) is is_found
