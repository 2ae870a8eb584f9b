from pathlib import Path

import pytest

from kazid.adapters.system.secret_key import secret_key
from kazid.adapters.system.tcp_listener import tcp_listener
from kazid.core.errors import StartRefused
from kazid.settings import load_settings


@pytest.mark.parametrize("listen", ["8080", "host", "127.0.0.1:", ":80", "127.0.0.1:http", "a b:80"])
def test_a_listen_that_is_no_address_and_port_is_refused_with_the_settings(
    tmp_path: Path, listen: str
) -> None:
    path = tmp_path / "kazid.toml"
    path.write_text(f'[api]\nlisten = "{listen}"\n')
    with pytest.raises(StartRefused, match=r"api\.listen"):
        load_settings(str(path))


@pytest.mark.parametrize(
    ("listen", "says"),
    [
        pytest.param("nowhere.invalid:80", "is no address", id="name"),
        pytest.param("256.0.0.1:80", "is no address", id="no-address"),
        pytest.param("127.0.0.1:99999", "no port 99999", id="no-port"),
        pytest.param("192.0.2.1:8080", "cannot listen", id="of-another-machine"),
    ],
)
def test_a_listen_that_cannot_be_is_refused_at_the_start(listen: str, says: str) -> None:
    with pytest.raises(StartRefused, match=says):
        tcp_listener(listen)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "localhost:0"])
def test_it_listens_where_it_is_told(listen: str) -> None:
    with tcp_listener(listen) as listener:
        assert listener.getsockname()[0] == "127.0.0.1"
        with pytest.raises(StartRefused, match="in use"):
            tcp_listener(f"127.0.0.1:{listener.getsockname()[1]}")


def test_a_key_is_made_once_for_its_owner_alone_and_a_short_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    key = secret_key(path, size_bytes=32)
    assert len(key) == 32
    assert secret_key(path, size_bytes=32) == key
    assert path.stat().st_mode & 0o777 == 0o600
    path.write_bytes(b"short")
    with pytest.raises(StartRefused, match="holds no key"):
        secret_key(path, size_bytes=32)
