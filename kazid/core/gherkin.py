"""A feature file as predicates: one for each scenario, and one for each row of an outline's examples.

Only what a predicate needs is read: names, steps as written, example tables. Comments, tags, descriptions, backgrounds,
doc strings and step tables are skipped. Whoever expands checks that ids are unique: two scenarios of one name are not
merged silently, as the predecessor did.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from kazid.core.json import Json

FEATURE_CHARS_MAX = 1_000_000
UNGROUPED = "ungrouped"

_HEADING = re.compile(
    r"(Feature|Rule|Background|Scenario Outline|Scenario Template|Scenarios|Scenario|Examples|Example):(.*)"
)
_STEP = re.compile(r"(?:Given|When|Then|And|But)\s|\*\s")
_DOC_STRING = ('"""', "```")
_PLACEHOLDER = re.compile(r"<([^<>]+)>")


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """One scenario, or one row of an outline with its cells filled in."""

    id: str
    name: str
    steps: Sequence[str]
    row_key: str | None = None
    example: Mapping[str, str] = {}

    @property
    def title(self) -> str:
        """What it is called where people read it."""
        return f"Scenario: {self.name}" if self.row_key is None else f"Scenario: {self.name} [{self.row_key}]"

    def options(self) -> dict[str, Json]:
        """What its provider gets besides the keys of the authored predicate."""
        options: dict[str, Json] = {"scenario": self.name, "steps": list(self.steps)}
        if self.row_key is not None:
            options |= {"row_key": self.row_key, "example": dict(self.example)}
        return options


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A named list of scenarios."""

    name: str
    scenarios: Sequence[Scenario]


class _Draft:
    """A scenario while it is read."""

    def __init__(self, name: str, *, is_outline: bool) -> None:
        self.name = name
        self.is_outline = is_outline
        self.steps: list[str] = []
        self.tables: list[list[list[str]]] = []


def slug(name: str) -> str:
    """Letters and digits of a name, accents dropped, lower case, joined by dashes."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c)).lower()
    return re.sub(r"[\W_]+", "-", plain).strip("-")


def parse_features(text: str) -> list[Feature]:
    """The features of a file in order; a feature without scenarios has none."""
    features: list[tuple[str, list[_Draft]]] = []
    place = ""
    doc_string: str | None = None
    for line in text.splitlines():
        stripped = line.strip()
        if doc_string is not None:
            doc_string = None if stripped == doc_string else doc_string
        elif stripped[:3] in _DOC_STRING:
            doc_string = stripped[:3]
        elif heading := _HEADING.match(stripped):
            place = _open(heading[1], heading[2].strip(), features)
        elif features and features[-1][1]:
            _fill(features[-1][1][-1], place, stripped)
    return [
        Feature(name=n, scenarios=[s for d in drafts for s in _scenarios(n, d)]) for n, drafts in features
    ]


def _open(keyword: str, name: str, features: list[tuple[str, list[_Draft]]]) -> str:
    """Begin what a heading begins, and say where the following lines belong."""
    if keyword == "Feature" or not features:
        features.append((name if keyword == "Feature" else "", []))
    drafts = features[-1][1]
    match keyword:
        case "Scenario" | "Example" | "Scenario Outline" | "Scenario Template":
            drafts.append(_Draft(name, is_outline=keyword.startswith("Scenario ")))
            return "steps"
        case "Examples" | "Scenarios" if drafts:
            drafts[-1].tables.append([])
            return "rows"
        case _:
            return ""


def _fill(draft: _Draft, place: str, line: str) -> None:
    if place == "steps" and _STEP.match(line):
        draft.steps.append(line)
    elif place == "rows" and line.startswith("|"):
        draft.tables[-1].append([cell.strip() for cell in line.strip("|").split("|")])


def _scenarios(feature: str, draft: _Draft) -> Iterator[Scenario]:
    scenario_id = f"{slug(feature) or UNGROUPED}__{slug(draft.name) or 'scenario'}"
    if not draft.is_outline and not draft.tables:
        yield Scenario(id=scenario_id, name=draft.name, steps=draft.steps)
        return
    for header, *rows in filter(None, draft.tables):
        for row in rows:
            example = dict(zip(header, row, strict=False))
            row_key = "-".join(filter(None, map(slug, row))) or "row"
            steps = [_filled_in(step, example) for step in draft.steps]
            yield Scenario(
                id=f"{scenario_id}__{row_key}", name=draft.name, steps=steps, row_key=row_key, example=example
            )


def _filled_in(step: str, cells: Mapping[str, str]) -> str:
    return _PLACEHOLDER.sub(lambda match: cells.get(match[1], match[0]), step)
