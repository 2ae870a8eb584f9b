"""The fast decoder gives what json.loads gives, or raises where it raises."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazictl.decode import decode, decode_object
from kazictl.failure import Failure
from kazid.wire import exit_codes

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_what_json_writes_is_read_back(value: object, is_ascii: bool) -> None:
    assert decode(json.dumps(value, ensure_ascii=is_ascii)) == value


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \\u\n', max_size=30))
def test_any_text_is_taken_or_refused_as_by_json(text: str) -> None:
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(ValueError):  # noqa: PT011
            decode(text)
    else:
        assert repr(decode(text)) == repr(expected)


def test_deep_nesting_is_a_refusal_not_a_crash() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        decode("[" * 200_000)


@pytest.mark.parametrize("content", [b"", b"<html>", b"[]", b"3", b"{} {}", b"\xff\xfe"])
def test_a_reply_that_is_no_object_is_not_kazids(content: bytes) -> None:
    with pytest.raises(Failure) as caught:
        decode_object(content)
    assert caught.value.exit_code == exit_codes.ERROR
    assert caught.value.kind == "protocol"
