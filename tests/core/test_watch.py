"""What is watched for a predicate between its looks, and what it is called."""

import pytest

from kazid.core.watch import (
    SOURCES_MAX,
    FileSource,
    HookSource,
    PidFileSource,
    ProcessSource,
    Source,
    UnitSource,
    Wake,
    authored,
    below,
    bounded,
    kind_of,
    named,
)


@pytest.mark.parametrize(
    ("wake", "sources"),
    [
        pytest.param(Wake(), (), id="nothing"),
        pytest.param(Wake(hook=True), (HookSource(),), id="hook"),
        pytest.param(Wake(files=("a", "/b/c")), (FileSource("/w/a"), FileSource("/b/c")), id="files"),
        pytest.param(Wake(pid_file="run/x.pid"), (PidFileSource("/w/run/x.pid"),), id="pid-file"),
        pytest.param(Wake(unit="web.service"), (UnitSource("web.service"),), id="unit"),
        pytest.param(
            Wake(hook=True, files=("a",), pid_file="/run/x.pid", unit="u"),
            (HookSource(), FileSource("/w/a"), PidFileSource("/run/x.pid"), UnitSource("u", user=False)),
            id="all-in-order",
        ),
    ],
)
def test_what_a_goal_file_names_is_below_its_folder(wake: Wake, sources: tuple[Source, ...]):
    assert authored(wake, "/w") == sources


@pytest.mark.parametrize(
    ("folder", "name", "path"),
    [
        pytest.param("/w", "a/b", "/w/a/b", id="relative"),
        pytest.param("/w//", "a", "/w/a", id="slashes-at-the-end"),
        pytest.param("/", "a", "/a", id="the-root"),
        pytest.param("/w", "/a", "/a", id="absolute"),
    ],
)
def test_a_name_is_below_the_folder_unless_it_is_absolute(folder: str, name: str, path: str):
    assert below(folder, name) == path


@pytest.mark.parametrize(
    ("wake", "relative"),
    [
        pytest.param(Wake(files=("/a", "b")), True, id="one-of-the-files"),
        pytest.param(Wake(pid_file="x.pid"), True, id="the-pid-file"),
        pytest.param(Wake(files=("/a",), pid_file="/x.pid"), False, id="all-absolute"),
        pytest.param(Wake(hook=True, unit="u"), False, id="no-path"),
    ],
)
def test_a_wake_table_knows_whether_it_needs_a_folder(wake: Wake, relative: bool):
    assert wake.is_relative is relative


def test_each_source_is_watched_once_in_order_and_no_more_than_the_most():
    sources = [FileSource(f"/{n % 40}") for n in range(80)]
    kept = bounded(sources)
    assert kept == tuple(FileSource(f"/{n}") for n in range(SOURCES_MAX))
    assert len(kept) == 32


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        pytest.param(FileSource("/a"), "file", "file /a", id="file"),
        pytest.param(ProcessSource(17), "process", "process 17", id="process"),
        pytest.param(PidFileSource("/x.pid"), "pid_file", "process of /x.pid", id="pid-file"),
        pytest.param(UnitSource("web"), "unit", "unit web", id="unit"),
        pytest.param(UnitSource("web", user=True), "unit", "user unit web", id="user-unit"),
        pytest.param(HookSource(), "hook", "hook", id="hook"),
    ],
)
def test_a_source_has_a_kind_and_words(source: Source, kind: str, words: str):
    assert (kind_of(source), named(source)) == (kind, words)
