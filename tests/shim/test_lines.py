"""A stream in pieces is redacted as the whole is, wherever it is cut and whenever it is shown."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kazid.shim.lines import LINE_BYTES_MAX, LineRedactor
from kazid.shim.redaction import redact_bytes

ENVIRONMENT = ("correct horse battery", "sw0rdf1sh-sw0rdf1sh")
SECRETS = (
    "ghp_" + "Zx9" * 12,
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    "sk-ant-api03-" + "q7" * 20,
    *ENVIRONMENT,
)
FRAGMENTS = (
    *SECRETS,
    "password: hunter2-hunter2",
    '"api_key": "k-123-hunter2-hunter2"',
    "https://ada:hunter2-hunter2@example.org/",
    *(
        "plain",
        "words",
        "tokens: 12",
        "{",
        '"',
        "\\n",
        " ",
        "  ",
        "\t",
        "\r",
        ",",
        "\n",
        "\n",
        "0123456789" * 20,
    ),
)
FORBIDDEN = (*SECRETS, "hunter2")


def streamed(pieces: list[bytes], flushes: list[bool]) -> bytes:
    redactor = LineRedactor(ENVIRONMENT)
    out = b""
    for piece, is_shown in zip(pieces, flushes, strict=True):
        out += redactor.feed(piece)
        if is_shown:
            out += redactor.flush()
    return out + redactor.finish()


@given(fragments=st.lists(st.sampled_from(FRAGMENTS), max_size=25), data=st.data())
@settings(max_examples=300, deadline=None)
def test_pieces_add_up_to_the_redacted_whole(fragments: list[str], data: st.DataObject) -> None:
    text = "".join(fragments).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    pieces = [text[a:b] for a, b in itertools.pairwise([0, *cuts, len(text)])]
    never = [False] * len(pieces)
    assert streamed(pieces, never) == redact_bytes(text, ENVIRONMENT)
    shown = data.draw(st.lists(st.booleans(), min_size=len(pieces), max_size=len(pieces)))
    out = streamed(pieces, shown).decode()
    clean = redact_bytes(text, ENVIRONMENT).decode()
    for secret in FORBIDDEN:
        assert secret not in out or secret in clean


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("filler", ["x", "word ", '{"key": 1}, '])
def test_a_secret_at_any_cut_of_a_very_long_line_does_not_leak(secret: str, filler: str) -> None:
    dice = random.Random(f"{secret}{filler}")
    for distance in [0, 1, *(dice.randrange(len(secret) + 4000) for _ in range(4))]:
        padding = (filler * LINE_BYTES_MAX)[: LINE_BYTES_MAX - distance]
        text = f"{padding} {secret} {padding}\nnext line\n".encode()
        pieces = [text[at : at + 10_000] for at in range(0, len(text), 10_000)]
        out = streamed(pieces, [dice.random() < 0.5 for _ in pieces])
        assert out == redact_bytes(text, ENVIRONMENT)
        assert secret.encode() not in out


def test_a_secret_longer_than_any_window_does_not_leak() -> None:
    secret = b"Zx9Q" * 50_000
    out = streamed([b'"password": "' + secret + b'", "then": "words"\nnext\n'], [False])
    assert b"Zx9Q" * 20 not in out
    assert out.endswith(b"next\n")


def test_a_huge_word_passes_in_pieces() -> None:
    blob = random.Random(7).randbytes(300_000).hex().encode()
    assert streamed([blob, b" end\n"], [True, True]) == blob + b" end\n"


def test_what_was_shown_is_not_shown_again() -> None:
    redactor = LineRedactor(())
    assert redactor.feed(b"Compiling ") + redactor.flush() == b"Compiling "
    assert redactor.flush() == b""
    assert redactor.feed(b"foo") + redactor.flush() == b"", "a word that has not ended may be half a secret"
    assert redactor.feed(b" bar") + redactor.flush() == b"foo "
    assert redactor.feed(b"baz\nnext") == b"barbaz\n"
    assert redactor.finish() == b"next"


def test_a_name_shown_before_its_value_still_covers_it() -> None:
    redactor = LineRedactor(())
    shown = redactor.feed(b"the password: ") + redactor.flush()
    assert shown == b"the password: "
    assert redactor.feed(b"hunter2\n") == b"[redacted:password]\n"


def test_after_a_part_was_left_out_its_halves_are_left_out_too() -> None:
    redactor = LineRedactor(())
    assert redactor.feed(b"one line\nhalf a ghp_Zx9Zx9") == b"one line\n"
    shown, lost = redactor.skip(b"Zx9Zx9Zx9Zx9Zx9Zx9 much more\n")
    assert (shown, lost) == (b"half a ", 10 + 29)
    assert redactor.feed(b"and on\n") == b"and on\n"


def test_a_private_key_goes_on_after_a_part_was_left_out() -> None:
    redactor = LineRedactor(())
    redactor.skip(b"noise\n-----BEGIN PRIVATE KEY-----\nTUlJRXZ\n")
    assert redactor.feed(b"c2VjcmV0\nc2VjcmV0\n") == b""
    assert redactor.feed(b"-----END PRIVATE KEY-----\nafter\n") == b"\nafter\n"
