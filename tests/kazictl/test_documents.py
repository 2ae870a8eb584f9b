"""What the documents tell people to type is what kazictl takes: verbs, options and how many words."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from kazictl.arguments import parse

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])


VALUES = {"DUR": "1h", "N": "3", "OFFSET": "3", "NUMBER": "3"}


def _lines_to_type(text: str) -> Iterator[str]:
    """Lines of code blocks that begin with kazictl, and inline code that does."""
    for block in re.findall(r"^```(?:sh)?\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL):
        yield from (line.strip() for line in block.split("\n") if line.strip().startswith("kazictl "))
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    for line in prose.split("\n"):
        if line.startswith("    kazictl "):
            yield line.strip()
    yield from (" ".join(code.split()) for code in re.findall(r"`(kazictl [^`]+)`", prose))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_in_a_document_is_one_that_kazictl_takes(document: Path) -> None:
    for line in _lines_to_type(document.read_text()):
        print(line)  # the one that fails is the last
        command = re.split(r" [|>&] |; | && ", line)[0].replace("[", "").replace("]", "")
        words = [VALUES.get(word, word) for word in shlex.split(command, comments=True)[1:] if word != "..."]
        if len(words) == 1:
            words.append("--help")  # prose names the verb alone
        parse(words)
