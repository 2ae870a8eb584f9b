"""What is kept of a stream, and that nothing secret is in it, wherever it was cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.adapters.system.capture import REDACT_BLOCK_CHARS, Capture

SECRET = "AKIA" + "ABCDEFGHIJKLMNOP"


def captured(*chunks: bytes, bytes_max: int = 1000) -> Capture:
    capture = Capture(bytes_max)
    for chunk in chunks:
        capture.feed(chunk)
    return capture


@given(st.lists(st.binary(max_size=50), max_size=40), st.integers(2, 300))
def test_what_fits_is_whole_and_what_does_not_keeps_head_and_tail(
    chunks: list[bytes], bytes_max: int
) -> None:
    whole = b"".join(chunks)
    capture = captured(*chunks, bytes_max=bytes_max)
    kept = capture.content()
    assert capture.bytes_total == len(whole)
    assert capture.is_over == (len(whole) > bytes_max)
    assert len(kept) == min(len(whole), bytes_max)
    head = bytes_max // 2
    assert kept == (
        whole if len(whole) <= bytes_max else whole[:head] + whole[len(whole) - (bytes_max - head) :]
    )


@given(st.lists(st.binary(max_size=50), max_size=40), st.integers(2, 300), st.integers(2, 300))
def test_what_is_shrunk_is_what_a_smaller_bound_had_kept(
    chunks: list[bytes], bytes_max: int, shrunk_max: int
) -> None:
    shrunk = captured(*chunks, bytes_max=max(bytes_max, shrunk_max))
    shrunk.shrink(shrunk_max)
    small = captured(*chunks, bytes_max=shrunk_max)
    assert (shrunk.content(), shrunk.is_over) == (small.content(), small.is_over)


def test_how_much_was_dropped_is_said_between_head_and_tail() -> None:
    output = captured(b"first\n", b"x\n" * 5000, b"last\n", bytes_max=100).output()
    assert output.truncated
    assert output.bytes_total == 10_011
    assert output.text.startswith("first\nx\n")
    assert output.text.endswith("x\nlast\n")
    kept = sum(len(line) + 1 for line in output.text.splitlines() if not line.startswith("[…"))
    dropped = int(output.text.partition("[… ")[2].split()[0])
    assert abs(kept + dropped - output.bytes_total) <= 2


@pytest.mark.parametrize("offset", range(0, 40, 3))
@pytest.mark.parametrize("line_end", [b"\n", b" "])
def test_no_half_of_a_secret_is_left_where_it_was_cut(offset: int, line_end: bytes) -> None:
    before = b"y" * (500 - offset - 1) + line_end
    text = (
        before + SECRET.encode() + line_end + b"z" * 5000 + line_end + SECRET.encode() + b"w" * (480 - offset)
    )
    shown = captured(text, bytes_max=1000).output().text
    assert "AKIAA" not in shown
    assert "KLMNOP" not in shown.partition("left out")[2].partition("w")[0]


def test_a_key_across_two_blocks_is_redacted_whole() -> None:
    begin, end = "-----BEGIN RSA PRIVATE KEY-----\n", "-----END RSA PRIVATE KEY-----\n"
    body = "MIIEsecretsecretsecret\n" * 40
    for early in (0, 100, 500):
        padding = "p" * 79 + "\n"
        text = padding * ((REDACT_BLOCK_CHARS - early) // 80) + begin + body + end + padding * 10
        shown = captured(text.encode(), bytes_max=2 * len(text)).output().text
        assert "MIIEsecret" not in shown
        assert shown.count("p" * 79) == (REDACT_BLOCK_CHARS - early) // 80 + 10


def test_text_without_line_ends_is_kept_whole() -> None:
    text = "é" * 400_000
    assert captured(text.encode(), bytes_max=2_000_000).output().text == text


def test_known_values_are_hidden_in_every_block() -> None:
    text = "correct-horse-battery\n" * 20_000
    assert (
        "correct-horse" not in captured(text.encode(), bytes_max=10**6).output(["correct-horse-battery"]).text
    )
