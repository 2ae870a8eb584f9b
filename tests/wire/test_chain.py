"""The audit chain finds a byte changed, a record removed, two swapped: each at its place, whatever else is damaged."""

import json
from collections.abc import Callable

import pytest

from kazid.wire.chain import GENESIS, MISSING_MAX, ChainCheck, exported_line, link, parse_line

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


def _pruned_rows(through: int, count: int, *, says: dict[str, object] | None = None) -> list[Row]:
    """A trail whose last record says that it was pruned up to there, before anything of it is dropped."""
    rows = _rows(count)
    event = says or {"through": through, "hash": rows[through - 1][2].hex(), "records": through}
    record = b'{"number":%d,"event":%b,"type":"audit.pruned"}' % (count + 1, json.dumps(event).encode())
    return [*rows, (count + 1, record, link(rows[-1][2], record))]


@pytest.mark.parametrize(
    ("dropped", "says", "at"),
    [
        pytest.param(0, None, [], id="said-and-not-dropped-yet"),
        pytest.param(20, None, [], id="dropped-as-said"),
        pytest.param(19, None, list(range(1, 20)), id="fewer-than-said"),
        pytest.param(21, None, list(range(1, 22)), id="more-than-said"),
        pytest.param(20, {"through": 20, "hash": "ab" * 32}, list(range(1, 21)), id="another-hash-than-it-ended-with"),
        pytest.param(20, {"through": 20}, list(range(1, 21)), id="no-hash"),
        pytest.param(20, {"through": "all", "hash": "zz"}, list(range(1, 21)), id="nonsense"),
    ],
)  # fmt: skip
def test_a_beginning_may_be_gone_only_where_the_trail_says_so(dropped, says, at) -> None:
    rows = _pruned_rows(20, 50, says=says)
    check = _check(rows[dropped:], last=51)
    assert [number for number, _ in check.problems] == at


def test_what_is_left_of_a_pruned_trail_is_checked_like_any_other() -> None:
    rows = _pruned_rows(20, 50)[20:]
    _changed(rows, 9)
    del rows[15]
    assert [number for number, _ in _check(rows, last=51).problems] == [30, 36]


def test_a_checkpoint_that_was_forged_in_place_is_no_checkpoint() -> None:
    rows = _pruned_rows(20, 50)[20:]
    number, record, digest = rows[-1]
    rows[-1] = (number, record.replace(b'"records": 20', b'"records": 99'), digest)
    assert [number for number, _ in _check(rows, last=51).problems] == [*range(1, 21), 51]


def test_heads_that_were_written_down_are_compared_as_far_as_the_trail_goes_back() -> None:
    rows = _pruned_rows(20, 50)
    known = {20: rows[19][2], 30: rows[29][2]}
    assert _check(rows[20:], last=51, known=known).problems == []
    assert [n for n, _ in _check(rows[20:], last=51, known={20: b"x" * 32}).problems] == [20]
    assert _check(rows[20:], last=51, known={10: rows[9][2]}).problems == [
        (10, "was pruned: verify what was exported then")
    ]


def test_an_exported_piece_is_sound_behind_the_head_it_follows_and_after_the_piece_before_it() -> None:
    rows = _rows(50)
    lines = [exported_line(record, digest) for _, record, digest in rows]
    alone, anchored, both = ChainCheck(), ChainCheck(known={20: rows[19][2]}), ChainCheck()
    for check, part in ((alone, lines[20:]), (anchored, lines[20:]), (both, lines[:20]), (both, lines[20:])):
        check.add_lines(iter(part))
    for check in (alone, anchored, both):
        check.end(last=check.number)
    assert [number for number, _ in alone.problems] == list(range(1, 21))
    assert (anchored.problems, both.problems) == ([], [])


def test_of_a_long_beginning_that_is_missing_not_every_number_is_listed() -> None:
    rows = _rows(MISSING_MAX + 50)[MISSING_MAX + 20 :]
    problems = _check(rows, last=MISSING_MAX + 50).problems
    assert len(problems) == MISSING_MAX + 1
    assert problems[-1] == (MISSING_MAX + 20, f"is missing, and all from {MISSING_MAX + 1} to it")
