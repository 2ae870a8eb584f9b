"""What an agent is given besides its prompt: the evidence whole, in files, and where to look first. Values, pure."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from kazid.core.goal import Goal
from kazid.core.ids import PredicateId
from kazid.core.json import Json
from kazid.core.vector import VerdictVector

FILES_MAX = 60
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
_UNSPEAKABLE = re.compile(r"[^A-Za-z0-9_.-]+")


class Briefing(msgspec.Struct, frozen=True, kw_only=True):
    """What was laid ready for one dispatch."""

    folder: str | None = None
    """Of the evidence; None: there is none."""
    files: Sequence[str] = ()
    """In it, as `name (bytes)`."""
    orientation: str = ""
    imports: str | None = None
    """Whether `orientation` says who imports what: `told`, or why not. None: nothing of a Python package is near."""


def evidence_files(goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId]) -> dict[str, str]:
    """Texts by file name: of each predicate of the slice that is not held out, its report and each longer text."""
    files: dict[str, str] = {}
    for predicate_id in predicates:
        predicate = goal.predicate(predicate_id)
        if predicate.held_out:
            continue
        verdict, name = vector.reading(predicate_id).verdict, spoken(predicate_id)
        report = {
            "id": predicate_id,
            "verdict": verdict.status.value,
            "reason": verdict.reason,
            "detail": verdict.detail,
            "findings": verdict.findings,
            "evidence": verdict.evidence,
        }
        encoded = msgspec.json.format(msgspec.json.encode(report), indent=1)
        files[f"{name}.report.json"] = encoded.decode()
        for key, value in verdict.evidence.items():
            if isinstance(value, str) and "\n" in value:
                files[f"{name}.{spoken(key)}.log"] = value
    return dict(list(files.items())[:FILES_MAX])


def pictures_of(goal: Goal, vector: VerdictVector, predicates: Sequence[PredicateId]) -> list[str]:
    """Pictures that the evidence names, as it names them."""
    found: dict[str, None] = {}
    for predicate_id in predicates:
        if not goal.predicate(predicate_id).held_out:
            for value in texts_of(vector.reading(predicate_id).verdict.evidence):
                if value.lower().endswith(PICTURES) and "\n" not in value:
                    found[value] = None
    return list(found)[:FILES_MAX]


def spoken(name: str) -> str:
    """A name as one part of a path."""
    return _UNSPEAKABLE.sub("_", name).strip(".")[:80] or "_"


def texts_of(value: Json) -> list[str]:
    """Every text in a value, in order."""
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [s for each in value.values() for s in texts_of(each)]
    if isinstance(value, list | tuple):
        return [s for each in value for s in texts_of(each)]
    return []
