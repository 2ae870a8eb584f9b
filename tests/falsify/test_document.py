"""docs/goal-files.md lists every reason for which a check is refused or doubted, in the words lint uses."""

from kazid.falsify.notes import NOTES
from tests.tidy.tree import ROOT


def test_the_document_has_every_reason_in_its_words() -> None:
    text = (ROOT / "docs" / "goal-files.md").read_text()
    rows = [
        line
        for line in text.partition("## Checks that cannot be red")[2].splitlines()
        if line.startswith("| `")
    ]
    assert rows == [
        "| `{}` | {} | {} | {} |".format(n.code, n.severity, n.why, n.instead.replace("|", "\\|"))
        for n in NOTES
    ]
