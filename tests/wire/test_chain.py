"""The audit chain finds a byte changed, a record removed, two swapped: each at its place, whatever else is damaged."""

from collections.abc import Callable

import pytest

from kazid.wire.chain import GENESIS, ChainCheck, exported_line, link, parse_line

Row = tuple[int, bytes, bytes]


def _rows(count: int) -> list[Row]:
    rows, digest = [], GENESIS
    for number in range(1, count + 1):
        record = b'{"number":%d,"type":"goal.stopped","event":{"by":"ada","epoch":%d}}' % (number, number)
        digest = link(digest, record)
        rows.append((number, record, digest))
    return rows


def _check(rows: list[Row], *, last: int, known: dict[int, bytes] | None = None) -> ChainCheck:
    check = ChainCheck(known=known)
    for row in rows:
        check.add(*row)
    check.end(last=last)
    return check


def _changed(rows: list[Row], index: int) -> None:
    number, record, digest = rows[index]
    rows[index] = (number, record.replace(b"ada", b"eve"), digest)


def _swapped(rows: list[Row], one: int, other: int) -> None:
    a, b = rows[one], rows[other]
    rows[one], rows[other] = (a[0], *b[1:]), (b[0], *a[1:])


def _all_three(rows: list[Row]) -> None:
    _swapped(rows, 10, 12)
    _changed(rows, 30)
    del rows[20]


def _contents_swapped(rows: list[Row]) -> None:
    a, b = rows[4], rows[5]
    rows[4], rows[5] = (a[0], b[1], a[2]), (b[0], a[1], b[2])


@pytest.mark.parametrize(
    ("damage", "at"),
    [
        pytest.param(lambda _: None, [], id="sound"),
        pytest.param(lambda rows: _changed(rows, 6), [7], id="one-byte-changed"),
        pytest.param(lambda rows: _changed(rows, 0), [1], id="the-first-changed"),
        pytest.param(lambda rows: rows.pop(6), [7], id="one-removed"),
        pytest.param(lambda rows: rows.pop(0), [1], id="the-first-removed"),
        pytest.param(lambda rows: rows.pop(), [50], id="the-last-removed"),
        pytest.param(lambda rows: rows.__delitem__(slice(3, 6)), [4, 5, 6], id="three-removed"),
        pytest.param(lambda rows: _swapped(rows, 6, 9), [7, 10], id="two-swapped"),
        pytest.param(lambda rows: _swapped(rows, 6, 7), [7, 8], id="neighbours-swapped"),
        pytest.param(_contents_swapped, [5, 6], id="contents-swapped-and-hashes-not"),
        pytest.param(_all_three, [11, 13, 21, 31], id="all-at-once"),
    ],
)
def test_every_damage_is_found_at_its_place(damage: Callable[[list[Row]], object], at: list[int]) -> None:
    rows = _rows(50)
    damage(rows)
    assert [number for number, _ in _check(rows, last=50).problems] == at


def test_a_trail_that_was_rewritten_whole_differs_from_a_head_that_was_written_down() -> None:
    original, forged = _rows(50), []
    digest = GENESIS
    for number, record, _ in original:
        record = record.replace(b'"epoch":7}', b'"epoch":8}')
        digest = link(digest, record)
        forged.append((number, record, digest))
    assert _check(forged, last=50).problems == [], "nothing in it tells"
    known = {40: original[39][2]}
    assert [number for number, _ in _check(forged, last=50, known=known).problems] == [40]
    assert _check(original, last=50, known=known).problems == []


def test_a_trail_that_was_cut_misses_a_head_that_was_written_down() -> None:
    rows = _rows(50)
    check = _check(rows[:30], last=30, known={40: rows[39][2]})
    assert [number for number, _ in check.problems] == [40]


def test_an_export_is_checked_by_its_bytes() -> None:
    rows = _rows(5)
    lines = [exported_line(record, digest) + b"\n" for _, record, digest in rows]
    assert parse_line(lines[0]) == rows[0][1:]
    check = ChainCheck()
    check.add_lines(iter(lines))
    assert (check.records, check.problems) == (5, [])
    check = ChainCheck()
    check.add_lines(iter([lines[0], b"what is this\n", lines[1].replace(b"ada", b"eve"), *lines[2:]]))
    assert [number for number, _ in check.problems] == [2, 2]
