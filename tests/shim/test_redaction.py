"""What is taken out, what is left alone, and that it costs linear time and changes nothing twice."""

import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kazid.shim.disguises import disguises
from kazid.shim.redaction import SECRET_CHARS_MIN, ends_inside_key, redact, redact_bytes, secret_values

JWT = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"
GITHUB = "ghp_" + "aB3dE6gH9jK2mN5pQ8sT1vW4xY7zA0bC3dE6"
SHA256 = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
PEM = (
    "-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA1c7+9z5Pad7OejecsQ0b\nu3aozN3tihPmUHlY\n"
    "-----END RSA PRIVATE KEY-----"
)
ENCRYPTED_PEM = PEM.replace("\nMIIE", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,8A5F3C\n\nMIIE")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(f"a\n{PEM}\nb", "a\n[redacted:private-key]\nb", id="pem"),
        pytest.param(f"a\n{ENCRYPTED_PEM}\nb", "a\n[redacted:private-key]\nb", id="encrypted-pem"),
        pytest.param(PEM.replace("RSA ", "OPENSSH "), "[redacted:private-key]", id="openssh"),
        pytest.param(
            PEM.replace("RSA PRIVATE KEY", "PGP PRIVATE KEY BLOCK"), "[redacted:private-key]", id="pgp"
        ),
        pytest.param(PEM[:60], "[redacted:private-key]", id="pem-without-end"),
        pytest.param(f"x: (\n{PEM[60:]}\nb", "x: ([redacted:private-key]\nb", id="pem-without-beginning"),
        pytest.param(f"{PEM}\n{PEM}", "[redacted:private-key]\n[redacted:private-key]", id="two-keys"),
        pytest.param(f"cookie {JWT}, ok", "cookie [redacted:jwt], ok", id="jwt"),
        pytest.param(f'"\\n{JWT}"', '"\\n[redacted:jwt]"', id="jwt-after-a-json-line-break"),
        pytest.param("https://ada:p4ss@host/x", "https://ada:[redacted:url-credentials]@host/x", id="url"),
        pytest.param(
            "redis://:p@ss@host:6379", "redis://:[redacted:url-credentials]@host:6379", id="url-with-an-at"
        ),
        pytest.param(
            "Authorization: Bearer abc.def", "Authorization: Bearer [redacted:authorization]", id="bearer"
        ),
        pytest.param(
            "-H 'authorization: Basic YTpi'", "-H 'authorization: Basic [redacted:authorization]'", id="basic"
        ),
        pytest.param(
            '{"Authorization": "token abcdef"}',
            '{"Authorization": "token [redacted:authorization]"}',
            id="header-in-json",
        ),
        pytest.param("got bearer 0a1b2c3d4e5f6a7b", "got bearer [redacted:authorization]", id="bearer-alone"),
        pytest.param("AKIAIOSFODNN7EXAMPLE", "[redacted:aws-key]", id="aws"),
        pytest.param(f"x{GITHUB}", "x[redacted:github-token]", id="github"),
        pytest.param(
            f"\x1b[32m{GITHUB}\x1b[0m", "\x1b[32m[redacted:github-token]\x1b[0m", id="github-in-colour"
        ),
        pytest.param("github_pat_11ABCDEFG0aBcDeFgHiJ_kLmNoP", "[redacted:github-token]", id="github-pat"),
        pytest.param("xoxb-1234567890-abcdefGHIJ", "[redacted:slack-token]", id="slack"),
        pytest.param(
            "https://hooks.slack.com/services/T0/B0/abcdefgh",
            "https://hooks.slack.com/[redacted:slack-webhook]",
            id="slack-webhook",
        ),
        pytest.param("sk-proj-abcdEFGH1234ijklMNOP", "[redacted:api-key]", id="openai"),
        pytest.param("sk-ant-api03-abc_DEF-123-xyz", "[redacted:api-key]", id="anthropic"),
        pytest.param("\\nsk-" + "a" * 48, "\\n[redacted:api-key]", id="sk-without-digits-in-json"),
        pytest.param("AIza" + "SyD-9tSrke72PouQMnMX-a7eZSW0jkFMBWY", "[redacted:google-key]", id="google"),
        pytest.param("sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc", "[redacted:stripe-key]", id="stripe"),
        pytest.param("password=hunter2", "password=[redacted:password]", id="password"),
        pytest.param(
            "PGPASSWORD=12345678 psql", "PGPASSWORD=[redacted:password] psql", id="a-password-may-be-digits"
        ),
        pytest.param("Passwd: 'a b\\'c' x", "Passwd: '[redacted:password]' x", id="quoted-with-escapes"),
        pytest.param("DB_PASSWORD: no-quotes", "DB_PASSWORD: [redacted:password]", id="yaml"),
        pytest.param("passphrase => x1", "passphrase => [redacted:password]", id="passphrase"),
        pytest.param("api_key = 'k'", "api_key = '[redacted:key]'", id="api-key"),
        pytest.param("X-Api-Key: abc", "X-Api-Key: [redacted:key]", id="api-key-header"),
        pytest.param("apikey=abc&x=1", "apikey=[redacted:key]", id="api-key-in-a-query"),
        pytest.param(
            "aws_secret_access_key=wJal/bPx", "aws_secret_access_key=[redacted:key]", id="aws-secret"
        ),
        pytest.param("private_key: abc", "private_key: [redacted:key]", id="private-key-by-name"),
        pytest.param("access_token=abc", "access_token=[redacted:token]", id="access-token"),
        pytest.param("GITHUB_TOKEN: abc", "GITHUB_TOKEN: [redacted:token]", id="token-of-somebody"),
        pytest.param("clientSecret: abc", "clientSecret: [redacted:secret]", id="camel-case"),
        pytest.param("secret=hunter2", "secret=[redacted:secret]", id="secret"),
        pytest.param('token = "abc"', 'token = "[redacted:token]"', id="token"),
        pytest.param("token: t0k3n-1", "token: [redacted:token]", id="token-that-looks-like-one"),
        pytest.param("login --token s3cr3t-9 now", "login --token [redacted:token] now", id="flag"),
        pytest.param(
            "f(token=abc, password=q)", "f(token=[redacted:token], password=[redacted:password])", id="call"
        ),
        pytest.param(
            'x "password": "open', 'x "password": "[redacted:password]', id="quote-that-never-closes"
        ),
        pytest.param(
            "İİ password=hunter2", "İİ password=[redacted:password]", id="letters-that-grow-in-lower-case"
        ),
    ],
)
def test_secrets_are_taken_out(text: str, expected: str) -> None:
    assert redact(text) == expected
    assert redact(expected) == expected
    assert redact_bytes(text.encode()) == expected.encode()


@pytest.mark.parametrize(
    "text",
    [
        "token_count = 5",
        "tokens: 1200",
        "max_tokens=500000",
        "max_token=500000",
        '{"input_tokens": 5, "token": 12, "password": null, "secret": {"name": "x"}}',
        f"sha256:{SHA256}",
        f"sha256 = {SHA256}",
        f"cache_key={SHA256}",
        "commit 3f786850e387550fdab836ed7e6dc881de23001b",
        "Unexpected token: }",
        "SyntaxError: Unexpected token: identifier",
        "The secret: never give up",
        "def login(user: str, password: str, token: str | None = None) -> bool:",
        "token = tokens.next()",
        "password:",
        "password: ",
        '{"text": "Enter the password:"}, {"next": 1}',
        r'{"text": "the \"password: \", then"}',
        "task-management-component-with-long-name",
        '<div class="sk-spinner-fading-circle-wrapper">',
        "Basic authentication is required; bearer certificates are not",
        "WWW-Authenticate: Basic realm=x",
        "http://localhost:8080/@scope/package",
        "git@github.com:ada/engine.git",
        "ssh://git@host:22/x",
        "mailto://x y@z",
        "--token TOKEN  the token to use",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "-----BEGIN PUBLIC KEY-----\nMIIB\n-----END PUBLIC KEY-----",
        "Token::new(source), Secret::from(x)",
        "eyJ is how base64 of a JSON object begins",
        "monkey: banana, key: value, keyboard=us",
        "if token == other:",
    ],
)
def test_ordinary_text_is_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "secret", [PEM, JWT, GITHUB, "https://a:b1c2@h/", "Bearer 0a1b2c3d4e5f6a7b", "password=hunter2"]
)
@pytest.mark.parametrize("key", ["text", "password", "api_key"])
def test_json_that_holds_a_secret_stays_json(secret: str, key: str) -> None:
    inner = json.dumps({key: f'line\n{secret}\n"quoted" {secret}', "n": 1})
    for line in (inner, json.dumps({"result": inner, "usage": {"input_tokens": 12, "token": 7}})):
        redacted = redact(line)
        parsed = json.loads(redacted)
        assert parsed.keys() == json.loads(line).keys()
        assert parsed.get("usage") == json.loads(line).get("usage")
        for part in (GITHUB, JWT, "MIIEpAIBAAKCAQEA1c7", "b1c2", "0a1b2c3d4e5f6a7b", "hunter2"):
            assert part not in redacted


def test_known_values_go_wherever_they_stand() -> None:
    secrets = ("s3cr3t-value", "s3cr3t-value-longer", "short")
    assert redact("xs3cr3t-value-longerx s3cr3t-value short", secrets) == (
        "x[redacted:environment]x [redacted:environment] short"
    )
    assert redact_bytes("über-gehéim!".encode(), ("über-gehéim",)) == b"[redacted:environment]!"
    assert redact("[redacted:password]", ("redacted", "password")) == "[redacted:password]", (
        "marks stay whole"
    )


def test_bytes_of_any_encoding_pass() -> None:
    data = bytes(range(256)) + "ä€😀".encode()
    assert redact_bytes(data + b" password=x " + data) == data + b" password=[redacted:password] " + data


def test_values_of_telling_variables_are_known() -> None:
    environment = {
        "ANTHROPIC_API_KEY": "sk-value-1",
        "db_password": "with space",
        "DEPLOY_TOKEN": "short",
        "SSH_PRIVATE_KEY": "first line\nsecond line\n",
        "APP_SECRET": 'quo"ted-value',
        "MAX_OUTPUT_TOKENS": "100000000",
        "GOOGLE_CREDENTIALS": "creds-value",
        "SSL_KEY_FILE": "/etc/ssl/key.pem",
        "SSH_AUTH_SOCK": "/run/user/1000/agent",
        "GIT_AUTHOR_NAME": "Ada Lovelace",
        "HOME": "/home/ada",
    }
    plain = {
        *(
            "sk-value-1",
            "with space",
            "first line",
            "second line",
            'quo"ted-value',
            'quo\\"ted-value',
            "creds-value",
        ),
        *("first line\nsecond line", "first line\\nsecond line"),
    }
    parts = plain - {'quo\\"ted-value', "first line\\nsecond line"}
    forms = {form for part in parts for form in disguises(part) if len(form) >= SECRET_CHARS_MIN}
    assert set(secret_values(environment)) == plain | forms
    lengths = [len(value) for value in secret_values(environment)]
    assert lengths == sorted(lengths, reverse=True), "longest first, so that none hides in another"


def test_a_key_that_is_still_going_on_is_noticed() -> None:
    assert ends_inside_key("x -----BEGIN PRIVATE KEY-----\nMIIB\n")
    assert not ends_inside_key(PEM)
    assert not ends_inside_key(f"{PEM}\n-----BEGIN CERTIFICATE-----\nMIIB\n")
    assert not ends_inside_key('print("-----BEGIN PRIVATE KEY-----")\n')


PARTS = (
    *(
        "password",
        "token",
        "secret",
        "api_key",
        "Authorization",
        "bearer",
        "basic",
        "eyJ",
        "sk-",
        "ghp_",
        "AKIA",
        "xoxb-",
    ),
    *(
        "://",
        "@",
        ":",
        "=",
        '"',
        "'",
        "\\",
        "\\n",
        '\\"',
        " ",
        "\t",
        "\n",
        ".",
        "-",
        "_",
        "{",
        "}",
        ",",
        "[redacted:",
        "]",
    ),
    *("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----", "-----BEGIN ", "--token "),
    *("a", "B7", "0123456789", "abcdefghij", "A1b2C3d4E5f6G7h8I9j0", "null", "12"),
)


@given(st.lists(st.sampled_from(PARTS), max_size=14).map("".join))
@settings(max_examples=500, deadline=None)
@example("password=abc]")
@example("token=[redacted:token],password='")
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join))
@settings(max_examples=40, deadline=None)
@example("eyJ")
@example("://a:")
@example('password="')
@example("password='\\")
@example("-----BEGIN PRIVATE KEY-----")
@example("-")
@example("authorization: ")
@example("token=bearer ")
def test_time_is_linear_in_the_text(unit: str) -> None:
    """Four times the text may take some four times as long; what explodes takes sixteen times and more."""

    def cost_s(size: int) -> float:
        text = (unit * (size // len(unit) + 1))[:size]
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            redact(text)
            best = min(best, time.process_time() - started)
        return best

    small, large = cost_s(8_000), cost_s(32_000)
    assert large < 9 * small + 0.02


def test_clean_text_is_cheap() -> None:
    text = "an ordinary line of output, 42 files, key: value, 12 tokens, https://example.org/a?b=c\n" * 12_000
    started = time.process_time()
    assert redact(text) == text
    assert time.process_time() - started < 10, "a megabyte"
