"""Nothing in the repository names a package registry, or a place that exists on one machine only."""

import re

from tests.tidy.tree import committable_files, named, text_of

# A bracket in each name, or this file would be its own first finding.
REGISTRY_HOST = re.compile(
    r"https?://[a-z0-9.-]*(py[p]i|python[h]osted|npm[j]s|regis[t]ry|mir[r]or)"
    r"|\b(py[p]i|python[h]osted|npm[j]s|cra[t]es)\.(org|com|io)\b"
    r"|--(extra-)?inde[x]-url\s*[=h/]|--find-link[s]\b",
    re.IGNORECASE,
)
MACHINE_PATH = re.compile(r"(^|[^A-Za-z0-9_.])/(wor[k]|far[m]|roo[t])/")


def _lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{named(path)}:{number}: {line.strip()[:120]}"
        for path in committable_files()
        if (text := text_of(path)) is not None
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert _lines_with(REGISTRY_HOST) == []


def test_no_file_names_a_path_of_one_machine() -> None:
    assert _lines_with(MACHINE_PATH) == []
