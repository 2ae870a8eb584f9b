"""docs/harnesses.md says what the profiles say, and the page on adding one holds."""

import sys
from pathlib import Path

from kazid.harnesses.builtin import BUILTIN
from kazid.named_harnesses import named_harnesses
from kazid.settings import load_settings
from tests.harnesses.document import MEASURED, PATH, document

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts"))
from agents import PINNED


def test_the_page_is_what_the_profiles_say() -> None:
    assert PATH.read_text() == document(), "python -m tests.harnesses.document writes it"


def test_the_versions_are_those_that_are_driven() -> None:
    pinned = {agent: pin.packages[0].replace("==", "@").rpartition("@")[2] for agent, pin in PINNED.items()}
    assert pinned == MEASURED


def test_the_settings_on_the_page_about_adding_one_declare_agents(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "add-a-harness.md").read_text()
    blocks = [b.partition("```")[0] for b in page.split("```toml\n")[1:]]
    declared = []
    for block in blocks:
        if "[[harness]]" in block:
            path = tmp_path / "kazid.toml"
            path.write_text(block)
            declared += named_harnesses(load_settings(str(path)).harnesses, BUILTIN)
    assert declared == ["our-agent", "corp-claude"]
