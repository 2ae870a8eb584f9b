"""`fresh_clone`: what a newcomer meets who has the commit and nothing else; each gap with its README line."""

import subprocess
import textwrap
from collections.abc import Mapping
from pathlib import Path

import anyio
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from kazid.core.json import Json
from kazid.core.verdict import Status, Verdict
from kazid.providers.catalog import KINDS
from kazid.providers.fresh_clone import FreshClone, FreshCloneOptions, interpret
from kazid.providers.kinds.newcomer_kinds import LANGUAGES
from kazid.providers.readme_steps import Step, script_of, steps_in, told_by
from kazid.testing import ProviderContract, a_look, exited, objections, real_commands, signaled, timed_out

pytestmark = pytest.mark.anyio

README = """\
# Demo

Get ready:

```sh
mkdir build
cd build
```

```python
raise SystemExit("not for a shell")
```

## Use

```console
$ ls ../tool \\
>    ../README.md
tool README.md
$ cat built
```

<!-- fresh-clone: skip -->
```sh
sudo reboot
```

```bash
no-such-tool --version
echo "$HOME" > "$HOME/seen"
export GREETING=hello
```

~~~sh
test "$GREETING" = hello && pwd | grep -q /build$
~~~
"""


def git(folder: Path, *args: str) -> None:
    identity = ("-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True, timeout=20)


def a_repository(folder: Path, **files: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q")
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "--allow-empty", "-m", "first")
    return folder


async def looked(folder: Path, *, deadline_s: float = 20.0, **options: Json) -> Verdict:
    return await FreshClone().evaluate(options, a_look(folder, deadline_s=deadline_s), real_commands())


def lines_of(verdict: Verdict) -> list[int | None]:
    return [finding.line for finding in verdict.findings]


class TestContract(ProviderContract):
    provider = FreshClone()
    kind = KINDS["fresh_clone"]
    keys = ("readme", "section", "languages", "commands", "ref", "env", "path", "timeout_ms")
    passing: Mapping[str, Json] = {"commands": ["true"]}
    failing: Mapping[str, Json] = {"commands": ["ls no-such-file"]}
    erring: Mapping[str, Json] = {"commands": ["true"], "ref": "no-such-ref"}
    hanging: Mapping[str, Json] = {"commands": ["sleep 300"]}

    @pytest.fixture(autouse=True)
    def _repository(self, tmp_path: Path) -> None:
        a_repository(tmp_path)

    @override
    async def test_it_changes_nothing_in_the_workspace(self, tmp_path: Path) -> None:
        """A repository is no flat folder of texts: see the test of that name below."""


async def test_every_gap_has_its_readme_line_and_one_shell_runs_it_all(tmp_path: Path) -> None:
    a_repository(tmp_path, README__md=README, tool="x")
    verdict = await looked(tmp_path, readme="README.md")
    assert (verdict.status, verdict.reason) == (Status.FAIL, "gaps"), verdict
    assert [(f.file, f.line) for f in verdict.findings] == [("README.md", 20), ("README.md", 29)]
    assert verdict.findings[0].message.startswith("exit 1: cat built (cat: built: No such file")
    assert verdict.findings[1].message.startswith("exit 127: no-such-tool --version (")
    assert "line 29: no-such-tool: command not found" in verdict.findings[1].message
    assert (verdict.evidence["steps"], verdict.evidence["done"], verdict.evidence["gaps"]) == (4, 4, 2)
    assert verdict.detail is not None
    assert verdict.detail.startswith("2 gaps; first: README.md:20: exit 1")


async def test_what_is_not_committed_is_not_there(tmp_path: Path) -> None:
    a_repository(tmp_path, README__md="```sh\n./configure\n```\n")
    (tmp_path / "configure").write_text("#!/bin/sh\n")
    (tmp_path / "configure").chmod(0o755)
    assert lines_of(await looked(tmp_path, readme="README.md")) == [2]
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "second")
    assert (await looked(tmp_path, readme="README.md")).status is Status.PASS
    assert lines_of(await looked(tmp_path, readme="README.md", ref="HEAD~1")) == [2]


async def test_nothing_of_anybodys_machine_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRTUAL_ENV", "/somewhere")
    monkeypatch.setenv("MY_TOKEN", "letmein")
    a_repository(tmp_path)
    alone = [
        'test -z "$(ls -A "$HOME")" && test -z "$VIRTUAL_ENV$MY_TOKEN"',
        'test -z "$(git remote)" && test -n "$(git log -1 --format=%H)"',
        'case "$PWD" in *kazi-fresh-*) ;; *) false ;; esac',
        'test "$PATH" = /usr/bin:/bin',
        'test "$FLAVOUR" = plain',
        'test -z "$(cat)"',
    ]
    verdict = await looked(tmp_path, commands=alone, path="/usr/bin:/bin", env={"FLAVOUR": "plain"})
    assert verdict.status is Status.PASS, verdict


async def test_the_workspace_is_never_touched_and_the_clone_is_removed(tmp_path: Path) -> None:
    a_repository(tmp_path, a="x")
    before = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    push = ["git checkout -q -b more", "git -c user.name=t -c user.email=t@x commit -q --allow-empty -m x"]
    verdict = await looked(tmp_path, commands=[*push, "git push origin more", 'echo "$PWD"'])
    assert lines_of(verdict) == [3]
    clone = str(verdict.evidence["stdout"]).rpartition("\n")[2]
    assert "kazi-fresh-" in clone
    with anyio.fail_after(10):
        while Path(clone).parent.exists():
            await anyio.sleep(0.02)
    after = subprocess.run(
        ["git", "rev-parse", "--all"], cwd=tmp_path, capture_output=True, check=True
    ).stdout
    assert set(after.split()) == set(before.split())


async def test_a_workspace_below_the_top_is_where_its_commands_run(tmp_path: Path) -> None:
    a_repository(tmp_path)
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "R.md").write_text("```sh\nls R.md ../part\n```\n")
    git(tmp_path, "add", "-A")
    git(tmp_path, "commit", "-q", "-m", "part")
    assert (await looked(tmp_path / "part", readme="R.md")).status is Status.PASS


async def test_a_shell_that_ends_early_is_a_gap_and_not_an_end(tmp_path: Path) -> None:
    a_repository(tmp_path)
    verdict = await looked(tmp_path, commands=["true", "exit 0", "true"])
    assert (verdict.status, lines_of(verdict)) == (Status.FAIL, [2])
    assert verdict.findings[0].message == "the shell ended here with 0; 1 steps after it did not run"


async def test_a_command_that_hangs_is_named(tmp_path: Path) -> None:
    a_repository(tmp_path)
    verdict = await looked(tmp_path, commands=["true", "sleep 300"], deadline_s=6.0)
    assert (verdict.status, verdict.reason) == (Status.ERROR, "timeout")
    assert verdict.detail == "not all ran in time: line 2 did not come to its end"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        pytest.param({"readme": "folder"}, "readme_unreadable", id="a-readme-that-is-a-folder"),
        pytest.param({"readme": "empty"}, "nothing_to_run", id="no-blocks"),
        pytest.param({"readme": "blocks", "section": "Nowhere"}, "nothing_to_run", id="no-such-section"),
        pytest.param({"readme": "../x"}, "invalid_config", id="a-readme-elsewhere"),
        pytest.param({"commands": ["true"], "ref": "--all"}, "ref_unresolved", id="a-ref-that-is-an-option"),
        pytest.param({}, "invalid_config", id="nothing-said"),
    ],
)
async def test_nothing_to_run_is_never_green(tmp_path: Path, options: dict[str, Json], reason: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "x").touch()
    a_repository(tmp_path, empty="# Empty\n", blocks="```sh\ntrue\n```\n")
    verdict = await looked(tmp_path, **options)
    assert (verdict.status, verdict.reason) == (Status.ERROR, reason), verdict


async def test_a_readme_that_is_not_there_is_a_gap(tmp_path: Path) -> None:
    verdict = await looked(a_repository(tmp_path), readme="README.md")
    assert (verdict.status, verdict.reason, verdict.findings[0].file) == (
        Status.FAIL,
        "readme_missing",
        "README.md",
    )


async def test_a_folder_that_is_no_repository_is_an_error(tmp_path: Path) -> None:
    verdict = await looked(tmp_path, commands=["true"])
    assert (verdict.status, verdict.reason) == (Status.ERROR, "not_a_git_repo")


@pytest.mark.parametrize(
    ("text", "section", "expected"),
    [
        pytest.param("```sh\na\n```\n", "", [(2, "a")], id="a-block"),
        pytest.param("```\na\n```\n```text\nb\n```\n", "", [], id="of-no-shell"),
        pytest.param("```sh\n# only words\n\n```\n", "", [], id="a-comment-is-no-command"),
        pytest.param("````sh\n```\na\n````\n", "", [(2, "```\na")], id="a-longer-fence"),
        pytest.param("```sh\na", "", [(2, "a")], id="a-fence-that-stays-open"),
        pytest.param("```sh\r\na\r\n```\r\n", "", [(2, "a")], id="windows-lines"),
        pytest.param("```sh\n$ a\nsaid\n$ b \\\n> c\n> no\n```", "", [(2, "a\n\nb \\\nc\n")], id="prompts"),
        pytest.param(
            "# A\n```sh\na\n```\n## B\n```sh\nb\n```\n### C\n```sh\nc\n```\n## D\n```sh\nd\n```",
            "b",
            [(7, "b"), (11, "c")],
            id="one-section-with-what-is-below-it",
        ),
    ],
)  # fmt: skip
def test_the_blocks_of_a_readme(text: str, section: str, expected: list[tuple[int, str]]) -> None:
    assert [(s.line, s.text) for s in steps_in(text, languages=LANGUAGES, section=section)] == expected


@given(text=st.text(st.sampled_from("`~#$> \nabsh<!-"), max_size=120))
def test_no_readme_raises_and_every_step_is_where_it_says(text: str) -> None:
    lines = text.split("\n")
    for step in steps_in(text, languages=LANGUAGES, section=""):
        assert 2 <= step.line <= len(lines) + 1


def a_run(tmp_path: Path, *blocks: str) -> list[tuple[int, str]]:
    """What bash itself makes of blocks that stand ten lines apart."""
    steps = [Step(line=10 * n, text=textwrap.dedent(text)) for n, text in enumerate(blocks, start=1)]
    files: list[str] = []
    for number, step in enumerate(steps):
        (tmp_path / str(number)).write_text("\n" * (step.line - 1) + step.text + "\n")
        files.append(str(tmp_path / str(number)))
    script = script_of(files, steps, token="TOKEN")
    run = subprocess.run(
        ["bash", "--norc"], input=script, cwd=tmp_path, text=True, stderr=subprocess.STDOUT,
        stdout=subprocess.PIPE, timeout=20, check=False,
    )  # fmt: skip
    told = told_by(run.stdout, steps, token="TOKEN")
    assert told.done == len(steps)
    return [(gap.line, gap.message) for gap in told.gaps]


@pytest.mark.parametrize(
    ("blocks", "gaps"),
    [
        pytest.param(["true\nfalse\ntrue", "false"], [11, 20], id="it-goes-on-after-a-gap"),
        pytest.param(["if false; then :; fi\nfalse || true"], [], id="a-condition-is-no-gap"),
        pytest.param(["false | true"], [10], id="a-pipe-hides-nothing"),
        pytest.param(["set -e\nfalse || true", "false\ntrue"], [20], id="set-e-ends-with-its-block"),
        pytest.param(["for i in 1 2 3; do false; done"], [10], id="a-line-is-told-once"),
        pytest.param(["ls \\\n  --no-such\\\n  x\nfalse"], [10, 13], id="continued-lines-begin-somewhere"),
        pytest.param(["true\nif then\n", "true"], [11], id="what-is-no-shell"),
        pytest.param(["f() { false; true; }\nf"], [], id="what-a-function-does-inside-is-its-own"),
        pytest.param(["cat <<X\nfalse\nX\nfalse"], [13], id="a-here-document"),
        pytest.param(["cd nowhere", "pwd"], [10], id="a-folder-that-is-not-there"),
        pytest.param(["printf 'false\\nfalse\\n' > more", ". ./more"], [20], id="what-it-sources-is-one-line"),
    ],
)  # fmt: skip
def test_bash_tells_the_line_of_each_gap(tmp_path: Path, blocks: list[str], gaps: list[int]) -> None:
    assert [line for line, _ in a_run(tmp_path, *blocks)] == gaps


STEPS = [Step(line=4, text="a")]
DONE = "\nT step 0\nfine\n\nT done 0\n"


@pytest.mark.parametrize(
    ("result", "status", "reason"),
    [
        pytest.param(exited(0, stdout=DONE), Status.PASS, None, id="all-done"),
        pytest.param(exited(0, stdout=""), Status.FAIL, "gaps", id="silence-is-not-green"),
        pytest.param(exited(1, stdout=DONE), Status.PASS, None, id="the-last-codes-gap-would-be-told"),
        pytest.param(signaled(9, stdout=DONE), Status.ERROR, "signaled", id="killed"),
        pytest.param(timed_out(stdout=DONE), Status.ERROR, "timeout", id="no-end"),
    ],
)
def test_what_a_run_means(result: object, status: Status, reason: str | None) -> None:
    options = msgspec.convert({"readme": "R"}, FreshCloneOptions)
    verdict = interpret(result, options, STEPS, commit="c" * 40, token="T")  # type: ignore[arg-type]
    assert (verdict.status, verdict.reason) == (status, reason)


@pytest.mark.parametrize(
    ("options", "key"),
    [
        pytest.param({}, "readme", id="neither"),
        pytest.param({"readme": "R", "commands": ["x"]}, "commands", id="both"),
        pytest.param({"commands": ["x"], "section": "S"}, "section", id="a-section-of-nothing"),
    ],
)
def test_what_is_wrong_is_said_when_the_goal_file_is_read(options: dict[str, Json], key: str) -> None:
    assert [p.key for p in objections(KINDS["fresh_clone"], options)] == [key]
