"""Secrets in other clothes: every form of a known value and of a canary is found, wherever it stands."""

import base64
import binascii
import codecs
import html
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.shim.disguises import CANARY_NAME, canary_of, disguises, holds_canary
from kazid.shim.lines import LineRedactor
from kazid.shim.redaction import redact, secret_values

SECRET = "hunter2/Correct+Horse=Battery"
CANARY = canary_of("attempt-1")
FORMS = {
    "as it is": lambda s: s,
    "base64": lambda s: base64.b64encode(s.encode()).decode(),
    "base64 behind a user": lambda s: base64.b64encode(b"ada:" + s.encode()).decode(),
    "base64 within more": lambda s: base64.b64encode(b"xy" + s.encode() + b" more").decode(),
    "base64 for URLs": lambda s: base64.urlsafe_b64encode(s.encode()).decode().rstrip("="),
    "base64 twice": lambda s: base64.b64encode(base64.b64encode(s.encode())).decode(),
    "base32": lambda s: base64.b32encode(s.encode()).decode(),
    "in a URL": lambda s: urllib.parse.quote(s, safe=""),
    "all of it in percent": lambda s: "".join(f"%{b:02x}" for b in s.encode()),
    "hexadecimal": lambda s: binascii.hexlify(s.encode()).decode().upper(),
    "escapes of a string": lambda s: "".join(f"\\x{b:02x}" for b in s.encode()),
    "escapes of JSON": lambda s: "".join(f"\\u{b:04x}" for b in s.encode()),
    "HTML": lambda s: "".join(f"&#{b};" for b in s.encode()),
    "escapes of JSON in JSON": lambda s: "".join(f"\\\\u{b:04x}" for b in s.encode()),
    "octal": lambda s: "".join(f"\\{b:03o}" for b in s.encode()),
    "backwards": lambda s: s[::-1],
    "rot13": lambda s: codecs.encode(s, "rot13"),
    "spaced": lambda s: " ".join(s),
    "shouted": lambda s: s.upper(),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_known_value_is_taken_out_in_every_form(form):
    text = f"before {form(SECRET)} after"
    found = redact(text, secret_values({"DEPLOY_PASSWORD": SECRET}))
    assert form(SECRET) not in found
    assert found.startswith("before ")
    assert found.endswith(" after")


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_canary_is_taken_out_by_whoever_does_not_know_it(form):
    text = f"before {form(CANARY)} after"
    assert holds_canary(text)
    found = redact(text)
    assert form(CANARY) not in found
    assert not holds_canary(found)
    assert redact(found) == found


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("secret", [SECRET, CANARY], ids=["value", "canary"])
def test_a_form_split_over_writes_is_taken_out(form, secret):
    data = f"start {form(secret)} end\n".encode()
    for at in range(1, len(data), 3):
        lines = LineRedactor(secret_values({CANARY_NAME: CANARY, "APP_TOKEN": SECRET}))
        out = lines.feed(data[:at]) + lines.flush() + lines.feed(data[at:]) + lines.finish()
        assert form(secret).encode() not in out, at


@given(st.text(min_size=8, max_size=40))
def test_a_form_is_never_the_value_and_never_empty(value):
    found = disguises(value)
    assert value not in found
    assert "" not in found


def test_ordinary_text_holds_no_canary():
    text = "a canary in kazi, and kazi-canary- alone; 6b617a69 is hex\n" * 100
    assert not holds_canary(text)
    assert redact(text) == text
    assert html.unescape(text) == text
