"""References to secrets: resolved from where they lie, named and never quoted where they are not there."""

import os

import pytest

from kazid.adapters.system.secrets import SECRET_BYTES_MAX, SecretMissing, absent_home, resolved
from kazid.core.goal import SecretRef


def ref(source, name):
    return {"TOKEN": SecretRef(source=source, name=str(name))}


def test_a_secret_comes_from_a_file_a_variable_or_a_credential(tmp_path, monkeypatch):
    (tmp_path / "token").write_text("s3cret\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"OURS": "from-env", "CREDENTIALS_DIRECTORY": str(tmp_path)}
    for source, name, value in (
        ("file", tmp_path / "token", "s3cret"),
        ("file", "~/token", "s3cret"),
        ("env", "OURS", "from-env"),
        ("credential", "token", "s3cret"),
    ):
        assert resolved(ref(source, name), environ) == {"TOKEN": value}
    assert resolved({}, {}) == {}


@pytest.mark.parametrize(
    ("source", "name", "said"),
    [
        pytest.param("file", "nowhere", "No such file", id="no-file"),
        pytest.param("file", "folder", "directory", id="a-folder"),
        pytest.param("file", "empty", "empty", id="an-empty-file"),
        pytest.param("file", "binary", "no text", id="no-text"),
        pytest.param("file", "long", "no secret at all", id="too-long"),
        pytest.param("file", "pipe", "no file", id="a-pipe-is-not-waited-for"),
        pytest.param("env", "UNSET", "no such variable", id="no-variable"),
        pytest.param("env", "KAZI_SOCKET", "no such variable", id="the-daemons-own"),
        pytest.param("credential", "token", "LoadCredential", id="no-credentials"),
    ],
)
def test_what_is_not_there_is_named(tmp_path, source, name, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    (tmp_path / "long").write_text("x" * (SECRET_BYTES_MAX + 1))
    os.mkfifo(tmp_path / "pipe")
    where = tmp_path / name if source == "file" else name
    with pytest.raises(SecretMissing) as missing:
        resolved(ref(source, where), {"KAZI_SOCKET": "/run/x"})
    assert said in str(missing.value)
    assert str(where) in str(missing.value)
    assert "xxx" not in str(missing.value)


def test_a_config_home_that_is_set_has_to_be_there(tmp_path):
    names = ("A_HOME", "B_HOME", "C_HOME")
    assert absent_home(names, {"A_HOME": str(tmp_path), "B_HOME": ""}) is None
    assert absent_home(names, {"A_HOME": str(tmp_path), "B_HOME": str(tmp_path / "no")}) == "B_HOME"
