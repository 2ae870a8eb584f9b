"""docs/predicates.md is what the code says, and every kind that is built says its verdict rule."""

import pytest

from kazid.ports.catalog import KindSpec
from kazid.providers.catalog import KINDS
from tests.providers.predicate_document import COMMAND, DOCUMENT, document


def test_the_document_is_what_the_code_says() -> None:
    assert DOCUMENT.read_text() == document(), f"write it again: {COMMAND}"


@pytest.mark.parametrize("kind", [pytest.param(k, id=k.name) for k in KINDS.values() if k.built])
def test_a_built_kind_says_when_it_passes_fails_and_cannot_look(kind: KindSpec) -> None:
    assert all(word in kind.verdicts for word in ("pass", "fail", "error")), (
        f'KindSpec {kind.name}: verdicts="pass: ...; fail: ...; error: ..." is missing; then {COMMAND}'
    )
