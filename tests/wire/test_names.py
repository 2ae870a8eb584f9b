"""A goal id in a path: any text goes through, and comes back as it was."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kazid.wire.names import decode_id, encode_id


@given(st.text(st.characters(exclude_categories=("Cs",)), min_size=1))
def test_any_id_survives_the_path(goal_id: str) -> None:
    segment = encode_id(goal_id)
    assert segment.isascii()
    assert not set(segment) & set("/?#% &+") - {"%"}
    assert decode_id(unquote(segment)) == goal_id


@pytest.mark.parametrize(
    ("goal_id", "segment"),
    [
        ("web", "web"),
        ("a/b", "a~1b"),
        ("a~b", "a~0b"),
        ("~1", "~01"),
        ("é x", "%C3%A9%20x"),
        ("%2F", "%252F"),
    ],
)
def test_the_encoding_is_that_of_json_pointers(goal_id: str, segment: str) -> None:
    assert encode_id(goal_id) == segment
