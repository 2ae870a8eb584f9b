"""Recorded runs of every release, decided again: an upgrade that changes a decision shows here, and is reviewed."""

from pathlib import Path

import pytest

from kazid.core.incident import read_incident
from kazid.core.replay import replay

RECORDED = sorted((Path(__file__).parent / "recorded").glob("*.incident"))


def test_there_are_recorded_runs():
    assert len(RECORDED) >= 3


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in RECORDED])
def test_what_a_release_decided_is_decided_again(path: Path):
    incident = read_incident(path.read_bytes().splitlines())
    replayed = replay(incident.records)
    assert replayed.decisions >= 4
    assert replayed.is_same, replayed.differences
