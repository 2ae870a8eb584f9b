"""An editor reads the schema as taplo does: examples are valid, and what is misspelt is pointed at by its line."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kazid.goalfile.schema import goal_file_schema
from tests.goalfile.loading import CATALOG
from tests.goalfile.test_examples import EXAMPLES

TAPLO = Path(sys.executable).parent / "taplo"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "goal.schema.json").write_text(json.dumps(goal_file_schema(CATALOG)))
    return tmp_path


def checked(folder: Path, text: str) -> list[tuple[str, int, str]]:
    """What taplo says is wrong: the sentence, the line, and the text of that line."""
    path = folder / "g.goal.toml"
    path.write_text(f"#:schema ./goal.schema.json\n{text}")
    run = subprocess.run(
        [TAPLO, "check", "--colors", "never", path.name],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    said = re.findall(r"^error: (.*)\n.*:(\d+):\d+\n.*\n *\2 │ *(.*)$", run.stderr, re.MULTILINE)
    assert bool(said) == (run.returncode != 0), run.stderr
    return [(sentence, int(line), source) for sentence, line, source in said]


@pytest.mark.parametrize("path", [pytest.param(p, id=p.name) for p in EXAMPLES])
def test_an_example_is_valid(folder: Path, path: Path) -> None:
    assert checked(folder, path.read_text()) == []


@pytest.mark.parametrize(
    ("text", "line", "source"),
    [
        pytest.param('id = "g"\nstandng = true\n', 3, "standng = true", id="at-the-top"),
        pytest.param('id = "g"\n[scope]\nworkspce = "x"\n', 4, 'workspce = "x"', id="in-a-table"),
        pytest.param(
            'id = "g"\n[[remedy]]\ncmd = "x"\nattemts = 2\n', 5, "attemts = 2", id="in-an-array-of-tables"
        ),
        pytest.param(
            'id = "g"\n[[predicate]]\nid = "p"\nprovider = "http_probe"\nurl = "http://x"\nexpect_statu = 200\n',
            7,
            "expect_statu = 200",
            id="of-a-kind",
        ),
        pytest.param(
            'id = "g"\n[[predicate]]\nid = "p"\nprovider = "ratchet"\nmetric = {}\nurl = "http://x"\n'
            'direction = "higher_better"\nbaseline = 1\n',
            7,
            'url = "http://x"',
            id="of-another-kind",
        ),
    ],
)
def test_a_misspelt_key_is_pointed_at(folder: Path, text: str, line: int, source: str) -> None:
    predicate = (
        "" if "predicate" in text else '[[predicate]]\nid = "p"\nprovider = "custom_script"\ncmd = "x"\n'
    )
    [(sentence, where, what)] = checked(folder, text + predicate)
    assert "unknown key" in sentence
    assert (where, what) == (line, source)


def test_a_misspelt_kind_is_pointed_at_with_those_there_are(folder: Path) -> None:
    found = checked(folder, 'id = "g"\n[[predicate]]\nid = "p"\nprovider = "http_prob"\n')
    assert [(line, source) for _, line, source in found] == [(5, 'provider = "http_prob"')]
    assert '"http_probe"' in found[0][0]
