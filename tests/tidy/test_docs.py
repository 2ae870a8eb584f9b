"""What the documents say is what the code does: tables and files they name are compared with it."""

import re
import typing
from pathlib import Path

import tomli

from kazid.core.event import Event
from kazid.core.status import GoalStatus
from kazid.settings import Settings, load_settings
from kazid.wire import exit_codes

ROOT = Path(__file__).resolve().parents[2]


def _rows(document: str) -> list[list[str]]:
    lines = (ROOT / document).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def test_every_event_is_a_row_and_every_row_an_event() -> None:
    types = {kind.__struct_config__.tag for kind in typing.get_args(Event)}
    rows = {row[0].strip("`") for row in _rows("docs/events.md")[2:]}
    assert rows == types


def test_every_exit_code_is_a_row_and_every_row_an_exit_code() -> None:
    rows = {int(row[0]) for row in _rows("docs/exit-codes.md") if row[0].isdigit()}
    assert rows == set(exit_codes.MEANINGS)


def test_every_status_has_an_exit_code_and_a_row() -> None:
    statuses = {status.value for status in GoalStatus}
    assert set(exit_codes.BY_STATUS) == statuses
    named = {name for row in _rows("docs/exit-codes.md") for name in re.findall(r"`([a-z_]+)`", row[0])}
    assert named == statuses


def test_the_settings_file_documents_every_key_with_its_default() -> None:
    path = ROOT / "config" / "kazid.toml"
    assert load_settings(str(path)) == Settings()
    text = path.read_text()
    table = tomli.loads(text)
    for name, value in Settings().model_dump().items():
        assert name in table, name
        if isinstance(value, dict):
            unset = {key for key, default in value.items() if default is None}
            assert set(table[name]) == set(value) - unset, name
            assert all(re.search(rf"^# {key} = ", text, re.MULTILINE) for key in unset), unset


def test_files_that_documents_name_exist() -> None:
    documents = [
        ROOT / "README.md",
        ROOT / "ARCHITECTURE.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").glob("*.md"),
    ]
    missing: list[str] = []
    for document in documents:
        text = document.read_text()
        named = re.findall(r"`((?:kazid|kazictl|tests|config|docs|systemd|scripts)/[\w/.-]+)`", text)
        linked = re.findall(r"\]\(([\w/.-]+)\)", text)
        missing += [f"{document.name}: {name}" for name in named if not (ROOT / name).exists()]
        missing += [f"{document.name}: {name}" for name in linked if not (document.parent / name).exists()]
    assert missing == []


def test_every_document_is_reached_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)\)", (ROOT / "README.md").read_text()))
    assert linked == {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}


def test_architecture_fits_on_its_page() -> None:
    assert len((ROOT / "ARCHITECTURE.md").read_text().splitlines()) <= 80


def test_architecture_names_every_folder_and_every_rule() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text()
    package = ROOT / "kazid"
    modules = [path.name for path in (*package.glob("*.py"), *(package / "core").glob("*.py"))]
    folders = [
        path.name + "/" for path in (*package.rglob("*"), *(ROOT / "kazictl").rglob("*")) if path.is_dir()
    ]
    wanted = {name for name in (*modules, *folders) if name not in ("__init__.py", "__pycache__/")}
    assert {name for name in wanted if not re.search(rf"[`/]{re.escape(name)}", text)} == set()
