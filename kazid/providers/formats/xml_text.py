"""XML as a stream of elements, without a tree and without entities.

A report of any size costs no tree, and one that declares an entity is refused: no test or coverage tool writes one, and
entities are how a small file becomes a large one. A document type alone is let pass (cobertura has one); what it names
is not fetched.
"""

from collections.abc import Mapping
from typing import Protocol
from xml.parsers import expat

from kazid.providers.evidence import shortened

DEPTH_MAX = 1000
"""Elements within elements; a real report has a dozen."""


class Elements(Protocol):
    """Who is told of the elements, in the order of the file."""

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""
        ...

    def end(self, name: str) -> None:
        """It ends."""
        ...

    def characters(self, text: str) -> None:
        """A piece of the text within."""
        ...


class _Refused(Exception):
    """Something that no report has."""


def read_xml(text: str, elements: Elements) -> str | None:
    """Tell of all elements; None, or why it could not be read to its end."""
    depth = 0

    def start(name: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > DEPTH_MAX:
            raise _Refused(f"its elements are more than {DEPTH_MAX} deep")
        elements.start(_local(name), attributes)

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1
        elements.end(_local(name))

    # The text is decoded already, whatever encoding its first line declares.
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    parser.buffer_size = 64 * 1024
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = elements.characters
    parser.EntityDeclHandler = _refuse_entity
    try:
        parser.Parse(text.encode("utf-8", errors="replace"), True)
    except (expat.ExpatError, _Refused, ValueError) as error:
        return shortened(str(error))
    return None


def _local(name: str) -> str:
    return name.rpartition(":")[2]


def _refuse_entity(*_: object) -> None:
    raise _Refused("it declares an entity")
