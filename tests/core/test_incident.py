"""Incident files: what is written is read back, and what is not whole says where."""

import msgspec
import pytest

from kazid.core.event import Recorded, SnapshotTaken
from kazid.core.incident import (
    FORMAT,
    VERSION,
    IncidentHeader,
    IncidentUnreadable,
    header_line,
    read_incident,
    record_line,
)
from kazid.core.replay import replay, sentence_of
from kazid.core.verdict import failed, passed
from tests.builders import a_goal, a_predicate, a_remedy
from tests.played import Played


def _records() -> list[Recorded]:
    played = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy("livez")]))
    played.turn()
    played.looks(failed("unreachable"), failed("unreachable"))
    played.acted(after=1.0)
    played.looks(passed(), passed())
    played.turn()
    return played.records


RECORDS = _records()
HEADER = IncidentHeader(
    format=FORMAT,
    version=VERSION,
    kazid="0.1.0",
    owner="ada",
    goal_id="web",
    uid="u1",
    exported_wall_s=1e9,
    last_seq=RECORDS[-1].seq,
)
LINES = [header_line(HEADER), *map(record_line, RECORDS)]


def test_what_is_written_is_read_back():
    text = b"".join(LINES)
    assert text.count(b"\n") == len(LINES), "a line each"
    incident = read_incident(text.splitlines())
    assert (incident.header, incident.skipped) == (HEADER, 0)
    assert [msgspec.json.encode(r) for r in incident.records] == [msgspec.json.encode(r) for r in RECORDS]
    assert replay(incident.records).is_same


def test_a_file_that_begins_in_the_middle_starts_at_its_snapshot():
    played = Played(a_goal(a_predicate("livez", live=True)))
    played.looks(failed("unreachable"), failed("unreachable"))
    progress = msgspec.Raw(msgspec.json.encode(played.progress))
    played.record(SnapshotTaken(progress=progress, goal=played.goal))
    played.looks(passed(), passed())
    header = msgspec.structs.replace(HEADER, last_seq=played.records[-1].seq)
    incident = read_incident([header_line(header), *map(record_line, played.records[1:])])
    assert incident.skipped == 2
    assert isinstance(incident.records[0].event, SnapshotTaken)
    assert replay(incident.records).events == 3


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        pytest.param([], "line 1: not the header", id="empty"),
        pytest.param([b"{}\n", *LINES[1:]], "line 1: not the header", id="no-header"),
        pytest.param(LINES[1:], "line 1: not the header", id="headless"),
        pytest.param(
            [LINES[0].replace(b"kazi-", b"other-")], "not an incident file but 'other-", id="other-format"
        ),
        pytest.param(
            [header_line(msgspec.structs.replace(HEADER, version=VERSION + 1))],
            "written in format 2 by kazid 0.1.0, this one reads up to 1",
            id="newer",
        ),
        pytest.param([*LINES[:2], b"{nonsense\n"], "line 3: ", id="no-json"),
        pytest.param([*LINES[:3], *LINES[4:]], "line 4: event 4 follows 2", id="gap"),
        pytest.param(
            [LINES[0], b"\n", LINES[1], b" \n", *LINES[3:]],
            "line 5: event 3 follows 1",
            id="gap-beside-empty-lines",
        ),
        pytest.param(LINES[:1], f"it ends with event 0; the whole file has {len(RECORDS)}", id="header-only"),
        pytest.param(
            LINES[:-1], f"ends with event {len(RECORDS) - 1}; the whole file has {len(RECORDS)}", id="cut"
        ),
        pytest.param(
            [*LINES[:2], LINES[2].replace(b'"u1"', b'"u2"')], "line 3: an event of another goal", id="mixed"
        ),
        pytest.param(
            [LINES[0], *LINES[2:]],
            "it holds neither the goal's first event nor a snapshot to start from",
            id="no-start",
        ),
    ],
)
def test_a_file_that_is_not_whole_says_where(lines: list[bytes], says: str):
    with pytest.raises(IncidentUnreadable) as raised:
        read_incident(lines)
    assert says in str(raised.value)


def test_decisions_are_one_line_in_the_words_of_the_code():
    played = Played(a_goal(a_predicate("livez", live=True), remedies=[a_remedy("livez")]))
    assert sentence_of(played.decide()).startswith("OpenEpisode for nothing red")
    assert sentence_of(played.turn()) == "Hold observing: livez: no verdict: pending"
    played.looks(failed("unreachable"), failed("unreachable"))
    assert sentence_of(played.turn()).startswith("Act remedy:0 on livez (fingerprint ")
    played.suspend()
    assert sentence_of(played.decide()) == "Hold suspended: maintenance"
